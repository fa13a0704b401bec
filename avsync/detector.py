"""Detector: a file in, a Verdict out."""

import weakref
from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

import torch

from avsync.beside import WatchBeside
from avsync.checks.load import load_setup
from avsync.checks.measure import Keep, Windows, artefacts, measure
from avsync.errors import CannotJudge, Reason, UsageError
from avsync.face.interface import FACE_DETECTORS, Imported
from avsync.figures import FaceViews, RealScores, draw
from avsync.file_facts import damage_facts, damage_warnings, header_facts, judging_warnings, speech_facts
from avsync.recording import Progress, Recording, open_recording
from avsync.score.calibration import Calibration
from avsync.score.frames import MOST_PROPOSALS, FrameScores
from avsync.score.judge import Judged, fuse, judge_check, judge_track, recording_peak, recording_segments, speakers
from avsync.score.standout import find_standout, with_standout
from avsync.score.verdict import Artefacts, CheckResult, Proposal, Standout, TrackVerdict, Verdict
from avsync.speech import Trim

Kept = Keep | Literal["figures", "media"]

_KEPT = (*get_args(Keep), "figures", "media")
_DRAWN: tuple[Keep, ...] = ("lattice", "voice")  # arrays that figures are drawn from

# In shorter files (s) faces are followed in this process: another one takes a second to start.
_LONG = 20.0

Results = dict[str, dict[int | None, Judged]]  # by check and face; None: the recording as a whole


class Detector:
    """Asks the checks of a recording, and compares their scores with those of real recordings.

    Args:
        weights: a checkpoint made by `avsync train` and `avsync calibrate`, of the lips, the voice or the appearance;
            other checks keep their embedded ones. None: the embedded ones.
        checks: names joined by commas, such as "lips,face" (`avsync.checks.registry`); None: those asked by default.
        backbone: encoders of lips and speech, such as "avhubert" (`avsync.encoders.registry`), in place of the
            checkpoint's own; without `weights`, their cosines are read.
        reading: how their lattice is read (`avsync.score.readings`).
        features: folder of features that `avsync extract` made of this backbone.
        trim: what silence is left out (`avsync.speech.speech_activity`).
        faces: name of the face detector (`avsync.face.interface`).
        level: the share of real recordings that may be called suspicious.
        device: where networks run, such as "cpu" or "cuda:1"; None: a GPU if there is one.
        baselines: also take models that learned from labelled fakes, to compare others with them.

    Attributes:
        model, weights_sha256: the names of the models joined by " + ", and the hash of their weights.
        calibration_sha256: the hash of what verdicts are compared with; empty without calibration.
        checks: the names of the checks.
        readings: by check, the names of its readings.

    Raises:
        UsageError: weights cannot be used or do not go together; there is no such `trim`, `reading`, check, face
            detector or device; `level` is not between 0 and 1; or the calibration was made under other conditions.
    """

    def __init__(
        self,
        weights: Path | None = None,
        *,
        checks: str | None = None,
        backbone: str | None = None,
        reading: str | None = None,
        features: Path | None = None,
        trim: Trim = "default",
        faces: str = "dlib",
        level: float = 0.05,
        device: str | None = None,
        baselines: bool = False,
    ) -> None:
        if not 0 < level < 1:
            raise UsageError(f"level {level}: must be between 0 and 1, such as 0.05")
        if trim not in get_args(Trim):
            raise UsageError(f"trim {trim}: must be one of {', '.join(get_args(Trim))}")
        self._setup = load_setup(
            Path(weights) if weights else None,
            checks=checks,
            backbone=backbone,
            reading=reading,
            features=features,
            trim=trim,
            faces=faces,
            device=device,
            baselines=baselines,
        )
        self._level, self._faces = level, FACE_DETECTORS[faces]
        self._beside: WatchBeside | None = None
        self.model, self.weights_sha256 = self._setup.name, self._setup.weights_sha256
        self.calibration_sha256 = self._setup.calibration_sha256
        self.checks = tuple(check.name for check in self._setup.checks)
        self.readings = {check.name: tuple(reading.name for reading in check.readings) for check in self._setup.checks}

    def score(
        self,
        path: str | Path,
        *,
        audio: Path | None = None,
        keep: Collection[Kept] = (),
        on_progress: Progress | None = None,
    ) -> Verdict:
        """Judge one file. A file that cannot be judged is a verdict too, with its reason; nothing is raised for it.

        Args:
            path: a video, or a file of sound alone.
            audio: a file with the sound; None: `path` has it.
            keep: what `Verdict.artefacts` shall hold: "lattice" of each face, with the times of its rows and the lag
                curve, "mouths" of each face, "appearance": maps of each face, float32 [N, h, w], with times (s), or
                "voice": the map of the recording as a whole, float32 [F, M], with its frequencies (Hz) and times (s).
                "figures" makes `Verdict.figures`, what the report shows; "media" also a small copy of the recording.
            on_progress: called with the stage, the seconds it has done, and those of the file.

        Raises:
            UsageError: something unknown in `keep`.
        """
        if unknown := set(keep).difference(_KEPT):
            raise UsageError(f"keep: unknown {', '.join(sorted(unknown))}; known: {', '.join(_KEPT)}")
        arrays = [name for name in get_args(Keep) if name in keep]
        views = FaceViews() if {"figures", "media"}.intersection(keep) else None
        verdict = Verdict(
            path=str(path),
            verdict="cannot_judge",
            level=self._level,
            model=self.model,
            weights_sha256=self.weights_sha256,
        )
        try:
            recording = open_recording(
                Path(path), audio, trim=self._setup.trim, detector=self._setup.faces, on_progress=on_progress
            )
            self._watch_beside(recording)
            verdict = replace(verdict, sha256=recording.sha256, **header_facts(recording))
        except CannotJudge as refusal:
            return _refused(verdict, dict.fromkeys(self.checks, refusal))
        if self._setup.store is not None:
            self._setup.store.recall(recording)
        wanted = arrays if views is None else {*arrays, *_DRAWN}
        windows, refusals = measure(recording, self._setup.checks, wanted, views.add if views else None)
        verdict = replace(verdict, **speech_facts(recording), **damage_facts(recording))
        warnings = dict.fromkeys([*recording.warnings, *damage_warnings(verdict)])
        verdict = replace(verdict, warnings=list(warnings))
        calibration = self._setup.calibration if recording.info.has_video else self._setup.sound_calibration
        results = Results()
        try:
            results = self._judge_checks(windows, refusals, calibration)
            if results:
                verdict = self._verdict(verdict, results, refusals, calibration, artefacts(windows, arrays))
            else:
                verdict = _refused(verdict, refusals)
        except CannotJudge as refusal:  # a reading that is not a number
            verdict = _refused(verdict, dict.fromkeys(self.checks, refusal))
        if views is not None:
            recording.tell("drawing", recording.info.duration)
            real = self._real_scores(results, verdict, calibration)
            drawn = artefacts(windows, _DRAWN)
            figures = draw(recording, verdict, views, drawn, real, _moments(results), media="media" in keep)
            verdict = replace(verdict, figures=figures)
        return verdict

    def _watch_beside(self, recording: Recording) -> None:
        """Let another process follow the faces of a recording, if it can, if it pays off, and if a core is free."""
        asked = any("face" in check.needs for check in self._setup.checks)
        long = recording.info.has_video and recording.info.duration >= _LONG
        free = torch.get_num_threads() > 1  # there is one thread where several workers share the cores
        # A script may have registered a face detector that only it can make.
        if not (asked and long and free and isinstance(self._faces, Imported)):
            return
        if self._beside is None:
            self._beside = WatchBeside(self._faces)
            weakref.finalize(self, self._beside.close)
        recording.watch = self._beside

    def _judge_checks(
        self, windows: Windows, refusals: dict[str, CannotJudge], calibration: Calibration | None
    ) -> Results:
        """By check, the faces that have a score. A check that refuses a face is noted in `refusals`."""
        results = Results()
        for check in self._setup.checks:
            reference = calibration.references[check.name] if calibration else None
            for track, of_track in sorted(windows[check.name].items(), key=lambda item: item[0] or 0):
                try:
                    combined = check.combine(of_track)
                except CannotJudge as refusal:
                    refusals[check.name] = refusal
                    continue
                if combined is not None:
                    judged = judge_check(combined, check.readings, check.ranked_by, reference)
                    results.setdefault(check.name, {})[track] = judged
        return results

    def _verdict(
        self,
        verdict: Verdict,
        results: Results,
        refusals: dict[str, CannotJudge],
        calibration: Calibration | None,
        kept: dict[int | None, Artefacts],
    ) -> Verdict:
        whole = {name: judged[None] for name, judged in results.items() if None in judged}
        tracks = [
            judge_track(track, {**checks, **whole}, calibration, self._level)
            for track, checks in sorted(_by_track(results).items())
        ]
        speaking = speakers(tracks)
        decisive = max(speaking, key=_anomaly, default=None)
        if decisive is not None:
            score, p_value = decisive.anomaly_score, decisive.p_value
        else:
            score, p_value = fuse(whole, calibration)
        verdict = replace(verdict, verdict="measured", anomaly_score=score)
        if calibration is not None and p_value is not None:
            p_value = min(1.0, p_value * max(1, len(speaking)))
            standout = find_standout(results, [track.track for track in speaking], calibration)
            verdict = self._compared(verdict, score, p_value, standout)
            if standout is not None and verdict.rests_on_standout:
                decisive = next((track for track in speaking if track.track == standout.track), decisive)
        return replace(
            verdict,
            decisive_track=decisive.track if decisive else None,
            checks={
                name: _check_result(results.get(name, {}), decisive, refusals[name], self._level)
                for name in self.checks
            },
            tracks=tracks,
            warnings=[*verdict.warnings, *judging_warnings(verdict, decisive, calibrated=calibration is not None)],
            artefacts=kept,
        )

    def _compared(self, verdict: Verdict, score: float, whole: float, standout: Standout | None) -> Verdict:
        """The verdict beside real recordings, of the recording as a whole and the stretch that stands out."""
        p_value, stands_out = whole, False
        if standout is not None:
            score, p_value, stands_out = with_standout(score, whole, standout.p_value)
        return replace(
            verdict,
            verdict="suspicious" if p_value <= self._level else "consistent",
            p_value=p_value,
            anomaly_score=score,
            whole_p_value=whole,
            standout=standout,
            rests_on_standout=stands_out,
        )

    def _real_scores(
        self, results: Results, verdict: Verdict, calibration: Calibration | None
    ) -> dict[str, RealScores]:
        """By check, what real windows as long as those of the decisive face, or of the recording, score."""
        found = {}
        for check in self._setup.checks:
            of_check = results.get(check.name, {})
            judged = of_check.get(None) or of_check.get(verdict.decisive_track)
            if judged is not None and calibration is not None:
                reference, seconds = calibration.references[check.name], judged.seconds
                ranked = tuple(reference.real_reading(check.ranked_by, share, seconds) for share in (0.5, 0.95))
                found[check.name] = RealScores(reference.real_scores(seconds), ranked)
        return found


def _moments(results: Results) -> dict[tuple[str, int | None], FrameScores]:
    """By check and face, the score of each frame, of the checks that see more than windows."""
    return {
        (name, track): judged.frames
        for name, of_check in results.items()
        for track, judged in of_check.items()
        if any(window.moments is not None for window in judged.combined.windows)
    }


def _by_track(results: Results) -> dict[int, dict[str, Judged]]:
    tracks: dict[int, dict[str, Judged]] = defaultdict(dict)
    for name, judged in results.items():
        for track, one in judged.items():
            if track is not None:
                tracks[track][name] = one
    return tracks


def _anomaly(track: TrackVerdict) -> tuple[float, float]:
    return -track.p_value if track.p_value is not None else 0.0, track.anomaly_score


def _check_result(
    judged: dict[int | None, Judged], decisive: TrackVerdict | None, refusal: CannotJudge, level: float
) -> CheckResult:
    windows = [window for one in judged.values() for window in one.windows]
    whole = judged.get(None)
    score = whole or (judged.get(decisive.track) if decisive else None)
    if score is None:
        return CheckResult(windows=windows, reason=refusal.reason, detail=refusal.detail)
    said = score.score
    segments, peak = (recording_segments(whole, level), recording_peak(whole)) if whole else ([], None)
    return CheckResult(
        said.anomaly_score, said.p_value, said.readings, windows, segments, _proposals(judged), peak, score.people
    )


def _proposals(judged: dict[int | None, Judged]) -> list[Proposal]:
    """Those of all faces, the best first."""
    found = [proposal for one in judged.values() for proposal in one.proposals]
    return sorted(found, key=lambda proposal: -proposal.score)[:MOST_PROPOSALS]


def _refused(verdict: Verdict, refusals: dict[str, CannotJudge]) -> Verdict:
    """The refusal of a file by all checks. That a file of sound has no pictures does not say what is wrong with it."""
    reasons = list(refusals.values())
    first = next((refusal for refusal in reasons if refusal.reason is not Reason.NO_VIDEO), reasons[0])
    checks = {name: CheckResult(reason=r.reason, detail=r.detail) for name, r in refusals.items()}
    return replace(verdict, reason=first.reason, detail=first.detail, checks=checks)
