"""Training of networks that rebuild speech: mel distances, then a discriminator beside them."""

import math
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from avsync.config import PiecesConfig
from avsync.reconstruct.neural.config import VocoderOptim
from avsync.reconstruct.neural.discriminator import SpectrogramDiscriminator
from avsync.reconstruct.neural.mel import LogMel
from avsync.reconstruct.neural.model import VocoderModel

# Frames and bands of the mel distances. Several lengths keep attacks and harmonics (Yamamoto et al., ICASSP 2020).
_RESOLUTIONS = ((256, 32), (512, 64), (1024, 80), (2048, 80))
_MEL, _FEATURES = 15.0, 2.0  # weights beside the judgement, near those of HiFi-GAN (45 and 2, of other units)
_WARM_UP = 100  # steps
_LOWEST = 0.05  # of the learning rate
_CLIP = 5.0


class VocoderModule(LightningModule):
    """Trains a `VocoderModel`; logs `val_loss`, the mel distance of unseen speakers."""

    automatic_optimization = False

    def __init__(self, model: VocoderModel, optim: VocoderOptim, trainer: PiecesConfig) -> None:
        super().__init__()
        self.model, self.discriminator = model, SpectrogramDiscriminator()
        self.mels = nn.ModuleList(LogMel(fft, fft // 4, bands) for fft, bands in _RESOLUTIONS)
        self._optim, self._seed = optim, trainer.seed
        self._per_epoch, self._steps = trainer.steps, trainer.epochs * trainer.steps

    def training_step(self, real: Tensor, index: int) -> None:
        """Take a step of the discriminator and one of the network."""
        step = self.current_epoch * self._per_epoch + index
        torch.manual_seed(self._seed + step)  # of the quantiser's draws; a resumed training draws the same
        generator, discriminator = self._optimizers(step)
        rebuilt, loss = self.model(real)
        distance = self.distance(rebuilt, real)
        loss = loss + _MEL * distance
        if step >= self._optim.adversarial_from * self._steps:
            self._update(discriminator, self._judged(real, rebuilt.detach()), self.discriminator)
            loss = loss + self._convincing(real, rebuilt)
        self._update(generator, loss, self.model)
        self.log("train_loss", distance, prog_bar=True, on_step=False, on_epoch=True)

    def validation_step(self, real: Tensor, _index: int) -> None:
        """Log the mel distance."""
        self.log("val_loss", self.distance(self.model(real)[0], real), prog_bar=True)

    def distance(self, rebuilt: Tensor, real: Tensor) -> Tensor:
        """The mean distance of log mel spectrograms at several resolutions, in nepers of magnitude."""
        return torch.stack([(mel(rebuilt) - mel(real)).abs().mean() for mel in self.mels]).mean()

    def configure_optimizers(self) -> list[Optimizer]:
        """Two optimisers; `training_step` sets their learning rates."""
        return [
            AdamW(self.model.parameters(), self._optim.lr, betas=(0.8, 0.99)),
            AdamW(self.discriminator.parameters(), self._optim.discriminator_lr, betas=(0.8, 0.99)),
        ]

    def _optimizers(self, step: int) -> tuple[Any, Any]:
        optimizers: Any = self.optimizers()
        generator, discriminator = optimizers
        fall = _LOWEST + (1 - _LOWEST) * (1 + math.cos(math.pi * step / self._steps)) / 2
        for optimizer, lr in ((generator, self._optim.lr), (discriminator, self._optim.discriminator_lr)):
            for group in optimizer.param_groups:
                group["lr"] = lr * fall * min(1.0, (step + 1) / _WARM_UP)
        return generator, discriminator

    def _update(self, optimizer: Any, loss: Tensor, module: nn.Module) -> None:
        optimizer.zero_grad()
        self.manual_backward(loss)
        nn.utils.clip_grad_norm_(module.parameters(), _CLIP)
        optimizer.step()

    def _judged(self, real: Tensor, rebuilt: Tensor) -> Tensor:
        """Hinge loss of the discriminator."""
        parts = zip(self.discriminator(real), self.discriminator(rebuilt), strict=True)
        return torch.stack([(1 - r[-1]).relu().mean() + (1 + f[-1]).relu().mean() for r, f in parts]).sum()

    def _convincing(self, real: Tensor, rebuilt: Tensor) -> Tensor:
        """What the network gains by sounding recorded: judgements, and features like those of the recording."""
        losses = []
        for of_real, of_rebuilt in zip(self.discriminator(real), self.discriminator(rebuilt), strict=True):
            pairs = zip(of_real[:-1], of_rebuilt[:-1], strict=True)
            features = torch.stack([(r.detach() - f).abs().mean() for r, f in pairs]).mean()
            losses.append(_FEATURES * features - of_rebuilt[-1].mean())
        return torch.stack(losses).mean()
