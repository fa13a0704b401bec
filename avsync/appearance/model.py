"""A network that tells real faces from reconstructed ones."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avsync.appearance.config import CLIP_FRAMES, CLIP_NETWORK, AppearanceConfig
from avsync.appearance.networks import trunk_of
from avsync.checkpoint import Model

_READ = 8  # frames of a window that a network of frames looks at
_LEAST_CONTRAST = 1.0  # grey levels


class Judgement(NamedTuple):
    """What the network says of a batch.

    Attributes:
        odds: float32 [B], log odds that the face was rebuilt.
        places: float32 [B, t, h, w], log odds that each place was.
    """

    odds: Tensor
    places: Tensor


@dataclass(frozen=True, slots=True)
class AppearanceReading:
    """What a model sees in a window.

    Attributes:
        score: log odds that the face was rebuilt; high is anomalous.
        map: float32 [N, h, w], log odds of each place in the middle of the patch.
        frames: float32 [N], the frame of the window that each map is of.
    """

    score: float
    map: NDArray[np.float32]
    frames: NDArray[np.float32]


class AppearanceModel(Model):
    """A frame or clip network with two outputs: whether the face was rebuilt, and where.

    The first is the mean over places; the second, which learns the masks of the reconstructions, is the map that is
    shown ("Face X-ray", Li et al., CVPR 2020). It reads the grey patches that all checks of faces share.
    """

    format = "avsync.appearance/1"
    check = "appearance"

    def __init__(self, config: AppearanceConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk, channels = trunk_of(config)
        self.dropout = nn.Dropout3d(config.dropout)
        self.judge = nn.Conv3d(channels, 1, 1)
        self.place = nn.Conv3d(channels, 1, 1)

    def forward(self, patches: Tensor) -> Judgement:
        """Judge grey patches, [B, T, H, W] of any number type, 0 to 255; brightness and contrast do not matter."""
        grey = patches.float()
        middle = grey.mean(dim=(1, 2, 3), keepdim=True)
        spread = grey.std(dim=(1, 2, 3), keepdim=True).clamp(min=_LEAST_CONTRAST)
        maps = self.dropout(self.trunk((grey - middle) / spread))
        return Judgement(self.judge(maps).mean(dim=(1, 2, 3, 4)), self.place(maps)[:, 0])

    @torch.inference_mode()
    def read(self, patches: NDArray[np.uint8]) -> AppearanceReading:
        """Score a window, uint8 [T, 192, 192]: the mean over some of its frames, or over clips of 16."""
        margin = (patches.shape[1] - self.config.pixels) // 2
        middle = slice(margin, margin + self.config.pixels)
        spans = _spans(len(patches), CLIP_FRAMES if self.config.network == CLIP_NETWORK else 1)
        shown = torch.from_numpy(np.stack([patches[span, middle, middle] for span in spans]))
        judged = self(shown.to(self.judge.weight.device))
        places = judged.places.float().cpu()
        moments, length = places.shape[1], shown.shape[1]
        at = (np.arange(moments) + 0.5) * length / moments - 0.5
        frames = np.concatenate([span.start + at for span in spans]).astype(np.float32)
        return AppearanceReading(float(judged.odds.mean()), places.flatten(0, 1).numpy(), frames)


def _spans(frames: int, length: int) -> list[slice]:
    """Evenly spaced pieces of a window: single frames, or clips that cover it."""
    length = min(length, frames)
    count = min(_READ, frames) if length == 1 else -(-frames // length)
    starts = np.linspace(0, frames - length, count).round().astype(int).tolist()
    return [slice(start, start + length) for start in starts]
