"""What separates real from fake in a data set without a look at what is shown or said."""

from avsync.evaluate.audit.facts import FACTS, Fact
from avsync.evaluate.audit.run import audit
from avsync.evaluate.audit.summary import Audit

__all__ = ["FACTS", "Audit", "Fact", "audit"]
