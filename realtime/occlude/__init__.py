"""Tell which keypoints can be believed.

Knows keypoints over time and grey pictures.  Does not know detectors, lifters, sockets.
"""
