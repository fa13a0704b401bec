"""Batches of real and reconstructed faces, made while a network learns."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from lightning import LightningDataModule
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d
from torch.utils.data import DataLoader, Dataset

from avsync.appearance.config import LEAST_FRAMES, SIDE, AppearanceTrainer, FacesConfig
from avsync.reconstruct.camera import Camera
from avsync.reconstruct.face.interface import FaceFootage
from avsync.reconstruct.face.rebuild import rebuild_face
from avsync.reconstruct.face.registry import described
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


@dataclass(frozen=True)
class Draws:
    """How pairs are drawn.

    Attributes:
        kinds: of reconstruction, which pairs number.
        count: pairs in all.
        frames, pixels: of a pair.
        seed: the same seed draws the same pairs.
    """

    kinds: list[str]
    count: int
    frames: int
    pixels: int
    seed: tuple[int, ...]


class DrawnPairs(Dataset[Pair], ABC):
    """Pairs of the same draws whenever they are asked for."""

    def __init__(self, draws: Draws) -> None:
        self.draws = draws

    def __len__(self) -> int:
        return self.draws.count

    @abstractmethod
    def __getitem__(self, index: int) -> Pair:
        """Pair number `index`."""

    @property
    def length(self) -> int:
        """Frames that are encoded together."""
        return max(LEAST_FRAMES, self.draws.frames)


class RandomPairs(DrawnPairs):
    """Pairs of real faces and reconstructions made now; people are drawn alike, and the kinds take turns.

    Real and rebuilt faces are of the same footage, and go through the same draw of what cameras and codecs do, the same
    crop and the same mirror: nothing but the reconstruction differs.

    Args:
        footages: to draw from.
        draws: how, and of which kinds.
        rebuild: how faces are blended in, and what cameras do.
    """

    def __init__(self, footages: Sequence[StoredFootage], draws: Draws, rebuild: FacesConfig) -> None:
        super().__init__(draws)
        self._footages, self._blending, self._camera = Footages(footages), rebuild.blending, rebuild.camera

    def __getitem__(self, index: int) -> Pair:
        """Pair number `index`."""
        rng = np.random.default_rng((*self.draws.seed, index))
        kind = index % len(self.draws.kinds)
        stored = self._footages.draw(rng)
        name = _named(self.draws.kinds[kind], stored.speaker)
        length = max(self.length, described(name).frames)
        start = int(rng.integers(stored.frames - length + 1))
        footage = stored.read(start, start + length)
        rebuilt = rebuild_face(footage, name, rng, blending=self._blending or None)
        return framed(footage, rebuilt.pictures, rebuilt.mask, kind, self.draws, rng, self._camera)


class PairsData(LightningDataModule):
    """New pairs in every epoch, and always the same ones of unseen people.

    Args:
        training: makes the pairs of an epoch, of a seed.
        validation: the pairs of unseen people.
        trainer: of the training.
    """

    def __init__(
        self,
        training: Callable[[tuple[int, ...]], DrawnPairs],
        validation: DrawnPairs,
        trainer: AppearanceTrainer,
    ) -> None:
        super().__init__()
        self._training, self._validation, self._config = training, validation, trainer

    def train_dataloader(self) -> DataLoader[Pair]:
        """The pairs of this epoch."""
        epoch = self.trainer.current_epoch if self.trainer else 0
        pairs = self._training((self._config.seed, 1, epoch))
        return self._loader(pairs, drop_last=len(pairs) >= self._config.batch_size)

    def val_dataloader(self) -> DataLoader[Pair]:
        """The pairs of unseen people."""
        return self._loader(self._validation, drop_last=False)

    def _loader(self, pairs: DrawnPairs, *, drop_last: bool) -> DataLoader[Pair]:
        config = self._config
        return DataLoader(pairs, config.batch_size, drop_last=drop_last, num_workers=config.num_workers)


def validated_kinds(rebuild: FacesConfig) -> list[str]:
    """The kinds without repetition, then those that are left out."""
    return list(dict.fromkeys([*rebuild.kinds, *rebuild.left_out]))


def grey(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Grey pictures, uint8 [T, S, S], of sRGB, uint8 [T, S, S, 3], as decoders give them to the checks."""
    return np.asarray((pictures @ _LUMA).round().clip(0, 255), np.uint8)


def _named(kind: str, speaker: str) -> str:
    """The kind; faces are rebuilt by their own speaker's decoder where an autoencoder has one."""
    return f"{kind}@{speaker}" if kind.startswith("autoencoder:") else kind


def framed(
    footage: FaceFootage,
    rebuilt: NDArray[np.uint8],
    mask: NDArray[np.float32],
    kind: int,
    draws: Draws,
    rng: np.random.Generator,
    camera: float = 1.0,
) -> Pair:
    """A pair: both through one camera, then some frames of both, cropped at the same place and mirrored alike.

    Args:
        footage: the real face.
        rebuilt, mask: as of `Rebuilt`.
        kind: the number of the kind.
        draws: how pairs are drawn.
        rng: draws.
        camera: share of pairs that go through a camera; the others stay as they were filmed.
    """
    filmed = Camera(rng) if rng.random() < camera else (lambda pictures: pictures)
    frames, pixels = draws.frames, draws.pixels
    first = int(rng.integers(len(rebuilt) - frames + 1))
    middle, free = (SIDE - pixels) // 2, min(_SHIFT, (SIDE - pixels) // 2)
    top, left = (middle + int(rng.integers(-free, free + 1)) for _ in range(2))
    part = (slice(first, first + frames), slice(top, top + pixels), slice(left, left + pixels))
    mirror = slice(None, None, -1 if rng.random() < 0.5 else 1)
    real, fake, share = (
        torch.from_numpy(np.ascontiguousarray(array[part][..., mirror]))
        for array in (grey(filmed(footage.pictures)), grey(filmed(rebuilt)), mask)
    )
    return Pair(real, fake, adaptive_avg_pool2d(share, PLACES), torch.tensor(kind))
