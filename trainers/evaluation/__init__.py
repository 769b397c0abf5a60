"""Measure lifters, reliability and recordings.

Knows metrics, test clips, reports.  Does not know training.
"""
