"""Compute with bones and bodies.

Knows the 17 joints as tensors.  Does not know files, cameras, networks.
"""
