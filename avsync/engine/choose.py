"""The engine that a name of the command line means."""

from importlib.util import find_spec

from avsync.engine.interface import Engine
from avsync.engine.local import LOCAL
from avsync.errors import UsageError


def open_engine(name: str) -> Engine:
    """Return the engine of a name: "local", "ray" or "ray://HOST:PORT".

    "ray" joins the cluster that RAY_ADDRESS names or that runs on this machine, or starts one here.

    Raises:
        UsageError: no such engine, Ray is not installed, or no cluster answers at the address.
    """
    if name == "local":
        return LOCAL
    if name != "ray" and not name.startswith("ray://"):
        raise UsageError(f"--engine {name}: choose local, ray or ray://HOST:PORT")
    if find_spec("ray") is None:
        raise UsageError("--engine ray needs Ray: pip install 'avsync[scale]'")
    from avsync.engine.ray import RayEngine

    return RayEngine(None if name == "ray" else name)
