"""Draw poses into films.

Knows messages and recordings, drawing, encoders.  Does not know stages, engines, sockets.
"""
