"""Publish answers to clients.

Knows the public address, freshness, the PoseRing.  Does not know pixels, engines, who listens.
"""
