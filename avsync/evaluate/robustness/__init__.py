"""Robustness: how verdicts change when real clips and fakes go through manipulations that are no evidence."""

from avsync.evaluate.robustness.limit import limited
from avsync.evaluate.robustness.run import measure_robustness
from avsync.evaluate.robustness.summary import RobustnessSummary

__all__ = ["RobustnessSummary", "limited", "measure_robustness"]
