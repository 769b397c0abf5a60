"""Make data by the real detector on rendered people and occluded footage.

Knows scenes, the detector, shards.  Does not know networks.
"""
