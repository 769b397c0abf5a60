"""Record, read, replay and lift recordings again.

Knows the file format and the published bytes.  Does not know cameras, detectors.
"""
