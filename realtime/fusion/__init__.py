"""Fuse what several calibrated cameras see of one room into one pose a person.

Knows calibrations, poses of single cameras, time.  Does not know pixels, detectors, networks.
"""
