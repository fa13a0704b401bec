"""Training of the teacher on speech without labels, then of the student that matches it."""

import math
from typing import Any

import torch
from lightning import LightningModule
from torch import Generator, Tensor, nn
from torch.nn.functional import interpolate
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from avsync.align.segments import mixed_seed
from avsync.config import OptimConfig
from avsync.voice.spectrogram import BINS
from avsync.voice.stfpm.config import StfpmTrainerConfig
from avsync.voice.stfpm.model import StfpmModel

_HIDDEN = 0.4  # share of the patches that the teacher has to guess
_COVERED = (16, 4)  # rows and columns of the spectrogram under a place of the teacher's deepest map
_PATCH = (16, 8)  # rows and columns of the spectrogram: 500 Hz and 64 ms
_WARM_UP = 50  # steps
_LOWEST = 0.02  # of the learning rate


class StfpmModule(LightningModule):
    """Trains a `StfpmModel`.

    The own teacher learns to fill in hidden patches of the spectrogram, as masked autoencoders do (He et al., CVPR
    2022): its features then tell what belongs together in real speech. The student learns to match them. Logs
    `val_loss` of unseen speakers, and scales the model's discrepancies on them.
    """

    def __init__(self, model: StfpmModel, optim: OptimConfig, trainer: StfpmTrainerConfig) -> None:
        super().__init__()
        self.model, self._optim, self._config = model, optim, trainer
        self.fill_in = nn.Conv2d(model.config.widths[-1], _COVERED[0] * _COVERED[1], 1)
        self._found: list[list[Tensor]] = []

    def training_step(self, speech: Tensor, _index: int) -> Tensor:
        """The loss of a batch, float32 [B, N]: of the teacher in the first epochs, then of the student."""
        seed = mixed_seed(self._config.seed, self.global_step)
        spectrogram = self.model.spectrogram(speech)
        with torch.autocast(self.device.type, torch.bfloat16):
            if self.current_epoch < self._teacher_epochs:
                loss = self._guess(spectrogram, Generator(self.device).manual_seed(seed))
            else:
                self.model.teacher.eval()  # its statistics stay as they are
                loss = self._apart(spectrogram)
        self.log("train_loss", loss, prog_bar=True, on_step=False, on_epoch=True, batch_size=len(speech))
        return loss

    def on_validation_epoch_start(self) -> None:
        """Drop what was found before."""
        self._found = []

    def validation_step(self, speech: Tensor, _index: int) -> None:
        """Keep the discrepancies of unseen speakers."""
        spectrogram = self.model.spectrogram(speech)
        self._found.append([apart.cpu() for apart in self.model.discrepancies(spectrogram)])
        self.log("val_loss", self._apart(spectrogram), prog_bar=True, batch_size=len(speech))

    def on_validation_epoch_end(self) -> None:
        """Scale the model."""
        self.model.scale(self._found)

    def configure_optimizers(self) -> Any:
        """AdamW with a cosine for each of the two trainings."""
        optimizer = AdamW(
            [p for p in self.parameters() if p.requires_grad], self._optim.lr, weight_decay=self._optim.weight_decay
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": LambdaLR(optimizer, self._rate), "interval": "step"},
        }

    @property
    def _teacher_epochs(self) -> int:
        return self._config.teacher_epochs if self.model.config.teacher == "own" else 0

    def _rate(self, step: int) -> float:
        first, whole = self._teacher_epochs * self._config.steps, self._config.epochs * self._config.steps
        start, stop = (0, first) if step < first else (first, whole)
        done = (step - start) / max(1, stop - start)
        cosine = (1 + math.cos(math.pi * min(done, 1.0))) / 2
        return min(1.0, (step - start + 1) / _WARM_UP) * (_LOWEST + (1 - _LOWEST) * cosine)

    def _apart(self, spectrogram: Tensor) -> Tensor:
        """The mean discrepancy over depths."""
        return torch.stack([apart.float().mean() for apart in self.model.discrepancies(spectrogram)]).mean()

    def _guess(self, spectrogram: Tensor, generator: Generator) -> Tensor:
        """The mean square error of hidden patches, filled in from the teacher's deepest map."""
        frames = spectrogram.shape[2]
        patches = (len(spectrogram), 1, -(-BINS // _PATCH[0]), -(-frames // _PATCH[1]))
        drawn = torch.rand(patches, generator=generator, device=spectrogram.device) < _HIDDEN
        hidden = interpolate(drawn.float(), scale_factor=_PATCH)[:, 0, :BINS, :frames]
        deepest = self.model.teacher(spectrogram * (1 - hidden))[-1]
        places = self.fill_in(deepest).unflatten(1, _COVERED)  # [B, 16, 4, F, M]
        guess = places.permute(0, 3, 1, 4, 2).flatten(3).flatten(1, 2)[:, :BINS, :frames].float()
        error: Tensor = ((guess - spectrogram).square() * hidden).sum() / hidden.sum().clamp(min=1)
        return error
