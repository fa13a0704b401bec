"""The calibration of a model: a reference for each check, and one for the checks together."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import combinations
from typing import Any, Self

import numpy as np

from avsync.errors import UsageError
from avsync.score.evidence import mean
from avsync.score.quantiles import Floats, at_length, conformal, read_lengths, read_table, weighted_quantiles
from avsync.score.readings import Reading
from avsync.score.reference import Reference, left_out_log_p, smooth_log_p

# Raise it whenever the same file gets other readings: older calibrations are then refused.
VERSION = 3

Readings = Mapping[str, Sequence[Reading]]  # by check
Values = Mapping[float, Mapping[str, Mapping[str, Floats]]]  # by length (s), check and reading: float [n]
Fakes = Mapping[str, Mapping[float, Mapping[str, Floats]]]  # by check, length and reading: float [m]


@dataclass(frozen=True)
class Conditions:
    """What real clips were measured under; scores under other conditions are not comparable.

    Attributes:
        trim: what silence was left out.
        faces: key of the face detector and its landmarks.
        version: of the readings.
    """

    trim: str
    faces: str
    version: int = VERSION


@dataclass(frozen=True)
class Joint:
    """The mean evidence of several checks on the same real windows, log10: quantiles float [L, 101] by length [L]."""

    seconds: Floats
    people: Floats
    scores: Floats


@dataclass(frozen=True)
class Calibration:
    """What real recordings look like to a model's checks.

    Attributes:
        conditions: what was measured under.
        references: by check.
        joint: of sets of checks, named in alphabetical order.
        models: the sha256 of the weights of models that lie in other checkpoints, by the name of their check: with
            other weights, what was calibrated with them does not hold.
    """

    conditions: Conditions
    references: dict[str, Reference]
    joint: dict[tuple[str, ...], Joint]
    models: dict[str, str] = field(default_factory=dict)

    @classmethod
    def fit(
        cls,
        conditions: Conditions,
        values: Values,
        people: Mapping[float, Sequence[str]],
        checks: Readings,
        fakes: Fakes | None = None,
    ) -> Self:
        """Measure real windows, each of which every check has measured.

        Args:
            conditions: what they were measured under.
            values: by length of window (s), check and reading, float [n].
            people: by length, whose window each is.
            checks: by check, its readings.
            fakes: counterexamples of the checks that have some.
        """
        references = {
            name: Reference.fit(
                {length: values[length][name] for length in values}, people, readings, (fakes or {}).get(name)
            )
            for name, readings in checks.items()
        }
        # Any check may refuse a recording: the others are then fused.
        together = (some for count in range(2, len(checks) + 1) for some in combinations(sorted(checks), count))
        joint = {
            some: _fit_joint(values, people, {name: checks[name] for name in some}, references) for some in together
        }
        return cls(conditions, references, joint)

    def joined(self, other: Self) -> Self:
        """This calibration with the checks of another, made under the same conditions."""
        return replace(self, references={**self.references, **other.references}, joint={**self.joint, **other.joint})

    def completed(self, other: Self) -> Self:
        """This calibration with those checks of another that it lacks.

        Checks are fused by measurement where one calibration has all of them: their scores are then of the same windows
        and compared with the same quantiles.
        """
        lacking = {name: ref for name, ref in other.references.items() if name not in self.references}
        joint = {names: joint for names, joint in other.joint.items() if set(names) <= lacking.keys()}
        return replace(self, references={**self.references, **lacking}, joint={**self.joint, **joint})

    def restricted(self, names: Collection[str]) -> Self:
        """This calibration of these checks alone."""
        kept = {name: reference for name, reference in self.references.items() if name in names}
        joint = {some: joint for some, joint in self.joint.items() if set(some) <= kept.keys()}
        return replace(self, references=kept, joint=joint)

    def fuse(self, scores: Mapping[str, float], seconds: Mapping[str, float]) -> tuple[float, float]:
        """The `anomaly_score` and the p-value of several checks together.

        The mean evidence of checks that were calibrated together is compared with that of real windows. For other sets
        the smallest p-value is multiplied by their number (Bonferroni), which keeps the level too.

        Args:
            scores: by check, its score, at least one.
            seconds: by check, the length of its windows (s).
        """
        logs = {name: self.references[name].log_p(score, seconds[name]) for name, score in scores.items()}
        joint = self.joint.get(tuple(sorted(scores)))
        if joint is None:
            smallest = min(self.references[name].p_value(score, seconds[name]) for name, score in scores.items())
            return max(logs.values()), min(1.0, len(scores) * smallest)
        length = float(np.mean([seconds[name] for name in scores]))
        found = float(mean([self.references[name].evidence(log_p, seconds[name]) for name, log_p in logs.items()]))
        p_value = conformal(found, joint.scores, joint.seconds, joint.people, length)
        return float(smooth_log_p(found, at_length(joint.scores, joint.seconds, length))), p_value

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: quantiles, counts and conditions, nothing else."""
        return {
            "conditions": asdict(self.conditions),
            "checks": {name: reference.to_dict() for name, reference in self.references.items()},
            "joint": {"+".join(names): _joint_to_dict(joint) for names, joint in self.joint.items()},
            "models": self.models,
        }

    @classmethod
    def from_dict(cls, data: Any, checks: Readings) -> Self:
        """Read what `to_dict` gave; of these checks, those that it has.

        Raises:
            UsageError: it is something else, damaged or of another version.
        """
        try:
            said = data["conditions"]
            if said["version"] != VERSION:
                raise ValueError("version")
            conditions = Conditions(str(said["trim"]), str(said["faces"]))
            stored = dict(data["checks"].items())
            references = {n: Reference.from_dict(stored[n], readings) for n, readings in checks.items() if n in stored}
            joint = {tuple(names.split("+")): _joint_from_dict(table) for names, table in data["joint"].items()}
            models = {str(name): str(sha256) for name, sha256 in data.get("models", {}).items()}
            return cls(conditions, references, joint, models)
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            raise UsageError("the checkpoint has no calibration of this version; run avsync calibrate") from error


def with_stored(new: Calibration, stored: Any) -> dict[str, Any]:
    """A calibration as plain data, with the other checks of one stored before under the same conditions and models."""
    plain = new.to_dict()
    try:
        models = {**stored.get("models", {}), **new.models}
        if stored["conditions"] != plain["conditions"] or not models.items() >= stored.get("models", {}).items():
            return plain
        joint = {
            names: table for names, table in stored["joint"].items() if not set(names.split("+")) & set(new.references)
        }
        return {
            "conditions": plain["conditions"],
            "checks": {**stored["checks"], **plain["checks"]},
            "joint": {**joint, **plain["joint"]},
            "models": models,
        }
    except (KeyError, TypeError, AttributeError):  # there was none, or it is damaged
        return plain


def _fit_joint(
    values: Values, people: Mapping[float, Sequence[str]], checks: Readings, references: Mapping[str, Reference]
) -> Joint:
    lengths, scores = sorted(values), []
    for length in lengths:
        evidence = [
            references[name].evidence(left_out_log_p(values[length][name], people[length], readings), length)
            for name, readings in checks.items()
        ]
        scores.append(weighted_quantiles(mean(evidence), np.array(people[length])))
    counts = np.array([len(set(people[length])) for length in lengths], np.float64)
    return Joint(np.array(lengths, np.float64), counts, np.stack(scores))


def _joint_to_dict(joint: Joint) -> dict[str, Any]:
    return {
        "seconds": joint.seconds.tolist(),
        "people": joint.people.tolist(),
        "scores": np.round(joint.scores, 5).tolist(),
    }


def _joint_from_dict(data: Any) -> Joint:
    seconds, people = read_lengths(data["seconds"], data["people"])
    return Joint(seconds, people, read_table(data["scores"], seconds))
