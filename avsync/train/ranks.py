"""The processes of one training on several devices. Lightning starts the command line again for each further device."""

import logging
import os

from avsync.processes import end_with

_FIRST = "AVSYNC_FIRST_PROCESS"  # its number, for the others


def rank() -> int:
    """The number of this process among those of the machine that train together, from 0."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def lead() -> None:
    """Let the processes that this one starts know it."""
    os.environ[_FIRST] = str(os.getpid())


def follow() -> bool:
    """Prepare a process that the first one has started: it ends with it, and leaves warnings to it.

    Returns:
        Whether this is such a process.
    """
    if not rank():
        return False
    if first := os.environ.get(_FIRST):
        end_with(int(first))
    logging.disable(logging.WARNING)
    return True
