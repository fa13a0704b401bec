"""Clips in the form that the AVH-Align head trains on: frames with all their candidate speech frames."""

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
from avsync.align.mlp.model import candidate_rows
from avsync.align.segments import ClipArrays
from avsync.config import FramesConfig


class Batch(NamedTuple):
    """Frames of one or several clips, each with its 31 candidates.

    Attributes:
        lips: float [n, Dv].
        speech: float [m, Da]; row 0 is a zero vector that stands for everything outside a clip.
        candidates: int64 [n, 31], the rows of `speech` from 15 frames before to 15 after each frame of the same clip.
        speech_share: float [n], the share of speech in each frame.
    """

    lips: Tensor
    speech: Tensor
    candidates: Tensor
    speech_share: Tensor


class FrameRange(NamedTuple):
    """Frames [start, stop) of a clip that has `frames` of them."""

    clip: ClipArrays
    frames: int
    start: int
    stop: int


class Frames(Dataset[Batch]):
    """Batches made of ranges of frames."""

    def __init__(self, batches: Sequence[Sequence[FrameRange]]) -> None:
        self._batches = batches

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> Batch:
        """The frames of a batch's ranges, one range after another."""
        lips, speech, rows, shares = zip(*(_read(part) for part in self._batches[index]), strict=True)
        offsets = accumulate(map(len, speech[:-1]), initial=0)
        candidates = [own.where(own == 0, own + offset) for own, offset in zip(rows, offsets, strict=True)]
        return Batch(torch.cat(lips), pad(torch.cat(speech), (0, 0, 1, 0)), torch.cat(candidates), torch.cat(shares))


class MLPData(LightningDataModule):
    """Feeds a trainer with every frame once per epoch; the same seed and epoch give the same batches.

    Args:
        train, validation: clips with `lips` float [T, Dv], `speech` float [T, Da] and `speech_share` float32 [T].
        config: frames per step, and the seed. The clips are shuffled by seed and epoch, joined, and cut where a batch
            is full.
    """

    def __init__(self, train: Sequence[ClipArrays], validation: Sequence[ClipArrays], config: FramesConfig) -> None:
        super().__init__()
        self._train, self._validation = (whole_clips(clips) for clips in (train, validation))
        self._config = config

    def train_dataloader(self) -> DataLoader[Batch]:
        """This epoch's batches; for a trainer with `reload_dataloaders_every_n_epochs=1`."""
        assert self.trainer is not None
        rank, devices = self.trainer.global_rank, self.trainer.world_size
        order = np.random.default_rng((self._config.seed, self.trainer.current_epoch)).permutation(len(self._train))
        batches = cut([self._train[index] for index in order.tolist()], devices * self._config.frames)
        return _loader([part for batch in batches if (part := part_of(batch, rank, devices))])

    def val_dataloader(self) -> DataLoader[Batch]:
        """The validation clips, one by one."""
        return _loader([[clip] for clip in self._validation])


def whole_clips(clips: Sequence[ClipArrays]) -> list[FrameRange]:
    """All frames of each clip."""
    lengths = ((clip, clip.frames()) for clip in clips)
    return [FrameRange(clip, frames, 0, frames) for clip, frames in lengths]


def cut(clips: Sequence[FrameRange], size: int) -> list[list[FrameRange]]:
    """Cut whole clips, one after another, into batches of `size` frames; the last batch may have fewer."""
    batches, room = list[list[FrameRange]](), 0
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


def part_of(batch: Sequence[FrameRange], rank: int, devices: int) -> list[FrameRange]:
    """The frames of a batch that a device takes: each takes as many in a row, one more or less where it must be.

    Empty for every device if there are fewer frames than devices: all take as many steps.
    """
    count = sum(part.stop - part.start for part in batch)
    first, last = (count * edge // devices for edge in (rank, rank + 1))
    parts, at = list[FrameRange](), 0
    for part in batch if count >= devices else ():
        start, stop = (min(max(edge - at + part.start, part.start), part.stop) for edge in (first, last))
        if start < stop:
            parts.append(part._replace(start=start, stop=stop))
        at += part.stop - part.start
    return parts


def _loader(batches: Sequence[Sequence[FrameRange]]) -> DataLoader[Batch]:
    # No worker processes: reading is fast compared with a step.
    return DataLoader(Frames(batches), batch_size=None, pin_memory=torch.cuda.is_available())


def _read(part: FrameRange) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Lips, speech, candidates and speech share of a range; the speech includes all candidates of its frames."""
    clip, frames, start, stop = part
    before = max(start - TAU, 0)
    lips, share = (torch.from_numpy(clip.read(name, start, stop)) for name in ("lips", "speech_share"))
    speech = torch.from_numpy(clip.read("speech", before, min(stop + TAU, frames)))
    rows = candidate_rows(frames, start, stop)
    return lips, speech, rows.where(rows == 0, rows - before), share
