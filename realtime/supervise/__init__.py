"""Start, watch, restart and stop the pipeline's processes.

Knows processes, heartbeats, the status board.  Does not know what stages do.
"""
