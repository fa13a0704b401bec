"""Files of speech for training: read whole, and kept in memory while there is room."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avsync.media import RATE
from avsync.media.audio import audio_blocks
from avsync.speech.level import rms

_MAX_SECONDS = 60.0  # of a file; more of one voice teaches little
_MAX_KEPT = 2 << 30  # bytes of 16-bit sound: 18 hours
_QUIET = 0.25  # of the loudness of the whole file; pieces that are softer are pauses


@dataclass(frozen=True)
class Utterance:
    """A file in which one person speaks.

    Attributes:
        path: the file.
        speaker: who speaks.
        key: hash of the file's content.
        seconds: its length.
        fake: whether it is synthetic, in data sets with labels.
    """

    path: Path
    speaker: str
    key: str
    seconds: float
    fake: bool = False


class Utterances:
    """The samples of files of speech, for random draws.

    Args:
        files: at least one.
    """

    def __init__(self, files: Sequence[Utterance]) -> None:
        self._speakers: dict[str, list[Utterance]] = {}
        for file in files:
            self._speakers.setdefault(file.speaker, []).append(file)
        self._kept: OrderedDict[str, NDArray[np.int16]] = OrderedDict()
        self._bytes = 0

    def random_piece(self, samples: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """A piece that is no pause, float32 [samples] at 16 kHz. Speakers are drawn alike; short files are repeated.

        Raises:
            CannotJudge: `unreadable`.
        """
        names = sorted(self._speakers)
        files = self._speakers[names[rng.integers(len(names))]]
        whole = self._read(files[rng.integers(len(files))])
        whole = np.tile(whole, -(-samples // len(whole)))
        enough = _QUIET * rms(whole)
        for _ in range(10):
            start = rng.integers(len(whole) - samples + 1)
            found = whole[start : start + samples]
            if rms(found) > enough:
                break
        return np.asarray(found / np.float32(32768), np.float32)

    def _read(self, file: Utterance) -> NDArray[np.int16]:
        if file.key in self._kept:
            self._kept.move_to_end(file.key)
            return self._kept[file.key]
        found = read_speech(file.path)
        samples = (found * 32767).round().astype(np.int16)
        self._kept[file.key] = samples
        self._bytes += samples.nbytes
        while self._bytes > _MAX_KEPT and len(self._kept) > 1:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return samples


def read_speech(path: Path) -> NDArray[np.float32]:
    """The first minute of a file's sound, float32 [N] in [-1, 1] at 16 kHz.

    Raises:
        CannotJudge: `unreadable`.
    """
    blocks, left = list[NDArray[np.float32]](), round(_MAX_SECONDS * RATE)
    for block in audio_blocks(path):
        blocks.append(block[:left])
        left -= len(blocks[-1])
        if not left:
            break
    return np.concatenate([np.zeros(0, np.float32), *blocks])
