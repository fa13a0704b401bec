"""What training reads: one random segment of every clip per epoch, whole clips for validation."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from lightning import LightningDataModule
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from avsync.config import SegmentsConfig
from avsync.datasets.record import ClipRecord
from avsync.errors import UsageError

# Validation uses at most this many clips, evenly spaced in the list.
_MAX_VALIDATION = 400


class ClipArrays(Protocol):
    """A clip whose arrays have one row per frame at 25 Hz.

    Every clip has `speech_share`, float32 [T], the share of speech in each frame. `lips` and `speech` hold what the
    trained model takes: features [T, D], mouth crops uint8 [T, 96, 96], or four steps of log mel float32 [T, 160].
    """

    @property
    def record(self) -> ClipRecord:
        """The clip's row of the data set."""

    @property
    def key(self) -> str:
        """Identifies the content."""

    def frames(self) -> int:
        """T."""

    def read(self, name: str, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Read rows [start, stop) of one array and nothing else."""


Clip = TypeVar("Clip", bound=ClipArrays)


class SegmentData(LightningDataModule, ABC):
    """Feeds a trainer; the same seed and epoch give the same segments in the same order.

    Args:
        train, validation: the clips.
        config: segments per batch, worker processes, seed.
    """

    def __init__(self, train: Sequence[ClipArrays], validation: Sequence[ClipArrays], config: SegmentsConfig) -> None:
        super().__init__()
        self._train, self._validation, self._config = train, spread(validation, _MAX_VALIDATION), config

    @abstractmethod
    def segments(self, clips: Sequence[ClipArrays], seed: tuple[int, int]) -> Dataset[Any]:
        """Return one segment of each clip, chosen by `seed` and the clip's index."""

    @staticmethod
    @abstractmethod
    def whole(clip: ClipArrays) -> Any:
        """Return a whole clip in the form that validation takes."""

    def train_dataloader(self) -> DataLoader[Any]:
        """Batches of this epoch's segments; for a trainer with `reload_dataloaders_every_n_epochs=1`."""
        assert self.trainer is not None
        config, seed = self._config, (self._config.seed, self.trainer.current_epoch)
        # Drawn here, not by the loader: a resumed training would draw once more from the loader's generator.
        speakers = [clip.record.speaker for clip in self._train]
        order = draw_by_speaker(speakers, config.per_speaker, config.speaker_power, np.random.default_rng(seed))
        segments = self.segments([self._train[index] for index in order], seed)
        own = places(len(order), config.batch_size, self.trainer.global_rank, self.trainer.world_size)
        whole_batches = len(order) >= config.batch_size
        return self._loader(segments, batch_size=config.batch_size, sampler=own, drop_last=whole_batches)

    def val_dataloader(self) -> DataLoader[Any]:
        """The validation clips, one by one."""
        clips = _WholeClips(self._validation, self.whole)
        return self._loader(clips, batch_size=None, collate_fn=_unchanged)

    def _loader(self, clips: Dataset[Any], **options: Any) -> DataLoader[Any]:
        """A loader; for a GPU it puts batches into memory that is copied while the GPU works."""
        workers = self._config.num_workers
        return DataLoader(clips, num_workers=workers, pin_memory=torch.cuda.is_available(), **options)


class _WholeClips(Dataset[Any]):
    def __init__(self, clips: Sequence[ClipArrays], whole: Callable[[ClipArrays], Any]) -> None:
        self._clips, self._whole = clips, whole

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, index: int) -> Any:
        return self._whole(self._clips[index])


def draw_by_speaker(speakers: Sequence[str], per_speaker: int, power: float, rng: np.random.Generator) -> list[int]:
    """Return the clips of one epoch, about as many as there are: runs of `per_speaker` clips are of one speaker.

    Args:
        speakers: whose each clip is.
        per_speaker: clips in a run; those of a speaker with fewer are drawn repeatedly.
        power: speakers are drawn in proportion to their number of clips to this power: 1 draws clips alike, 0 draws
            speakers alike.
        rng: draws.

    Returns:
        Indices of `speakers`.
    """
    names, speaker, count = np.unique(np.array(speakers), return_inverse=True, return_counts=True)
    share = count**power / (count**power).sum()
    own = np.split(np.argsort(speaker, kind="stable"), np.cumsum(count)[:-1])
    runs = rng.choice(len(names), max(1, round(len(speakers) / per_speaker)), p=share)
    drawn = [rng.choice(own[run], per_speaker, replace=len(own[run]) < per_speaker) for run in runs]
    return [int(index) for run in drawn for index in run]


def places(count: int, batch_size: int, rank: int, devices: int) -> list[int]:
    """Return which of an epoch's segments a device takes: its part of every batch of all devices.

    Device 0 takes the first `batch_size` segments of a batch of all devices, device 1 the next ones, and so on.

    Args:
        count: segments of the epoch. Of several devices none takes those that fill no batch of all.
        batch_size: segments per step and device.
        rank: of the device, from 0.
        devices: that train together.

    Raises:
        UsageError: there are too few segments for one batch of all devices.
    """
    if devices == 1:
        return list(range(count))
    batches = count // (devices * batch_size)
    if not batches:
        raise UsageError(
            f"{count} segments are too few for {devices} devices with trainer.batch_size={batch_size} each; "
            "lower one of the two"
        )
    dealt = np.arange(batches * devices * batch_size).reshape(batches, devices, batch_size)
    return [int(place) for place in dealt[:, rank].ravel()]


def mixed_seed(*numbers: int) -> int:
    """Return one seed made from several numbers, the same on every machine."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def spread(clips: Sequence[Clip], count: int) -> list[Clip]:
    """Return at most `count` of the clips, evenly spaced."""
    chosen = np.linspace(0, len(clips) - 1, min(count, len(clips))).round().astype(int)
    return [clips[index] for index in chosen.tolist()]


def _unchanged(clip: Any) -> Any:
    return clip
