"""The stretch of a recording that stands out most, and what it means for the verdict."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from math import log10

import numpy as np

from avsync.media import FPS
from avsync.score.calibration import Calibration
from avsync.score.judge import Judged
from avsync.score.verdict import STRETCH_SHARE, Standout


def find_standout(
    results: Mapping[str, Mapping[int | None, Judged]], speakers: Collection[int], calibration: Calibration
) -> Standout | None:
    """The stretch with the smallest p-value, which is multiplied by the number of checks that look for one.

    Args:
        results: by check and face; None: the recording as a whole.
        speakers: the faces that count; others listen, and their lips fit no speech.
        calibration: checks without a law of stretches (`Reference.scan`) look for none.

    Returns:
        The stretch; None where no check found one.
    """
    found, looked = [], 0
    for name, by_track in results.items():
        scan = calibration.references[name].scan
        judged = [of for track, of in by_track.items() if track is None or track in speakers]
        if scan is None or not judged:
            continue
        looked += 1
        proposals = [proposal for of in judged for proposal in of.proposals]
        if proposals:
            best = max(proposals, key=lambda proposal: proposal.score)
            seconds = sum(float(np.isfinite(of.frames.scores).sum()) for of in judged) / FPS
            found.append(Standout(name, best.start, best.end, scan.p_value(best.score, seconds), best.track))
    if not found:
        return None
    least = min(found, key=lambda standout: standout.p_value)
    return replace(least, p_value=min(1.0, looked * least.p_value))


def with_standout(score: float, p_value: float, stretch: float) -> tuple[float, float, bool]:
    """The `anomaly_score` and the p-value of a recording, and whether its stretch is more unusual than the whole.

    A weighted Bonferroni correction, which holds however the two depend on each other (Genovese, Roeder & Wasserman,
    "False discovery control with p-value weighting", Biometrika 2006).

    Args:
        score, p_value: of the recording as a whole.
        stretch: the p-value of the stretch.
    """
    whole, part = p_value / (1 - STRETCH_SHARE), stretch / STRETCH_SHARE
    scores = score + log10(1 - STRETCH_SHARE), -log10(max(part, 1e-12))
    return max(scores), min(1.0, whole, part), part < whole
