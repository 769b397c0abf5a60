"""Define networks in a streamed and a full-clip form with the same answer.

Knows tensors and the contract.  Does not know data, losses, files.
"""
