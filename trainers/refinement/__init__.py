"""Refine recorded poses.

Knows recordings and inference stage optimisation.  Does not know training.
"""
