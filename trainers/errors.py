"""The one error a user of `trainers` meets: a single line that says what was found, what was expected and the mend.

Knows: nothing else.  Does not know: who raises it; `trainers.cli` prints it and exits with 2.
"""

from __future__ import annotations


class UserError(ValueError):
    """Found, expected, next command; never a traceback."""
