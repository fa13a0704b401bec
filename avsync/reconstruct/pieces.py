"""Random pieces of speech, for trainings without labels."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from lightning import LightningDataModule
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from avsync.config import PiecesConfig
from avsync.speech.level import LEVEL, gain_to
from avsync.speech.utterance import Utterance, Utterances

_LOUDER = 0.3  # of pieces, up or down, in powers of ten
_VALIDATED = 8  # batches of unseen speakers

# What happens to a piece before it is used, such as a draw of `avsync.reconstruct.channel`.
Change = Callable[[NDArray[np.float32], np.random.Generator], NDArray[np.float32]]


class Pieces(Dataset[Tensor]):
    """Pieces of the same draws whenever they are asked for.

    Args:
        utterances: to draw from, speakers alike.
        count: pieces in all.
        samples: of a piece.
        seed: of the draws.
        change: what happens to each; None: nothing.
    """

    def __init__(
        self, utterances: Utterances, count: int, samples: int, seed: Sequence[int], change: Change | None
    ) -> None:
        self._utterances, self._count, self._samples, self._seed = utterances, count, samples, seed
        self._change = change

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Tensor:
        """Piece number `index`, float32 [samples]."""
        rng = np.random.default_rng((*self._seed, index))
        piece = self._utterances.random_piece(self._samples, rng)
        if self._change is not None:
            piece = self._change(piece, rng)
        gain = gain_to(LEVEL, piece) * 10 ** rng.uniform(-_LOUDER, _LOUDER)
        return torch.from_numpy((piece * gain).astype(np.float32))


class PiecesData(LightningDataModule):
    """New pieces in every epoch, and always the same ones of unseen speakers.

    Args:
        training, validation: files of speech.
        config: of the training.
        change: what happens to each piece.
    """

    def __init__(
        self,
        training: Sequence[Utterance],
        validation: Sequence[Utterance],
        config: PiecesConfig,
        change: Change | None = None,
    ) -> None:
        super().__init__()
        self._training, self._validation = Utterances(training), Utterances(validation)
        self._config, self._change = config, change

    def train_dataloader(self) -> DataLoader[Tensor]:
        """The pieces of this epoch."""
        epoch = self.trainer.current_epoch if self.trainer else 0
        return self._loader(self._training, self._config.steps, (self._config.seed, 1, epoch))

    def val_dataloader(self) -> DataLoader[Tensor]:
        """Pieces of unseen speakers."""
        return self._loader(self._validation, _VALIDATED, (self._config.seed, 0))

    def _loader(self, utterances: Utterances, batches: int, seed: Sequence[int]) -> DataLoader[Tensor]:
        config = self._config
        pieces = Pieces(utterances, batches * config.batch_size, config.samples, seed, self._change)
        return DataLoader(pieces, config.batch_size)
