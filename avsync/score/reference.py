"""What real clips look like: quantiles of every reading, by length of window, and how odd a window is beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr  # the distribution function of Student's t

from avsync.errors import UsageError
from avsync.score.readings.lattice import ODD_WHEN_HIGH
from avsync.score.readings import ASPECTS, READINGS

Floats = NDArray[np.float64]
Aspects = Mapping[str, tuple[str, ...]]
# What is kept of each reading: enough for a 1 % p-value, and no clip can be told from it.
SHARES = np.linspace(0, 1, 101)
# Half the readings of real windows lie within 0.674 standard deviations of a normal distribution's middle.
_QUARTILE = 0.6745
# Tails are as heavy as Student's with this many degrees of freedom: readings of real clips have outliers.
_FREEDOM = 5


@dataclass(frozen=True)
class Reference:
    """The distribution of real windows.

    Attributes:
        seconds: float [L], rising; the lengths of window that were measured.
        people: float [L], of how many people there are windows of each length.
        readings: of each reading, quantiles float [L, 101] at shares 0, 0.01 … 1.
        oddness: the same of each aspect's oddness, every window measured beside the other people's windows.
        surprise: float [L, 101], the same of the largest `surprise` of any aspect.
        aspects: of each aspect, the readings that answer it.
    """

    seconds: Floats
    people: Floats
    readings: dict[str, Floats]
    oddness: dict[str, Floats]
    surprise: Floats
    aspects: Aspects

    @classmethod
    def fit(
        cls,
        readings: Mapping[float, Mapping[str, Floats]],
        people: Mapping[float, Sequence[str]],
        aspects: Aspects = ASPECTS,
    ) -> Self:
        """Measure real windows; every person weighs the same, however many windows are theirs.

        Args:
            readings: by length of window (s), of each reading the values float [n].
            people: by length, whose window each is.
            aspects: of each aspect, the readings that answer it.
        """
        lengths = sorted(readings)
        tables: dict[str, list[Floats]] = {name: [] for name in readings[lengths[0]]}
        oddness: dict[str, list[Floats]] = {aspect: [] for aspect in aspects}
        surprises: list[Floats] = []
        for length in lengths:
            names = np.array(people[length])
            for name, rows in tables.items():
                rows.append(_quantiles(readings[length][name], names))
            surprise = []
            for aspect, of_aspect in aspects.items():
                odd = _left_out({name: readings[length][name] for name in of_aspect}, names)
                oddness[aspect].append(_quantiles(odd, names))
                surprise.append(_surprise(odd, oddness[aspect][-1]))
            surprises.append(_quantiles(np.max(surprise, axis=0), names))
        return cls(
            np.array(lengths),
            np.array([len(set(people[length])) for length in lengths], np.float64),
            {name: np.stack(rows) for name, rows in tables.items()},
            {aspect: np.stack(rows) for aspect, rows in oddness.items()},
            np.stack(surprises),
            aspects,
        )

    def percentile(self, name: str, value: float, seconds: float) -> float:
        """Where a reading of a window of `seconds` stands among real ones, 0-100."""
        return float(100 * np.interp(value, self._at(self.readings[name], seconds), SHARES))

    def p_value(self, name: str, value: float, seconds: float) -> float:
        """Two-sided: twice the share of real windows beyond the value on its side, this one counted in."""
        share = self.percentile(name, value, seconds) / 100
        return self._counted(2 * min(share, 1 - share), seconds)

    def odd(self, aspect: str, readings: Mapping[str, float], seconds: float) -> float:
        """How odd the readings of one aspect are together."""
        tables = {name: self._at(self.readings[name], seconds) for name in self.aspects[aspect]}
        return float(_oddness(tables, readings))

    def p_odd(self, aspect: str, oddness: float, seconds: float) -> float:
        """Conformal: the share of real windows of that length that are at least as odd, this one counted in."""
        share = 1 - np.interp(oddness, self._at(self.oddness[aspect], seconds), SHARES)
        return self._counted(float(share), seconds)

    def surprises(self, oddness: Mapping[str, float], seconds: float) -> float:
        """-log10 of a smooth p-value of the odder aspect, which ranks also what is odder than every real window."""
        return max(float(_surprise(odd, self._at(self.oddness[aspect], seconds))) for aspect, odd in oddness.items())

    def p_surprise(self, surprise: float, seconds: float) -> float:
        """Conformal: the share of real windows of that length either aspect of which surprises as much."""
        return self._counted(float(1 - np.interp(surprise, self._at(self.surprise, seconds), SHARES)), seconds)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: quantiles and counts, nothing else."""
        return {
            "seconds": self.seconds.tolist(),
            "people": self.people.tolist(),
            "readings": {name: np.round(table, 5).tolist() for name, table in self.readings.items()},
            "oddness": {aspect: np.round(table, 5).tolist() for aspect, table in self.oddness.items()},
            "surprise": np.round(self.surprise, 5).tolist(),
        }

    @classmethod
    def from_dict(cls, data: Any, aspects: Aspects = ASPECTS, names: Sequence[str] = READINGS) -> Self:
        """Read what `to_dict` gave, of these aspects and readings.

        Raises:
            UsageError: it is something else.
        """
        try:
            seconds, people, surprise = (np.array(data[key], np.float64) for key in ("seconds", "people", "surprise"))
            readings = {name: np.array(data["readings"][name], np.float64) for name in names}
            oddness = {aspect: np.array(data["oddness"][aspect], np.float64) for aspect in aspects}
            tables = (*readings.values(), *oddness.values(), surprise)
            if not len(seconds) or people.shape != seconds.shape or (np.diff(seconds) <= 0).any():
                raise ValueError("lengths")
            if any(t.shape != (len(seconds), len(SHARES)) or not np.isfinite(t).all() for t in tables):
                raise ValueError("quantiles")
            return cls(seconds, people, readings, oddness, surprise, aspects)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise UsageError("the checkpoint has no calibration of this version; run avsync calibrate") from error

    def _at(self, table: Floats, seconds: float) -> Floats:
        """The quantiles of windows of `seconds`, between those measured."""
        return np.array([np.interp(seconds, self.seconds, column) for column in table.T])

    def _counted(self, share: float, seconds: float) -> float:
        # People, not windows, are drawn independently: no p-value is below one in as many people and one more.
        count = float(np.interp(seconds, self.seconds, self.people))
        return float(min(1.0, (share * count + 1) / (count + 1)))


def _oddness(tables: Mapping[str, Floats], readings: Mapping[str, Floats | float]) -> Floats:
    """Fisher's sum over readings of -log10 p (Statistical Methods for Research Workers, 1925, section 21.1).

    p is the tail, on the side where the reading is odd, of a Student distribution through the quartiles in `tables`,
    the quantiles of each reading, so that it also tells apart what lies beyond every real window.
    """
    total = np.zeros(())
    for name, table in tables.items():
        low, middle, high = np.interp([0.25, 0.5, 0.75], SHARES, table)
        scale = max((high - low) / (2 * _QUARTILE), 1e-6) * (-1 if name in ODD_WHEN_HIGH else 1)
        total = total - np.log10(np.maximum(stdtr(_FREEDOM, (readings[name] - middle) / scale), 1e-12))
    return np.asarray(total)


def _surprise(oddness: Floats | float, table: Floats) -> Floats:
    """-log10 p of an exponential through the median (p = 0.5) and the 90th percentile (p = 0.1) of real windows."""
    middle, high = np.interp([0.5, 0.9], SHARES, table)
    return np.asarray(np.log10(2) + np.log10(5) * (oddness - middle) / max(high - middle, 1e-6))


def _left_out(readings: Mapping[str, Floats], people: NDArray[np.str_]) -> Floats:
    """The oddness, by these readings, of each person's windows beside those of all others."""
    odd = np.zeros(len(people))
    for person in np.unique(people):
        own = people == person
        tables = {name: _quantiles(values[~own], people[~own]) for name, values in readings.items()}
        odd[own] = _oddness(tables, {name: values[own] for name, values in readings.items()})
    return odd


def _quantiles(values: Floats, people: NDArray[np.str_]) -> Floats:
    """Quantiles at `SHARES`, every person of the same weight."""
    _, person, count = np.unique(people, return_inverse=True, return_counts=True)
    order = np.argsort(values)
    weight = (1 / count[person])[order]
    share = (np.cumsum(weight) - weight / 2) / weight.sum()
    return np.interp(SHARES, share, values[order])
