"""Answer every frame of a file.

Knows the cores and their order.  Does not know pace, clients.
"""
