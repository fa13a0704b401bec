"""Batches of real and reconstructed faces, made while a network learns."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from lightning import LightningDataModule
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d
from torch.utils.data import DataLoader, Dataset

from avsync.appearance.config import LEAST_FRAMES, SIDE, FacesConfig
from avsync.reconstruct.camera import Camera
from avsync.reconstruct.face.interface import FaceFootage
from avsync.reconstruct.face.rebuild import rebuild_face
from avsync.reconstruct.stored_footage import Footages, StoredFootage

PLACES = 16  # rows and columns of a mask
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as decoders make grey of colour
_SHIFT = 12  # pixels that the middle of a patch is moved at most


class Pair(NamedTuple):
    """A pair, or a batch of them.

    Attributes:
        real, rebuilt: uint8 [T, S, S], grey.
        mask: float32 [T, 16, 16], the share of the reconstruction in each place.
        kind: int64 [], which reconstruction, as a number of `kinds`.
    """

    real: Tensor
    rebuilt: Tensor
    mask: Tensor
    kind: Tensor


class RandomPairs(Dataset[Pair]):
    """Pairs of the same draws whenever they are asked for; people are drawn alike.

    Real and rebuilt faces are of the same footage, and go through the same draw of what cameras and codecs do, the same
    crop and the same mirror: nothing but the reconstruction differs.

    Args:
        footages: to draw from.
        kinds: of reconstruction; they take turns.
        blending: how they are blended in; empty: drawn.
        count: pairs in all.
        frames, pixels: of a pair.
        seed: of the draws.
    """

    def __init__(
        self,
        footages: Sequence[StoredFootage],
        kinds: Sequence[str],
        blending: str,
        count: int,
        frames: int,
        pixels: int,
        seed: Sequence[int],
    ) -> None:
        self._footages, self._kinds, self._count = Footages(footages), list(kinds), count
        self._frames, self._pixels, self._blending, self._seed = frames, pixels, blending, seed

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Pair:
        """Pair number `index`."""
        rng = np.random.default_rng((*self._seed, index))
        kind = index % len(self._kinds)
        stored = self._footages.draw(rng)
        length = max(LEAST_FRAMES, self._frames)
        start = int(rng.integers(stored.frames - length + 1))
        footage = stored.read(start, start + length)
        name = _named(self._kinds[kind], stored.speaker)
        rebuilt = rebuild_face(footage, name, rng, blending=self._blending or None)
        return _framed(footage, rebuilt.pictures, rebuilt.mask, kind, self._frames, self._pixels, rng)


class PairsData(LightningDataModule):
    """New pairs in every epoch, and always the same ones of unseen people.

    Args:
        training, validation: footage.
        rebuild: the kinds, and how many pairs.
        frames, pixels: of a pair.
        batch_size, num_workers, seed: of the training.
    """

    def __init__(
        self,
        training: Sequence[StoredFootage],
        validation: Sequence[StoredFootage],
        rebuild: FacesConfig,
        *,
        frames: int,
        pixels: int,
        batch_size: int,
        num_workers: int,
        seed: int,
    ) -> None:
        super().__init__()
        self._training, self._validation, self._rebuild = training, validation, rebuild
        self._frames, self._pixels, self._seed = frames, pixels, seed
        self._batch_size, self._num_workers = batch_size, num_workers

    def train_dataloader(self) -> DataLoader[Pair]:
        """The pairs of this epoch."""
        epoch = self.trainer.current_epoch if self.trainer else 0
        pairs = self._pairs(self._training, self._rebuild.kinds, self._rebuild.pairs, (self._seed, 1, epoch))
        whole_batches = len(pairs) >= self._batch_size
        return DataLoader(pairs, self._batch_size, drop_last=whole_batches, num_workers=self._num_workers)

    def val_dataloader(self) -> DataLoader[Pair]:
        """Pairs of unseen people, of the kinds and of those that are left out."""
        kinds = validated_kinds(self._rebuild)
        pairs = self._pairs(self._validation, kinds, self._rebuild.validation_pairs, (self._seed, 0))
        return DataLoader(pairs, self._batch_size, num_workers=self._num_workers)

    def _pairs(
        self, footages: Sequence[StoredFootage], kinds: Sequence[str], count: int, seed: Sequence[int]
    ) -> RandomPairs:
        return RandomPairs(footages, kinds, self._rebuild.blending, count, self._frames, self._pixels, seed)


def validated_kinds(rebuild: FacesConfig) -> list[str]:
    """The kinds without repetition, then those that are left out."""
    return list(dict.fromkeys([*rebuild.kinds, *rebuild.left_out]))


def grey(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Grey pictures, uint8 [T, S, S], of sRGB, uint8 [T, S, S, 3], as decoders give them to the checks."""
    return np.asarray((pictures @ _LUMA).round().clip(0, 255), np.uint8)


def _named(kind: str, speaker: str) -> str:
    """The kind; faces are rebuilt by their own speaker's decoder where an autoencoder has one."""
    return f"{kind}@{speaker}" if kind.startswith("autoencoder:") else kind


def _framed(
    footage: FaceFootage,
    rebuilt: NDArray[np.uint8],
    mask: NDArray[np.float32],
    kind: int,
    frames: int,
    pixels: int,
    rng: np.random.Generator,
) -> Pair:
    """Both through one camera; then some frames of both, cropped at the same place and mirrored alike."""
    camera = Camera(rng)
    first = int(rng.integers(len(rebuilt) - frames + 1))
    middle, free = (SIDE - pixels) // 2, min(_SHIFT, (SIDE - pixels) // 2)
    top, left = (middle + int(rng.integers(-free, free + 1)) for _ in range(2))
    part = (slice(first, first + frames), slice(top, top + pixels), slice(left, left + pixels))
    mirror = slice(None, None, -1 if rng.random() < 0.5 else 1)
    real, fake, share = (
        torch.from_numpy(np.ascontiguousarray(array[part][..., mirror]))
        for array in (grey(camera(footage.pictures)), grey(camera(rebuilt)), mask)
    )
    return Pair(real, fake, adaptive_avg_pool2d(share, PLACES), torch.tensor(kind))
