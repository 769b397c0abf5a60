"""Vary motion, poses and detections for training.

Knows clips as tensors and what detectors do wrong.  Does not know files, networks.
"""
