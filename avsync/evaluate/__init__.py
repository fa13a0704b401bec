"""How well verdicts tell fakes from real clips: intervals by person, refusals counted, shortcuts beside."""

from avsync.evaluate.protocol import evaluate
from avsync.evaluate.results import Settings
from avsync.evaluate.summary import Group, Summary, summarise
from avsync.evaluate.table import print_summary, to_markdown

__all__ = ["Group", "Settings", "Summary", "evaluate", "print_summary", "summarise", "to_markdown"]
