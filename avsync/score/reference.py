"""What real windows look like to one check: quantiles of its readings and of its score, by length of window."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr  # the distribution function of Student's t

from avsync.score.evidence import fit_ratio, from_log_p
from avsync.score.quantiles import (
    LARGEST,
    SHARES,
    Floats,
    at_length,
    checked,
    conformal,
    counted,
    person_weights,
    read_lengths,
    read_table,
    weighted_quantiles,
)
from avsync.score.readings import Reading
from avsync.score.scan import Scan

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
        readings: quantiles of each reading, float [L, 101] at shares 0, 0.01 … 1.
        scores: quantiles of the check's score, float [L, 101], computed leave-one-person-out.
        ratio: slope and offset of its evidence in `log_p`, float [L, 2]; None: there were no counterexamples.
        sign: of each reading that counts in the score, +1 where low is anomalous, -1 where high is.
        scan: the law of the best proposals of real recordings; None where the check sees nothing finer than windows.
    """

    seconds: Floats
    people: Floats
    readings: dict[str, Floats]
    scores: Floats
    ratio: Floats | None
    sign: dict[str, int]
    scan: Scan | None = None

    @classmethod
    def fit(
        cls,
        values: Mapping[float, Mapping[str, Floats]],
        people: Mapping[float, Sequence[str]],
        readings: Sequence[Reading],
        fakes: Mapping[float, Mapping[str, Floats]] | None = None,
    ) -> Self:
        """Measure real windows; every person weighs the same, however many windows are theirs.

        Args:
            values: by length of window (s), of each reading its values float [n].
            people: by length, whose window each is.
            readings: those of the check.
            fakes: by length, the readings of counterexamples, float [m], at least one; None: the check has none.
        """
        lengths, sign = sorted(values), _signs(readings)
        names = {length: np.array(people[length]) for length in lengths}
        tables = {
            r.name: np.stack([weighted_quantiles(values[length][r.name], names[length]) for length in lengths])
            for r in readings
        }
        own = {n: _left_out(values[n], names[n], sign) for n in lengths}
        scores = [weighted_quantiles(own[n], names[n]) for n in lengths]
        counts = np.array([len(set(people[length])) for length in lengths], np.float64)
        made = cls(np.array(lengths, np.float64), counts, tables, np.stack(scores), None, sign)
        if fakes is None:
            return made
        ratios = []
        for row, n in enumerate(lengths):
            fake = _fisher({name: tables[name][row] for name in sign}, fakes[n], sign)
            real_log_p, fake_log_p = (smooth_log_p(of, scores[row]) for of in (own[n], fake))
            ratios.append(fit_ratio(real_log_p, person_weights(names[n]), fake_log_p, np.ones(len(fake))))
        return replace(made, ratio=np.array(ratios))

    def percentile(self, name: str, value: float, seconds: float) -> float:
        """The place of a reading of a window of `seconds` among real ones, 0-100.

        Raises:
            CannotJudge: as `avsync.score.quantiles.checked`; so do the other methods that take a reading or score.
        """
        table = at_length(self.readings[name], self.seconds, seconds)
        return float(100 * np.interp(checked(name, value), table, SHARES))

    def reading_p_value(self, name: str, value: float, seconds: float) -> float:
        """Two-sided: twice the share of real windows beyond the value on its side, this one counted in."""
        share = self.percentile(name, value, seconds) / 100
        return counted(2 * min(share, 1 - share), self.people, self.seconds, seconds)

    def tail(self, name: str, moments: Floats) -> Floats:
        """-log10 of the share of the shortest real windows in which a reading is at least as anomalous.

        It is no p-value of a moment: moments are shorter than windows, and vary more.

        Args:
            name: of the reading.
            moments: `WindowScore.moments`, high is anomalous, NaN where nobody speaks.
        """
        if name not in self.sign:
            return moments
        values = -self.sign[name] * np.nan_to_num(moments)
        found = _fisher({name: self.readings[name][0]}, {name: values}, {name: self.sign[name]})
        return np.where(np.isnan(moments), np.nan, found)

    def score(self, readings: Mapping[str, float], seconds: float) -> float:
        """Fisher's sum over the readings: high is anomalous."""
        tables = {name: at_length(self.readings[name], self.seconds, seconds) for name in self.sign}
        return float(_fisher(tables, {name: checked(name, readings[name]) for name in self.sign}, self.sign))

    def p_value(self, score: float, seconds: float) -> float:
        """Conformal: the share of real windows of that length that score at least as high, this one counted in."""
        return conformal(score, self.scores, self.seconds, self.people, seconds)

    def people_at(self, seconds: float) -> float:
        """Of how many people there are real windows of that length, interpolated between the lengths measured."""
        return float(np.interp(seconds, self.seconds, self.people))

    def real_scores(self, seconds: float) -> Floats:
        """What real windows of that length score, as `log_p`: [101] at shares 0, 0.01 … 1."""
        table = at_length(self.scores, self.seconds, seconds)
        return smooth_log_p(table, table)

    def real_reading(self, name: str, share: float, seconds: float) -> float:
        """The value of a reading below which this share of real windows of that length lie."""
        return float(np.interp(share, SHARES, at_length(self.readings[name], self.seconds, seconds)))

    def log_p(self, score: float, seconds: float) -> float:
        """-log10 of a smooth p-value, which also ranks scores above every real one."""
        return float(smooth_log_p(checked("a score", score), at_length(self.scores, self.seconds, seconds)))

    def evidence(self, log_p: Floats | float, seconds: float) -> Floats:
        """log10 of how much more likely a `log_p` is for a fake than for a real window (`avsync.score.evidence`)."""
        if self.ratio is None:
            return from_log_p(np.asarray(log_p))
        slope, offset = at_length(self.ratio, self.seconds, seconds)
        return np.asarray(slope * log_p + offset)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: quantiles and counts, nothing else."""
        return {
            "seconds": self.seconds.tolist(),
            "people": self.people.tolist(),
            "readings": {name: np.round(table, 5).tolist() for name, table in self.readings.items()},
            "scored": list(self.sign),
            "scores": np.round(self.scores, 5).tolist(),
            "ratio": None if self.ratio is None else np.round(self.ratio, 5).tolist(),
            "scan": None if self.scan is None else self.scan.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Any, readings: Sequence[Reading]) -> Self:
        """Read what `to_dict` gave.

        A reading that the calibration lacks is reported and does not count.

        Raises:
            KeyError, TypeError, ValueError: it is something else, or counts a reading that this version lacks.
        """
        seconds, people = read_lengths(data["seconds"], data["people"])
        known = _signs(readings)
        sign = {str(name): known[name] for name in data["scored"]}
        names = [r.name for r in readings if r.name in data["readings"]]
        tables = {name: read_table(data["readings"][name], seconds) for name in {*names, *sign}}
        if not sign:
            raise ValueError("no reading counts")
        ratio = None if data["ratio"] is None else _read_ratio(data["ratio"], seconds)
        scan = None if data.get("scan") is None else Scan.from_dict(data["scan"])
        return cls(seconds, people, tables, read_table(data["scores"], seconds), ratio, sign, scan)


def smooth_log_p(scores: Floats | float, table: Floats) -> Floats:
    """-log10 p of an exponential through the median (p = 0.5) and the 90th percentile (p = 0.1) of real windows."""
    middle, high = np.interp([0.5, 0.9], SHARES, table)
    return np.asarray(np.log10(2) + np.log10(5) * (scores - middle) / max(high - middle, 1e-6))


def left_out_log_p(values: Mapping[str, Floats], people: Sequence[str], readings: Sequence[Reading]) -> Floats:
    """The smooth -log10 p of real windows [n], every person scored beside all others."""
    names = np.array(people)
    scores = _left_out(values, names, _signs(readings))
    return smooth_log_p(scores, weighted_quantiles(scores, names))


def _read_ratio(data: Any, lengths: Floats) -> Floats:
    """Slopes that are not negative and finite offsets, [L, 2]; ValueError or TypeError: it is something else."""
    ratio = np.array(data, np.float64)
    if ratio.shape != (len(lengths), 2) or not (np.abs(ratio) <= LARGEST).all() or (ratio[:, 0] < 0).any():
        raise ValueError("ratio")
    return ratio


def _signs(readings: Sequence[Reading]) -> dict[str, int]:
    return {r.name: -1 if r.odd == "high" else 1 for r in readings if r.odd is not None}


def _fisher(tables: Mapping[str, Floats], readings: Mapping[str, Floats | float], sign: Mapping[str, int]) -> Floats:
    """Fisher's sum over readings of -log10 p (Statistical Methods for Research Workers, 1925, section 21.1).

    p is the tail, on the anomalous side, of a Student distribution through the quartiles in `tables`, so that it also
    ranks what lies beyond every real window.
    """
    total = np.zeros(())
    for name, table in tables.items():
        low, middle, high = np.interp([0.25, 0.5, 0.75], SHARES, table)
        scale = max((high - low) / (2 * _QUARTILE), 1e-6) * sign[name]
        total = total - np.log10(np.maximum(stdtr(_FREEDOM, (readings[name] - middle) / scale), 1e-12))
    return np.asarray(total)


def _left_out(values: Mapping[str, Floats], people: NDArray[np.str_], sign: Mapping[str, int]) -> Floats:
    """The score of each person's windows beside those of all others: [n]."""
    scores = np.zeros(len(people))
    for person in np.unique(people):
        own = people == person
        tables = {name: weighted_quantiles(values[name][~own], people[~own]) for name in sign}
        scores[own] = _fisher(tables, {name: values[name][own] for name in sign}, sign)
    return scores
