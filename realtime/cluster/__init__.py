"""Work on the machines of a Ray cluster, shard by shard (extra `cluster`).

Knows Ray.  Does not know what a shard is.
"""
