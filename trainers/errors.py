"""Define the one error a user of `trainers` meets: found, expected, and the fix, in a line."""

from __future__ import annotations


class UserError(ValueError):
    """Found, expected, next command; never a traceback."""
