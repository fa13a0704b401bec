"""Batches of real and reconstructed speech."""

from typing import NamedTuple

import numpy as np
import torch
from lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from avsync.voice.reconstruction.config import PairsConfig
from avsync.voice.reconstruction.pairs import SAMPLES, Pairs


class Pair(NamedTuple):
    """A pair, or a batch of them.

    Attributes:
        real, rebuilt: float32 [N] in [-1, 1].
        kind: int64 [], which reconstruction.
    """

    real: Tensor
    rebuilt: Tensor
    kind: Tensor


class RandomPairs(Dataset[Pair]):
    """One draw of pairs: all in random order, each cut at random, real and rebuilt at the same place.

    Args:
        pairs: to draw from.
        samples: of a piece, at most 32,000.
        seed: of the draw; None: all pairs in order, from their start.
    """

    def __init__(self, pairs: Pairs, samples: int, seed: tuple[int, ...] | None) -> None:
        self._pairs, self._samples = pairs, samples
        rng = None if seed is None else np.random.default_rng(seed)
        count = len(pairs.kinds)
        self._order = np.arange(count) if rng is None else rng.permutation(count)
        latest = SAMPLES - samples + 1
        self._starts = np.zeros(count, int) if rng is None else rng.integers(latest, size=count)

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, index: int) -> Pair:
        """Pair number `index` of the draw."""
        row, start = self._order[index], self._starts[index]
        real, rebuilt = (of[row, start : start + self._samples] for of in (self._pairs.real, self._pairs.rebuilt))
        return Pair(_float(real), _float(rebuilt), torch.tensor(self._pairs.kinds[row]))


class PairsData(LightningDataModule):
    """A new draw in every epoch; validation on pairs of unseen speakers.

    Args:
        training: pairs to learn from.
        validation: pairs of unseen speakers; their kinds may be others.
        config: of the training.
    """

    def __init__(self, training: Pairs, validation: Pairs, config: PairsConfig) -> None:
        super().__init__()
        self._training, self._validation, self._config = training, validation, config

    def train_dataloader(self) -> DataLoader[Pair]:
        """The pairs of this epoch."""
        epoch = self.trainer.current_epoch if self.trainer else 0
        drawn = RandomPairs(self._training, self._config.samples, (self._config.seed, epoch))
        return DataLoader(drawn, self._config.batch_size, drop_last=len(drawn) >= self._config.batch_size)

    def val_dataloader(self) -> DataLoader[Pair]:
        """The pairs of unseen speakers, whole."""
        return DataLoader(RandomPairs(self._validation, SAMPLES, None), self._config.batch_size)


def _float(samples: np.ndarray) -> Tensor:
    return torch.from_numpy(samples.astype(np.float32) / 32768)
