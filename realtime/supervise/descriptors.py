"""Raise this process's limit of open descriptors, so that strangers' connections do not use it up."""

from __future__ import annotations

import sys

FEWEST = 10_240  # where the hard limit is none, some systems still refuse an endless soft one


def raise_descriptor_limit() -> int:
    """Set the soft limit of open descriptors to the hard one; return what holds now, 0 where there is no such limit."""
    if sys.platform == "win32":
        return 0
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (hard, FEWEST):
        if soft != resource.RLIM_INFINITY and (wanted == resource.RLIM_INFINITY or wanted > soft):
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
                break
            except (ValueError, OSError):
                continue
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
