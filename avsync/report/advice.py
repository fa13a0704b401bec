"""What a reader of a verdict should do next."""

from avsync.checks.registry import CHECKS
from avsync.errors import Reason
from avsync.report.subjects import subjects
from avsync.report.wording import span
from avsync.score.verdict import Segment, Standout, Verdict

# A named segment more does not help anybody who looks.
_MOST_SEGMENTS = 3
_BETTER = {
    Reason.UNREADABLE: "Check that the file is complete and is a video or sound; ask for another copy.",
    Reason.NO_VIDEO: "Ask for the video. Without pictures only the voice can be judged.",
    Reason.NO_AUDIO: "Ask for a copy with its sound.",
    Reason.NO_SPEECH: "Choose a part in which somebody speaks.",
    Reason.NO_FACE: "Choose a part in which the speaker's face is seen.",
    Reason.LOW_RESOLUTION: "Ask for a copy in a higher resolution, or choose a part with a larger face.",
    Reason.POOR_VIEW: "Choose a part in which the speaker looks at the camera and nothing drowns the speech.",
    Reason.MUSIC: "Choose a part without music or noise.",
    Reason.NARROW_BAND: "Ask for a copy that was not sent through a telephone.",
    Reason.REVERBERANT: "Ask for a recording from near the speaker, or choose a part with less echo.",
    Reason.LOW_FRAME_RATE: "Ask for the original: this copy shows too few pictures per second, or a still picture.",
    Reason.DAMAGED: "Ask for an undamaged copy.",
    Reason.TOO_SHORT: "Ask for a longer part: at least 1.5 s of speech while a face is seen.",
    Reason.TIMED_OUT: "Give it more time with --timeout, or cut the file into parts.",
    Reason.OUT_OF_MEMORY: "Give it more memory with --max-memory, or cut the file into parts.",
    Reason.CRASHED: "Try another copy of the file, or convert it, and report the file to the authors of avsync.",
}
_ORIGINAL = (
    "Ask for the original file, as the camera or the telephone wrote it. Copies from the web are compressed again."
)
_COMPARE = (
    "Compare with another copy, and with other recordings of the same person made with the same device. If those are "
    "called suspicious too, this verdict says nothing."
)
_CONTEXT = (
    "This does not prove that it is authentic: good fakes pass. Check who published it first, when, where, and whether "
    "the words fit."
)


def next_steps(verdict: Verdict) -> list[str]:
    """Return what to do next, one sentence or two each, the most useful first."""
    if verdict.verdict == "cannot_judge":
        return [_BETTER[verdict.reason]] if verdict.reason else []
    if verdict.verdict == "measured":
        return ["Calibrate the model on real recordings with avsync calibrate: only then can a reading be unusual."]
    if verdict.verdict == "consistent":
        return [_CONTEXT, "If in doubt, ask for the original file and judge that."]
    return [*_look(verdict), *_ordinary(verdict), _ORIGINAL, _COMPARE]


def _look(verdict: Verdict) -> list[str]:
    segments = sorted((s for subject in subjects(verdict) for s in subject.segments), key=lambda s: s.p_value)
    found: list[Segment | Standout] = [*segments[:_MOST_SEGMENTS]]
    if verdict.standout is not None and verdict.rests_on_standout:
        found = [verdict.standout, *found[: _MOST_SEGMENTS - 1]]
    if not found:
        return ["Look at and listen to the whole recording: no single part stands out."]
    worst = sorted(found, key=lambda segment: segment.start)
    return [f"Look at and listen to {', '.join(dict.fromkeys(span(s.start, s.end) for s in worst))}."]


def _ordinary(verdict: Verdict) -> list[str]:
    """The ordinary causes of what each check that found something found."""
    found = [name for name, check in verdict.checks.items() if _at_level(check.p_value, verdict.level)]
    if verdict.standout is not None and verdict.rests_on_standout:
        found = [verdict.standout.check, *found]
    named = [name for name in dict.fromkeys(found) if name in CHECKS]
    return [f"Rule out ordinary causes ({name}): {CHECKS[name].ordinary_causes}." for name in named]


def _at_level(p_value: float | None, level: float) -> bool:
    return p_value is not None and p_value <= level
