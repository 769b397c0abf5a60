"""Lift 2D keypoints to 3D poses.

Knows the lifter's contract, people over time, the camera model.  Does not know pixels, sockets, detectors.
"""
