"""Compute with cameras, rays, projections and occlusion.

Knows arrays and tensors of points.  Does not know files, networks.
"""
