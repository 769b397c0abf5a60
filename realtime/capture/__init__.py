"""Get pictures from cameras, streams, files and the demo.

Knows drivers, stamps, what goes wrong with sources.  Does not know detectors, poses, clients.
"""
