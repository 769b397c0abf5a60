"""Run the training loop and ablations.

Knows recipes by their protocol, checkpoints, devices.  Does not know what a recipe learns.
"""
