"""Send poses on to other tools.

Knows the stream as a client does, axes and protocols of other tools.  Does not know stages, engines.
"""
