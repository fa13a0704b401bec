"""Feeds training with one random segment of every clip per epoch, and validation with whole clips."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from lightning import LightningDataModule
from torch.utils.data import DataLoader, Dataset

from avsync.config import SegmentsConfig
from avsync.datasets.arrays import ClipArrays

# Validated on at most this many clips, spread evenly over the list.
_VALIDATED = 400
Clip = TypeVar("Clip", bound=ClipArrays)


class SegmentData(LightningDataModule, ABC):
    """The same segments in the same order for the same seed and epoch.

    Args:
        train, validation: clips.
        config: segments per batch, processes, seed.
    """

    def __init__(self, train: Sequence[ClipArrays], validation: Sequence[ClipArrays], config: SegmentsConfig) -> None:
        super().__init__()
        self._train, self._validation, self._config = train, spread(validation, _VALIDATED), config

    @abstractmethod
    def segments(self, clips: Sequence[ClipArrays], seed: tuple[int, int]) -> Dataset[Any]:
        """One segment of each clip, decided on by `seed` and the clip's index."""

    @staticmethod
    @abstractmethod
    def whole(clip: ClipArrays) -> Any:
        """A clip as validation takes it."""

    def train_dataloader(self) -> DataLoader[Any]:
        """Batches of this epoch's segments; for a trainer with `reload_dataloaders_every_n_epochs=1`."""
        assert self.trainer is not None
        config, seed = self._config, (self._config.seed, self.trainer.current_epoch)
        # Shuffled here, not by the loader: a resumed training draws from the loader's generator once more.
        order = np.random.default_rng(seed).permutation(len(self._train)).tolist()
        segments = self.segments([self._train[index] for index in order], seed)
        whole_batches = len(order) >= config.batch_size
        return DataLoader(segments, config.batch_size, drop_last=whole_batches, num_workers=config.loaders)

    def val_dataloader(self) -> DataLoader[Any]:
        """The validation clips, one by one."""
        clips = _WholeClips(self._validation, self.whole)
        return DataLoader(clips, batch_size=None, collate_fn=_as_it_is, num_workers=self._config.loaders)


class _WholeClips(Dataset[Any]):
    def __init__(self, clips: Sequence[ClipArrays], whole: Callable[[ClipArrays], Any]) -> None:
        self._clips, self._whole = clips, whole

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, index: int) -> Any:
        return self._whole(self._clips[index])


def mixed_seed(*numbers: int) -> int:
    """One seed made of several numbers, the same on every machine."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def spread(clips: Sequence[Clip], count: int) -> list[Clip]:
    """At most `count` of the clips, evenly spaced."""
    chosen = np.linspace(0, len(clips) - 1, min(count, len(clips))).round().astype(int)
    return [clips[index] for index in chosen.tolist()]


def _as_it_is(clip: Any) -> Any:
    return clip
