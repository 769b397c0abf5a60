"""Move messages and pixels between processes.

Knows ZeroMQ, shared memory, addresses, the runtime directory.  Does not know what messages mean.
"""
