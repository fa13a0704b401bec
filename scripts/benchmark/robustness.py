"""Sections `silence` and `frame_rate`: silence around real clips, or other frame rates, should not change verdicts."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import av
import numpy as np
from numpy.typing import NDArray

from avsync.datasets import ClipRecord
from avsync.errors import UsageError
from avsync.evaluate.metrics import estimate, share
from avsync.evaluate.table import Row, Tables
from avsync.media import FPS, RATE, Sound, frames
from avsync.score.verdict import Verdict
from benchmark.bench import SEED, Bench
from benchmark.report import say

_CLIPS, _PADDINGS = 10, 3
_SECONDS = (0.04, 0.2, 0.52, 1.0, 2.0)  # whole frames, so that the clip itself stays the same
_KINDS = ("digital zero", "room tone", "-60 dBFS noise")
_RATES = (30, 60)
_TONE = RATE // 10  # room tone is made of the clip's quietest 100 ms

Pictures = Sequence[NDArray[np.uint8]]
Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Padding:
    """Silence before and after a clip (s), beside its first or last picture ("edge") or its mirrored pictures."""

    kind: str
    before: float
    after: float
    picture: Literal["edge", "reflect"]


def silence(bench: Bench) -> Tables:
    """Measure how much silence around real clips changes `anomaly_score`, in standard deviations over real clips."""
    plain = _rewritten(bench)
    paddings = _paddings()
    moved: dict[str, list[float]] = {kind: [] for kind in _KINDS}
    changed = dict.fromkeys(_KINDS, 0)
    rng = np.random.default_rng(SEED)
    for done, padding in enumerate(paddings, 1):
        record = _chosen(plain)[done % _CLIPS]
        verdict = _judge(bench, *_padded(*_read(record), padding, rng))
        moved[padding.kind].append(_distance(verdict, plain[record]) / _spread(plain))
        changed[padding.kind] += verdict.verdict != plain[record].verdict
        say("padded clips", done, len(paddings))
    rows: list[Row] = []
    for kind in (*_KINDS, "all"):
        of_kind = np.array([change for other in moved if kind in (other, "all") for change in moved[other]])
        row: Row = {"silence": kind, "padded clips": len(of_kind), "median change / SD": float(np.median(of_kind))}
        row |= {"largest change / SD": float(of_kind.max()), "below 5 %": f"{(of_kind < 0.05).sum()}/{len(of_kind)}"}
        rows.append(row | {"other verdict": changed.get(kind, sum(changed.values()))})
    return {"Silence around real clips": rows}


def frame_rate(bench: Bench) -> Tables:
    """Compare verdicts on real clips of 25 pictures per second with those on the same pictures, repeated."""
    plain = _rewritten(bench)
    rows: list[Row] = []
    for rate in _RATES:
        verdicts = {}
        for done, record in enumerate(_chosen(plain), 1):
            pictures, sound = _read(record)
            # As FFmpeg's filter fps does: each picture is shown until the next one is due.
            due = np.floor(np.arange(len(pictures) + 1) * rate / FPS + 0.5).astype(int)
            shown = [picture for picture, times in zip(pictures, np.diff(due), strict=True) for _ in range(times)]
            verdicts[record] = _judge(bench, shown, sound, rate)
            say(f"clips at {rate} pictures per second", done, len(_chosen(plain)))
        people = [record.identity for record in verdicts]
        same = np.array([v.verdict == plain[record].verdict for record, v in verdicts.items()])
        near = np.array([abs(_lag(v) - _lag(plain[record])) <= 1 for record, v in verdicts.items()])
        moved = [_distance(verdict, plain[record]) / _spread(plain) for record, verdict in verdicts.items()]
        row: Row = {"pictures per second": rate, "clips": len(verdicts)}
        row |= {"same verdict": estimate(partial(share, same), people)}
        row |= {"lag within 1 frame": estimate(partial(share, near), people)}
        rows.append(row | {"largest change / SD": float(max(moved))})
    return {f"Clips of {FPS} pictures per second shown at more": rows}


@cache
def _rewritten(bench: Bench) -> dict[ClipRecord, Verdict]:
    """Return the verdicts on real clips that are decoded and written again without change, if they can be judged.

    Raises:
        UsageError: there are too few of them.
    """
    verdicts = {}
    for done, record in enumerate(bench.reporting, 1):
        verdicts[record] = _judge(bench, *_read(record))
        say("clips written again", done, len(bench.reporting))
    plain = {record: verdict for record, verdict in verdicts.items() if verdict.anomaly_score is not None}
    if len(plain) < _CLIPS:
        raise UsageError(f"{len(plain)} real clips can be judged; {_CLIPS} are needed")
    return plain


def _chosen(plain: dict[ClipRecord, Verdict]) -> list[ClipRecord]:
    """The clips that are changed."""
    order = np.random.default_rng(SEED).permutation(len(plain))
    return [list(plain)[index] for index in order[:_CLIPS]]


def _spread(plain: dict[ClipRecord, Verdict]) -> float:
    return float(np.std([verdict.anomaly_score or 0.0 for verdict in plain.values()]))


def _distance(one: Verdict, other: Verdict) -> float:
    """The difference of the scores; infinite if a clip cannot be judged."""
    if one.anomaly_score is None or other.anomaly_score is None:
        return float("inf")
    return abs(one.anomaly_score - other.anomaly_score)


def _lag(verdict: Verdict) -> float:
    """The lag in frames; NaN if there is none."""
    lag_ms = verdict.decisive.lag_ms if verdict.decisive else None
    return float("nan") if lag_ms is None else lag_ms * FPS / 1000


def _paddings() -> list[_Padding]:
    """A random sample of lengths, places and pictures, of the same size for each kind."""
    rng = np.random.default_rng(SEED)
    pictures: tuple[Literal["edge", "reflect"], ...] = ("edge", "reflect")
    places = [(s, 0.0) for s in _SECONDS] + [(0.0, s) for s in _SECONDS] + [(s, s) for s in _SECONDS]
    ways = [(*place, picture) for place, picture in product(places, pictures)]
    each = _CLIPS * _PADDINGS // len(_KINDS)
    return [_Padding(kind, *ways[index]) for kind in _KINDS for index in rng.permutation(len(ways))[:each]]


def _padded(
    pictures: Pictures, sound: Samples, padding: _Padding, rng: np.random.Generator
) -> tuple[Pictures, Samples]:
    around = (round(padding.before * FPS), round(padding.after * FPS))
    shown = np.pad(np.arange(len(pictures)), around, padding.picture)
    head, tail = (_silence(padding.kind, frames * RATE // FPS, sound, rng) for frames in around)
    return [pictures[index] for index in shown], np.concatenate([head, sound, tail])


def _silence(kind: str, count: int, sound: Samples, rng: np.random.Generator) -> Samples:
    if kind == "digital zero":
        return np.zeros(count, np.float32)
    if kind == "-60 dBFS noise":
        return rng.normal(0, 1e-3, count).astype(np.float32)
    pieces = sound[: len(sound) // _TONE * _TONE].reshape(-1, _TONE)
    quietest = pieces[np.square(pieces).mean(axis=1).argmin()]
    # Noise with the same spectrum and loudness; the stretch itself, repeated, would hum.
    white = rng.normal(0, len(quietest) ** -0.5, count + len(quietest) - 1)
    return np.convolve(white, quietest, "valid").astype(np.float32)


def _read(record: ClipRecord) -> tuple[Pictures, Samples]:
    """Grey pictures, 25 per second, and the mono sound heard with them."""
    shown = list(frames(record.path))
    origin = round(shown[0].time * RATE)
    sound = Sound(record.audio or record.path).reader().read(origin, origin + len(shown) * RATE // FPS)
    return [frame.image for frame in shown], sound


def _judge(bench: Bench, pictures: Pictures, sound: Samples, rate: int = FPS) -> Verdict:
    with TemporaryDirectory(prefix="avsync-") as folder:
        path = Path(folder) / "clip.mkv"
        _write(path, pictures, sound, rate)
        return bench.detector.score(path)


def _write(path: Path, pictures: Pictures, sound: Samples, rate: int) -> None:
    """Write without loss, so that only the intended change differs."""
    with av.open(f"file:{path}", "w") as container:
        video = container.add_stream("ffv1", rate=Fraction(rate))
        voice = container.add_stream("pcm_f32le", rate=RATE, layout="mono")
        video.height, video.width = pictures[0].shape
        video.pix_fmt = "gray"
        for image in pictures:
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="gray")))
        container.mux(video.encode(None))
        samples = av.AudioFrame.from_ndarray(sound[None], format="flt", layout="mono")
        samples.sample_rate, samples.pts = RATE, 0
        container.mux(voice.encode(samples))
        container.mux(voice.encode(None))
