"""Define the networks that run live: causal lifters, corrector, reliability."""
