"""Feed engines with people over time: shared by occlude and lift.

Knows the contract, batches, the 30 Hz grid.  Does not know messages, cameras, pixels.
"""
