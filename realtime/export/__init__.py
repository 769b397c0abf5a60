"""Write recordings as files of other tools.

Knows recordings and file formats.  Does not know stages, engines, sockets.
"""
