"""How surprising it is that some stretch of a recording stands out, given how long the recording is.

In an hour of real speech more stands out than in ten seconds. So the best proposal of a recording (`propose`) is
compared with what so much real speech has: its score is a scan statistic. Stretches of real speech that score above s
come about as often as a Poisson process, at a rate that falls exponentially with s, so that the best of t seconds
follows Gumbel's law (D. Aldous, "Probability approximations via the Poisson clumping heuristic", 1989). The statistics
of local alignments of sequences have the same form (Karlin & Altschul, PNAS 87, 1990).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy.special import logsumexp

from avsync.score.quantiles import LARGEST, Floats, person_weights

# The least spread of real recordings that is taken to be true: more alike are only copies of one recording.
_LEAST_SCALE = 0.05


@dataclass(frozen=True)
class Scan:
    """The law of the best proposals of real recordings.

    Attributes:
        typical: a score that one stretch per second of speech exceeds on average.
        scale: how much more a score must be to be exceeded e times as rarely.
    """

    typical: float
    scale: float

    @classmethod
    def fit(cls, best: Floats, seconds: Floats, people: Sequence[str]) -> Self:
        """Fit the law by maximum likelihood, every person weighing the same.

        Args:
            best: the highest score of a proposal in each recording, 0 where there is none, float [n].
            seconds: the speech of each (s), above 0, float [n].
            people: whose recording each is, [n].
        """
        from scipy.optimize import minimize_scalar  # takes a while to import; scoring does not need it

        weights = person_weights(np.array(people))
        weights /= weights.sum()
        mean, spread = weights @ best, max(float(np.std(best)), _LEAST_SCALE)

        def typical(scale: float) -> float:
            return float(-scale * logsumexp(-best / scale, b=weights * seconds))

        def loss(scale: float) -> float:
            return float(np.log(scale) + (mean - typical(scale)) / scale)

        bounds = (_LEAST_SCALE, 10 * spread)
        scale = float(minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6}).x)
        return cls(typical(scale), scale)

    def p_value(self, score: float, seconds: float) -> float:
        """The share of real recordings with so much speech (s) in which some stretch scores at least as high.

        Beyond the best stretch of the calibration it is extrapolated.
        """
        expected = seconds * np.exp(min((self.typical - score) / self.scale, 50.0))
        return float(-np.expm1(-expected))

    def to_dict(self) -> dict[str, float]:
        """Plain data for JSON."""
        return {"typical": round(self.typical, 5), "scale": round(self.scale, 5)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` gave.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        scan = cls(float(data["typical"]), float(data["scale"]))
        if not (abs(scan.typical) <= LARGEST and 0 < scan.scale <= LARGEST):
            raise ValueError("scan")
        return scan
