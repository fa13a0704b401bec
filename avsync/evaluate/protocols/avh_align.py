"""The protocol "avh-align": AUC and AP as AVH-Align computes them (Smeu et al., CVPR 2025, arXiv 2412.00175).

What its code does (github.com/bit-ml/AVH-Align), and what this is here:

- **Clips:** those of a published table; fakes are those with `label == 1`, in FakeAVCeleb with `category != "A"`. Here
  `--split`; `PUBLISHED` says how many clips a table has, and the notes say whether it is one of them.
- **Trim:** leading silence, |x| <= 0.0005 at 16 kHz, is left out of sound and picture. Here `--trim paper`.
- **Score:** one number of each clip, high is fake. Here `anomaly_score`; theirs is the method `avh_align`.
- **Figures:** in `eval.py`, `roc_auc_score` and `average_precision_score` of scikit-learn; fakes are the positive
  class, all types together. Here `auc` and `average_precision`, which equal them (tests compare them).
- **Clips whose mouth cannot be cropped:** `deepfake_preprocess.py` takes the whole picture in place of the mouth, so
  that they have a score too. Here a clip that is refused is left out and counted in the notes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from avsync.datasets.record import ClipRecord
from avsync.evaluate.json_files import plain
from avsync.evaluate.metrics import Estimate, RankingMetric, auc, average_precision, estimate
from avsync.evaluate.protocols.common import Clip, Coverage, anomaly, coverage, scored
from avsync.evaluate.protocols.interface import SCHEMA
from avsync.evaluate.results import Settings, StoredVerdict
from avsync.evaluate.table import Tables

TRIM: Literal["paper"] = "paper"
# The published tables of test clips: the data set, and how many of them are real and fake.
PUBLISHED = {"FakeAVCeleb": (151, 6516), "AV-Deepfake1M": (2495, 7505)}


@dataclass(frozen=True, slots=True)
class Fakes:
    """Some fakes against all real clips.

    Attributes:
        type: of the fakes; empty for all of them.
        clips: how many of them have a score.
        auc, average_precision: of the `anomaly_score`; AP depends on the share of fakes.
    """

    type: str
    clips: int
    auc: Estimate
    average_precision: Estimate


@dataclass(frozen=True, slots=True)
class AVHAlignSummary:
    """The figures of a data set.

    Attributes:
        settings: what the verdicts were made with.
        real, fake: how many clips there are.
        overall: all fakes: the published figures.
        types: the fakes of each type, if there are several.
    """

    settings: Settings
    real: Coverage
    fake: Coverage
    overall: Fakes
    types: list[Fakes]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, `schema` first; unknown numbers are None."""
        return {"schema": SCHEMA, "protocol": "avh-align", **plain(self)}

    def tables(self) -> Tables:
        """Return one table."""
        return {
            "AVH-Align's protocol: AUC and AP of the clips": [
                {"fakes": of.type or "all", "clips": of.clips, "AUC": of.auc, "AP": of.average_precision}
                for of in (self.overall, *self.types)
            ]
        }

    def notes(self) -> list[str]:
        """Return lines on the clips, and on what is not as in the paper."""
        lines = [self.real.told("real"), self.fake.told("fake"), _comparability(self.real.clips, self.fake.clips)]
        if self.settings.trim == "none":
            lines.append("Nothing is trimmed: these are the figures with the leading silence, which gives fakes away.")
        elif self.settings.trim != TRIM:
            lines.append("--trim default leaves out more than the paper: all sound before and after the speech.")
        return lines


def summarise(
    records: Sequence[ClipRecord], results: Mapping[str, StoredVerdict], settings: Settings
) -> AVHAlignSummary:
    """Compute AUC and AP as AVH-Align (CVPR 2025) does, with 95 % bootstrap intervals by identity.

    Args:
        records: the clips.
        results: by name of the clip, what is stored of each of them.
        settings: what all verdicts were made with.
    """
    clips = [Clip(record, results[record.name]) for record in records]
    real, fake = [clip for clip in clips if clip.real], [clip for clip in clips if not clip.real]
    types = sorted({clip.record.type for clip in fake})
    return AVHAlignSummary(
        settings=settings,
        real=coverage(real),
        fake=coverage(fake),
        overall=_against(real, fake),
        types=[_against(real, [clip for clip in fake if clip.record.type == kind], kind) for kind in types]
        if len(types) > 1
        else [],
    )


def _against(real: Sequence[Clip], fake: Sequence[Clip], kind: str = "") -> Fakes:
    found = scored([*real, *fake], anomaly)

    def ranked(metric: RankingMetric) -> Estimate:
        return estimate(partial(metric, found.fake, found.score), found.identities)

    return Fakes(kind, int(found.fake.sum()), ranked(auc), ranked(average_precision))


def _comparability(real: int, fake: int) -> str:
    """Whether so many clips are those of the paper."""
    if name := next((name for name, counts in PUBLISHED.items() if counts == (real, fake)), None):
        return f"As many clips as the table of {name} that the paper publishes; it has a score for each of them."
    known = " or ".join(f"{real} real and {fake} fake clips of {name}" for name, (real, fake) in PUBLISHED.items())
    return f"Not comparable with the paper, whose tables have {known}; name one of them with --split."
