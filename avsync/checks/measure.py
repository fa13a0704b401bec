"""Ask checks of a recording: the windows of every face, in one pass for checks that look at the same clips."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from avsync.align.lattice import mean_over_time
from avsync.checks.interface import Check, by_clips
from avsync.errors import CannotJudge, Reason
from avsync.media import FPS
from avsync.recording import Recording
from avsync.score.verdict import Artefacts
from avsync.score.windows import SHORTEST, WindowScore

Keep = Literal["lattice", "mouths", "voice", "appearance"]  # arrays
Windows = dict[str, dict[int | None, list[WindowScore]]]  # by check and face; None: the recording as a whole

_ARRAYS: dict[Keep, tuple[str, ...]] = {
    "lattice": ("times", "speech_share", "lattice"),
    "mouths": ("times", "mouths"),
    "voice": ("voice_map", "voice_frequencies", "voice_times"),
    "appearance": ("appearance_map", "appearance_times"),
}
# Most of the memory of a window; no check needs them to combine its windows.
_LARGE: tuple[tuple[Keep, frozenset[str]], ...] = (
    ("mouths", frozenset({"mouths"})),
    ("voice", frozenset(_ARRAYS["voice"])),
)


def measure(
    recording: Recording,
    checks: Sequence[Check],
    keep: Collection[Keep],
    on_clip: Callable[[Any], None] | None = None,
) -> tuple[Windows, dict[str, CannotJudge]]:
    """The windows of every check, and for each check the reason if none of them has a score.

    `on_clip` gets every clip that goes by.
    """
    windows: Windows = {check.name: defaultdict(list) for check in checks}
    refusals: dict[str, CannotJudge] = {}
    for clips, group in by_clips(checks).items():
        longest = 0
        try:
            recording.require(*{need for check in group for need in check.needs})
            for clip in clips(recording):
                longest = max(longest, len(clip))
                if on_clip:
                    on_clip(clip)
                for name, window in _measured(group, clip):
                    windows[name][window.track].append(_kept(window, keep))
            refusal = _too_little(longest, faces=any("face" in check.needs for check in group))
        except CannotJudge as error:
            refusal = error
            for check in group:
                windows[check.name].clear()
        refusals |= {check.name: refusal for check in group}
    return windows, refusals


def artefacts(windows: Windows, keep: Collection[Keep]) -> dict[int | None, Artefacts]:
    """By face, and by None of the recording as a whole, the arrays of its windows, one after another."""
    wanted = {name for key in keep for name in _ARRAYS[key]}
    found: dict[int | None, Artefacts] = defaultdict(dict)
    for by_track in windows.values():
        for track, of_track in by_track.items():
            for name in wanted:
                if arrays := [window.artefacts[name] for window in of_track if name in window.artefacts]:
                    found[track][name] = _joined(name, arrays)
    for arrays_of_track in found.values():
        if "lattice" in arrays_of_track:
            arrays_of_track["lag_curve"] = _lag_curve(arrays_of_track)
    return dict(found)


def _joined(name: str, arrays: Sequence[NDArray[np.generic]]) -> NDArray[np.generic]:
    """Arrays of windows as one; a map has its times along its second axis, and the same frequencies in every window."""
    if name == "voice_frequencies":
        return arrays[0]
    return np.concatenate(arrays, axis=1 if name == "voice_map" else 0)


def _measured(checks: Sequence[Check], clip: Any) -> Iterator[tuple[str, WindowScore]]:
    for check in checks:
        for window in check.windows(clip):
            yield check.name, check.measure(window)


def _kept(window: WindowScore, keep: Collection[Keep]) -> WindowScore:
    """The window without large arrays, unless they are asked for."""
    dropped = {name for key, names in _LARGE if key not in keep for name in names}
    if dropped.isdisjoint(window.artefacts):
        return window
    return replace(window, artefacts={name: a for name, a in window.artefacts.items() if name not in dropped})


def _too_little(longest: int, *, faces: bool) -> CannotJudge:
    """Why no window of clips of at most so many frames has a score; `faces`: whether they are clips of faces."""
    if longest < SHORTEST:
        seconds, needed = longest / FPS, SHORTEST / FPS
        seen = f"a face is seen for {seconds:.1f} s of speech" if faces else f"the sound lasts {seconds:.1f} s"
        return CannotJudge(Reason.TOO_SHORT, f"{seen}; {needed:.1f} s are needed")
    while_seen = " while a face is seen" if faces else ""
    return CannotJudge(Reason.NO_SPEECH, f"less than half a second of speech is heard{while_seen}")


def _lag_curve(arrays: Artefacts) -> NDArray[np.float32]:
    """The lattice's mean over speech, float32 [31], in nats."""
    lattice, share = (torch.from_numpy(arrays[name]) for name in ("lattice", "speech_share"))
    return np.asarray(mean_over_time(lattice, share).numpy())
