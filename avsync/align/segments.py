"""What training reads: one random segment of every clip per epoch, whole clips for validation."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
from lightning import LightningDataModule
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from avsync.config import SegmentsConfig
from avsync.datasets.record import ClipRecord

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
        whole_batches = len(order) >= config.batch_size
        return DataLoader(segments, config.batch_size, drop_last=whole_batches, num_workers=config.num_workers)

    def val_dataloader(self) -> DataLoader[Any]:
        """The validation clips, one by one."""
        clips = _WholeClips(self._validation, self.whole)
        return DataLoader(clips, batch_size=None, collate_fn=_unchanged, num_workers=self._config.num_workers)


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
    own = [np.flatnonzero(speaker == index) for index in range(len(names))]
    runs = rng.choice(len(names), max(1, round(len(speakers) / per_speaker)), p=share)
    drawn = [rng.choice(own[run], per_speaker, replace=len(own[run]) < per_speaker) for run in runs]
    return [int(index) for run in drawn for index in run]


def mixed_seed(*numbers: int) -> int:
    """Return one seed made from several numbers, the same on every machine."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def spread(clips: Sequence[Clip], count: int) -> list[Clip]:
    """Return at most `count` of the clips, evenly spaced."""
    chosen = np.linspace(0, len(clips) - 1, min(count, len(clips))).round().astype(int)
    return [clips[index] for index in chosen.tolist()]


def _unchanged(clip: Any) -> Any:
    return clip
