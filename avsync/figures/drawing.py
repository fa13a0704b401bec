"""All figures of one recording."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avsync.errors import CannotJudge
from avsync.figures.encode import jpeg
from avsync.figures.faces import face_figures, on_grid
from avsync.figures.sound import spectrogram, voice_map
from avsync.figures.views import FaceViews
from avsync.media import FPS
from avsync.media.proxy import proxy
from avsync.media.still import still
from avsync.recording import Recording
from avsync.score.figures import Curve, Figures, Plane, Still
from avsync.score.frames import FrameScores
from avsync.score.verdict import Artefacts, TrackVerdict, Verdict

# Of a recording with more faces, those that speak longest are shown, and the decisive one.
MOST_FACES = 6
_EVERY = 4  # of the 101 quantiles of real scores


@dataclass(frozen=True, slots=True)
class RealScores:
    """What real windows score.

    Attributes:
        scores: quantiles of the check's `anomaly_score`, float64 [101].
        ranked: the median and the 95th percentile of the reading that the check ranks recordings by.
    """

    scores: NDArray[np.float64]
    ranked: tuple[float, ...]


def draw(
    recording: Recording,
    verdict: Verdict,
    views: FaceViews,
    arrays: Mapping[int | None, Artefacts],
    real: Mapping[str, RealScores],
    frames: Mapping[tuple[str, int | None], FrameScores],
    *,
    media: bool,
) -> Figures:
    """Draw what a report shows. What cannot be drawn is left out: a verdict never fails for its pictures.

    Args:
        recording: as opened; its sound is read again.
        verdict: on it.
        views: of its faces.
        arrays: by face and by None of the recording as a whole, lattices and the voice's map.
        real: by check, what real recordings score.
        frames: by check and face, the score of each frame.
        media: whether to make a small copy of the recording.
    """
    activity = recording.known_activity
    width, height = recording.seen.size if recording.seen else (0, 0)
    return Figures(
        width=width,
        height=height,
        speech=[] if activity is None else activity.segments.tolist(),
        faces=[face_figures(t.track, views.by_track[t.track], arrays.get(t.track, {})) for t in _shown(verdict)],
        thumbnail=_thumbnail(recording, verdict),
        spectrogram=_spectrogram(recording),
        voice_map=voice_map(arrays.get(None, {}), real["voice"].ranked if "voice" in real else None),
        curves=[_curve(check, track, of) for (check, track), of in frames.items()],
        real_scores={name: of.scores[::_EVERY].round(3).tolist() for name, of in real.items()},
        media=_media(recording) if media else None,
    )


def _curve(check: str, track: int | None, frames: FrameScores) -> Curve:
    grid, start, end = on_grid(frames.scores[None].astype(np.float32), frames.times - 0.5 / FPS, 1 / FPS)
    scores = grid[0]
    times = start + (np.arange(len(scores)) + 0.5) * (end - start) / len(scores)
    known = ~np.isnan(scores)
    return Curve(check, track, times[known].round(2).tolist(), scores[known].astype(np.float64).round(3).tolist())


def _shown(verdict: Verdict) -> list[TrackVerdict]:
    longest = sorted(verdict.tracks, key=lambda track: (track is not verdict.decisive, -track.speech_seconds))
    return sorted(longest[:MOST_FACES], key=lambda track: track.track)


def _thumbnail(recording: Recording, verdict: Verdict) -> Still | None:
    if not recording.info.has_video:
        return None
    decisive = verdict.decisive
    found = still(recording.path, (decisive.start + decisive.end) / 2 if decisive else recording.info.duration / 2)
    return None if found is None else Still(round(found[0], 2), jpeg(found[1]))


def _spectrogram(recording: Recording) -> Plane | None:
    if not recording.info.has_audio and recording.audio is None:
        return None
    try:
        return spectrogram(recording.sound, recording.activity.duration)
    except CannotJudge:
        return None


def _media(recording: Recording) -> str | None:
    made = proxy(recording.info, recording.sound)
    kind = "video" if recording.info.has_video else "audio"
    return None if made is None else f"data:{kind}/mp4;base64,{b64encode(made).decode()}"
