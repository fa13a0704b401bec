"""Reports of internal errors, without personal data."""

import platform
from importlib.metadata import PackageNotFoundError, version
from traceback import walk_tb

from avsync.engine.interface import InternalError

_PACKAGES = ("avsync", "torch", "av", "numpy", "dlib-bin")


def report(error: BaseException) -> str:
    """Return where an error was raised, and the versions of what it was raised in.

    Messages of errors, paths of files, the environment and the values of variables are left out: they may name a person
    or a recording. Of an error in a worker, it is the report that the worker made.
    """
    if isinstance(error, InternalError):
        return error.report
    lines = ["avsync: internal error", f"python {platform.python_version()}, {platform.system()} {platform.machine()}"]
    lines += [f"{name} {_version(name)}" for name in _PACKAGES]
    cause: BaseException | None = error
    while cause is not None:
        lines += ["", f"{type(cause).__module__}.{type(cause).__qualname__}"]
        lines += [
            f"  {frame.f_globals.get('__name__')}:{line}, in {frame.f_code.co_name}"
            for frame, line in walk_tb(cause.__traceback__)
        ]
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return "\n".join(lines) + "\n"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
