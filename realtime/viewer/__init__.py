"""Show a stream in the browser.

Knows the stream as a client does, HTTP and WebSocket.  Does not know stages, engines.
"""
