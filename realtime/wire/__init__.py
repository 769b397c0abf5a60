"""Define what travels and its bytes: the ground floor.

Knows messages, topics, units, encoding.  Does not know sockets, stages, engines.
"""
