"""Find people in pictures and keep their ids.

Knows the detector and tracking.  Does not know cameras, occlusion, lifting.
"""
