"""Read and write motion, views, detections and recordings.

Knows file layouts and splits by person.  Does not know networks, losses.
"""
