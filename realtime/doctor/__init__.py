"""Examine this machine for a run.

Knows what a run needs.  Does not know how a run works.
"""
