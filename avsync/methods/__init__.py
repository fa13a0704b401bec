"""How a file is judged: by the default model and its face readings, or by one reading of a backbone's lattice."""

from avsync.methods.faces import Faces
from avsync.methods.load import Loaded, Method, load_method

__all__ = ["Faces", "Loaded", "Method", "load_method"]
