"""How well verdicts tell fakes from real clips: stored verdicts, protocols, tables."""

from avsync.evaluate.protocols import PROTOCOLS
from avsync.evaluate.results import Settings
from avsync.evaluate.run import default_protocol, evaluate
from avsync.evaluate.table import print_tables, to_markdown

__all__ = ["PROTOCOLS", "Settings", "default_protocol", "evaluate", "print_tables", "to_markdown"]
