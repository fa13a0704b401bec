"""Random pictures of faces, for the training of autoencoders."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from lightning import LightningDataModule
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from avsync.reconstruct.autoencoder.config import PicturesConfig
from avsync.reconstruct.stored_footage import Footages, StoredFootage

_VALIDATED = 8  # batches of unseen people
_MOVED = 0.06  # of the side: how far a picture is shifted at most, with its edges repeated
_LIGHT = 0.1  # how much brighter or darker, and with how much more or less contrast, at most


class Batch(NamedTuple):
    """Pictures of faces.

    Attributes:
        pictures: float32 [B, 3, S, S] in [0, 1].
        whose: int64 [B], the decoder of each person.
    """

    pictures: Tensor
    whose: Tensor


class Faces(Dataset[Batch]):
    """Pictures of the same draws whenever they are asked for; people are drawn alike.

    Args:
        footages: to draw from.
        decoders: by speaker, the number of the decoder; 0 for all others.
        count: pictures in all.
        seed: of the draws.
        varied: whether pictures are mirrored, shifted and lit anew.
    """

    def __init__(
        self, footages: Sequence[StoredFootage], decoders: dict[str, int], count: int, seed: Sequence[int], varied: bool
    ) -> None:
        self._footages, self._decoders, self._varied = Footages(footages), decoders, varied
        self._count, self._seed = count, seed

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Batch:
        """Picture number `index`."""
        rng = np.random.default_rng((*self._seed, index))
        stored = self._footages.draw(rng)
        at = int(rng.integers(stored.frames))
        picture = stored.read(at, at + 1).pictures[0].astype(np.float32) / 255
        if self._varied:
            picture = _varied(picture, rng)
        shown = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))
        return Batch(shown, torch.tensor(self._decoders.get(stored.speaker, 0)))


class FacesData(LightningDataModule):
    """New pictures in every epoch, and always the same ones of unseen people.

    Args:
        training, validation: footage.
        decoders: by speaker, the number of the decoder.
        config: of the training.
    """

    def __init__(
        self,
        training: Sequence[StoredFootage],
        validation: Sequence[StoredFootage],
        decoders: dict[str, int],
        config: PicturesConfig,
    ) -> None:
        super().__init__()
        self._training, self._validation = training, validation
        self._decoders, self._config = decoders, config

    def train_dataloader(self) -> DataLoader[Batch]:
        """The pictures of this epoch."""
        epoch = self.trainer.current_epoch if self.trainer else 0
        return self._loader(self._training, self._config.steps, (self._config.seed, 1, epoch), varied=True)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Pictures of unseen people."""
        return self._loader(self._validation, _VALIDATED, (self._config.seed, 0), varied=False)

    def _loader(
        self, footages: Sequence[StoredFootage], batches: int, seed: Sequence[int], *, varied: bool
    ) -> DataLoader[Batch]:
        config = self._config
        faces = Faces(footages, self._decoders, batches * config.batch_size, seed, varied)
        return DataLoader(faces, config.batch_size, num_workers=config.num_workers)


def _varied(picture: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """A picture [S, S, 3] mirrored or not, shifted, and lit anew."""
    if rng.random() < 0.5:
        picture = picture[:, ::-1]
    side = len(picture)
    rows, columns = (
        (np.arange(side) + rng.integers(-round(_MOVED * side), round(_MOVED * side) + 1)).clip(0, side - 1)
        for _ in range(2)
    )
    gain, offset = 1 + rng.uniform(-_LIGHT, _LIGHT), rng.uniform(-_LIGHT, _LIGHT)
    moved = picture[rows][:, columns]
    return np.asarray(((moved - 0.5) * gain + 0.5 + offset).clip(0, 1), np.float32)
