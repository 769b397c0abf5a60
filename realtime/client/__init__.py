"""Receive poses.

Knows the public address and the rules of freshness.  Does not know stages, engines, pixels.
"""
