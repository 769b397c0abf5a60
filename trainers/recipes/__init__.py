"""The systems that can be trained, one file each; `trainers.recipe` lists them."""
