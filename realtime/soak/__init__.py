"""Run for hours under kills and stops, watched from outside: what leaks, what is lost, what recovers.

A subscriber with plain pyzmq and msgpack counts; nothing is asked of the run that any other program could not ask.
"""
