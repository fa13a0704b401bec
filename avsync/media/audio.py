"""Sound on the clip's clock: mono 16 kHz, placed by presentation time."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from avsync.errors import CannotJudge, Reason
from avsync.media.facts import StreamFacts
from avsync.media.packets import decoded
from avsync.media.probe import audio_stream, open_media

RATE = 16_000  # Hz; the rate of every speech model of the field
# Sound up to this long (s) stays in memory after it is decoded: 38 MB of float32. Longer sound is decoded again on
# every pass, so that memory does not grow with the file.
MAX_KEPT_SECONDS = 600.0
# A step in the timestamps up to this (s) is rounding (AAC frames are 21 ms); a larger one is a gap or an overlap.
_MAX_DRIFT = 0.04
# Longer sound (s) is refused, and sound of fewer samples per second: telephones have 8000.
_MAX_SECONDS = 12 * 3600.0
_MIN_RATE = 4000
# No recorder takes more; the resampler's memory grows with the rate (1.5 GB at 1.5 GHz).
_MAX_RATE = 768_000
_NO_FILLIN = 0x10  # FFmpeg's AVFMT_FLAG_NOFILLIN


def audio_blocks(
    path: Path, warnings: list[str] | None = None, facts: StreamFacts | None = None
) -> Iterator[NDArray[np.float32]]:
    """Yield the first audio stream as consecutive blocks of float32 [n] in [-1, 1], sample 0 at time 0 of the file.

    Sound that starts late or has gaps in its timestamps is filled with zeros. Where sound overlaps, the earlier block
    is kept. If the stream is damaged or truncated, one line is added to `warnings` after the last block. `facts` counts
    along.

    Raises:
        CannotJudge: `unreadable`, also for sound of more than 12 hours or fewer than 4000 samples per second.
    """
    done = 0
    for start, block in _placed_blocks(path, warnings, facts):
        if start + len(block) > _MAX_SECONDS * RATE:
            raise _too_long(start / RATE)
        yield from _zeros(start - done)
        done = max(done, start)
        fresh = block[done - start :]
        done += len(fresh)
        yield fresh


class Sound:
    """The sound of a file, for several passes over it. Do not change the blocks: later passes get the same arrays.

    Args:
        path: the file.
        warnings: gets one line if the stream is damaged or truncated, after the first whole pass.
        max_kept_seconds: sound up to this long is decoded once and kept in memory, longer sound on every pass.

    Attributes:
        facts: what the last pass that decoded the sound met; None before it.
    """

    def __init__(
        self, path: Path, warnings: list[str] | None = None, *, max_kept_seconds: float = MAX_KEPT_SECONDS
    ) -> None:
        self.path = path
        self._warnings, self._max_kept = warnings, round(max_kept_seconds * RATE)
        self._kept: list[NDArray[np.float32]] | None = None
        self.facts: StreamFacts | None = None

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield consecutive blocks of float32 [n] as `audio_blocks` does.

        Raises:
            CannotJudge: `unreadable`.
        """
        if self._kept is not None:
            yield from self._kept
            return
        kept, samples, found = list[NDArray[np.float32]](), 0, list[str]()
        self.facts = facts = StreamFacts()
        for block in audio_blocks(self.path, found, facts):
            samples += len(block)
            if samples <= self._max_kept:
                kept.append(block)
            else:
                kept.clear()
            yield block
        if self._warnings is not None:
            self._warnings.extend(found)
            self._warnings = None
        if samples <= self._max_kept:
            self._kept = kept

    def reader(self) -> "AudioReader":
        """A reader that starts at time 0."""
        return AudioReader(self.blocks())


class CondensedSound(Sound):
    """A sound without its long stretches of digital silence, for a voice detector; `true_times` leads back.

    Of a stretch of zeros longer than ten seconds, such as a gap in the timestamps, ten seconds stay: after them nothing
    changes in a voice detector. Whole steps of it are taken out, so that it takes the same steps after the gap.
    """

    _STAY = 10 * RATE
    _STEP = 2560  # samples; a multiple of the voice detector's 512 and of 10 ms

    def __init__(self, sound: Sound) -> None:
        super().__init__(sound.path)
        self._sound = sound
        self._cuts: list[tuple[int, int]] = []  # position in the condensed sound, samples taken out there

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield consecutive blocks of float32 [n] of the condensed sound.

        Raises:
            CannotJudge: `unreadable`.
        """
        self._cuts, done, zeros = [], 0, 0
        for block in self._sound.blocks():
            if not block.any():
                stay = max(0, min(len(block), self._STAY - zeros))
                zeros += len(block)
                done += stay
                if stay:
                    yield block[:stay]
                continue
            rest = self._cut(done, zeros - self._STAY)
            zeros = 0
            done += rest + len(block)
            yield from _zeros(rest)
            yield block
        yield from _zeros(self._cut(done, zeros - self._STAY))

    def true_times(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Times in the sound itself (s) of times in the condensed sound (s), known after a pass over it."""
        cuts = np.array(self._cuts, np.float64).reshape(-1, 2) / RATE
        return np.asarray(times + (cuts[:, 1] * (times[..., None] > cuts[:, 0])).sum(axis=-1), np.float64)

    def _cut(self, position: int, spare: int) -> int:
        """Note a cut of `spare` samples of silence, whole steps of them; return how many of them stay."""
        if spare <= 0:
            return 0
        rest = spare % self._STEP
        if spare > rest:
            self._cuts.append((position, spare - rest))
        return rest


class AudioReader:
    """Reads sound forwards, one stretch at a time, and holds no more than that stretch.

    Args:
        blocks: consecutive float32 [n], sample 0 at time 0 (`audio_blocks`, `Sound.blocks`).
    """

    def __init__(self, blocks: Iterator[NDArray[np.float32]]) -> None:
        self._blocks = blocks
        self._buffer = _NOTHING
        self._position = 0  # index of the buffer's first sample

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Read samples [start, stop) as float32 [stop - start], zeros past the end of the sound.

        Raises:
            ValueError: `start` lies before the samples of the last call.
        """
        if start < self._position:
            raise ValueError(f"sample {start} is already read; an AudioReader reads forwards only")
        pieces, have = [self._buffer], self._position + len(self._buffer)
        while have < stop and (block := next(self._blocks, None)) is not None:
            if have + len(block) > start:
                pieces.append(block)
            else:
                pieces, self._position = [], have + len(block)
            have += len(block)
        buffer = np.concatenate([_NOTHING, *pieces])
        drop = min(start - self._position, len(buffer))
        self._buffer, self._position = buffer[drop:], self._position + drop
        samples = self._buffer[: stop - start]
        return np.pad(samples, (0, stop - start - len(samples)))


_NOTHING = np.zeros(0, np.float32)
_SILENCE = np.zeros(RATE, np.float32)
_SILENCE.setflags(write=False)


class _Run:
    """Sound without a gap, through one resampler. `end`: end of its input (s). `position`: index of its next output."""

    def __init__(self, kind: tuple[str, int, str], time: float) -> None:
        if kind[1] < _MIN_RATE:
            raise CannotJudge(Reason.UNREADABLE, f"sound of {kind[1]} samples per second; {_MIN_RATE} are needed")
        if kind[1] > _MAX_RATE:
            raise CannotJudge(Reason.UNREADABLE, f"sound of {kind[1]} samples per second; at most {_MAX_RATE} are read")
        self.kind, self.end, self.position = kind, time, round(time * RATE)
        self._resampler = AudioResampler(format="flt", layout="mono", rate=RATE)

    def push(self, frame: av.AudioFrame | None) -> Iterator[tuple[int, NDArray[np.float32]]]:
        if frame is not None:
            self.end += frame.samples / frame.sample_rate
            frame.pts = None  # `position` has the time: the resampler only counts samples
        try:
            pieces = self._resampler.resample(frame)
        except av.FFmpegError as error:
            raise CannotJudge(
                Reason.UNREADABLE, f"sound with layout {self.kind[0]} cannot be converted to mono"
            ) from error
        for piece in pieces:
            block = np.nan_to_num(piece.to_ndarray()[0], nan=0.0, posinf=0.0, neginf=0.0).clip(-1, 1)
            yield self.position, block
            self.position += len(block)


def _placed_blocks(
    path: Path, warnings: list[str] | None, facts: StreamFacts | None
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield resampled blocks, each with the index of its first sample."""
    run: _Run | None = None
    with open_media(path) as container:
        stream = audio_stream(container)
        if stream is None:
            return
        if (claimed := float((stream.duration or 0) * (stream.time_base or 0))) > _MAX_SECONDS:
            raise _too_long(claimed)
        if container.format.name == "mpegts":
            # FFmpeg derives the times inside a packet from the first sample rate; counting samples is exact.
            container.flags |= _NO_FILLIN
        for time, frame in decoded(container, stream, warnings, facts):
            kind = (frame.layout.name, frame.sample_rate, frame.format.name)
            if time is None:
                time = run.end if run else 0.0
            if run is None or run.kind != kind or abs(time - run.end) > _MAX_DRIFT:
                if run is not None:
                    yield from run.push(None)
                run = _Run(kind, time)
            yield from run.push(frame)
        if run is not None:
            yield from run.push(None)


def _zeros(count: int) -> Iterator[NDArray[np.float32]]:
    """Yield `count` zeros, always the same second of them: a long gap takes no memory."""
    for done in range(0, count, RATE):
        yield _SILENCE[: count - done]


def _too_long(seconds: float) -> CannotJudge:
    hours, most = seconds / 3600, _MAX_SECONDS / 3600
    return CannotJudge(Reason.UNREADABLE, f"{hours:.0f} hours of sound, more than {most:.0f}: cut the file into parts")
