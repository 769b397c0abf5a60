"""Build the clips that lifters are tested on.

Knows motion, views, detections.  Does not know networks.
"""
