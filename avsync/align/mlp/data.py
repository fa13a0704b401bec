"""Feature clips as the AVH-Align head takes them: frames with all the speech that they may belong to."""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import torch
from lightning import LightningDataModule
from torch import Tensor
from torch.nn.functional import pad
from torch.utils.data import DataLoader, Dataset

from avsync.align.lattice import TAU
from avsync.align.mlp.head import candidates
from avsync.config import FramesConfig
from avsync.datasets.arrays import ClipArrays


class Batch(NamedTuple):
    """Frames of one clip or several, each with its 31 candidates.

    Attributes:
        lips: float [n, Dv].
        speech: float [m, Da]; row 0 is the zero vector that stands for what is outside a clip.
        heard: int64 [n, 31], the rows of `speech` from 15 frames before to 15 after each frame, in its own clip.
        weight: float [n], the share of speech in each frame.
    """

    lips: Tensor
    speech: Tensor
    heard: Tensor
    weight: Tensor


class Passage(NamedTuple):
    """Frames [start, stop) of a clip that has `frames` of them."""

    clip: ClipArrays
    frames: int
    start: int
    stop: int


class Frames(Dataset[Batch]):
    """Batches made of passages of clips."""

    def __init__(self, batches: Sequence[Sequence[Passage]]) -> None:
        self._batches = batches

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> Batch:
        """The frames of a batch's passages, one after another."""
        lips, speech, near, weight = zip(*(_read(passage) for passage in self._batches[index]), strict=True)
        before = accumulate(map(len, speech[:-1]), initial=0)
        heard = [rows.where(rows == 0, rows + count) for rows, count in zip(near, before, strict=True)]
        return Batch(torch.cat(lips), pad(torch.cat(speech), (0, 0, 1, 0)), torch.cat(heard), torch.cat(weight))


class MLPData(LightningDataModule):
    """Feeds training with every frame once per epoch, the same batches for the same seed and epoch.

    Args:
        train, validation: clips with `lips` [T, Dv], `speech` [T, Da] and `weight` [T].
        config: how many frames a step takes. Clips follow one another in an order that its seed and the epoch decide
            on, and are cut where a batch is full.
    """

    def __init__(self, train: Sequence[ClipArrays], validation: Sequence[ClipArrays], config: FramesConfig) -> None:
        super().__init__()
        self._train, self._validation = (whole_clips(clips) for clips in (train, validation))
        self._config = config

    def train_dataloader(self) -> DataLoader[Batch]:
        """The batches of this epoch; for a trainer with `reload_dataloaders_every_n_epochs=1`."""
        assert self.trainer is not None
        order = np.random.default_rng((self._config.seed, self.trainer.current_epoch)).permutation(len(self._train))
        return _loader(cut([self._train[index] for index in order.tolist()], self._config.frames))

    def val_dataloader(self) -> DataLoader[Batch]:
        """The validation clips, one by one."""
        return _loader([[passage] for passage in self._validation])


def whole_clips(clips: Sequence[ClipArrays]) -> list[Passage]:
    """All frames of each clip."""
    lengths = ((clip, clip.frames()) for clip in clips)
    return [Passage(clip, frames, 0, frames) for clip, frames in lengths]


def cut(clips: Sequence[Passage], size: int) -> list[list[Passage]]:
    """Whole clips, one after another, cut into batches of `size` frames; the last one may have fewer."""
    batches, room = list[list[Passage]](), 0
    for clip in clips:
        start = 0
        while start < clip.frames:
            if not room:
                batches.append([])
                room = size
            stop = min(start + room, clip.frames)
            batches[-1].append(clip._replace(start=start, stop=stop))
            room, start = room - (stop - start), stop
    return batches


def _loader(batches: Sequence[Sequence[Passage]]) -> DataLoader[Batch]:
    return DataLoader(Frames(batches), batch_size=None)  # no workers: to read is quick beside a step


def _read(passage: Passage) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Lips, speech, candidates and weight of a passage; the speech includes what its frames' candidates need."""
    clip, frames, start, stop = passage
    before = max(start - TAU, 0)
    lips, weight = (torch.from_numpy(clip.read(name, start, stop)) for name in ("lips", "weight"))
    speech = torch.from_numpy(clip.read("speech", before, min(stop + TAU, frames)))
    heard = candidates(frames, start, stop)
    return lips, speech, heard.where(heard == 0, heard - before), weight
