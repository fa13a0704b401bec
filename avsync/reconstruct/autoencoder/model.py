"""A trained network that rebuilds faces: one encoder for everybody, and decoders that each know one person."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import interpolate

from avsync.checkpoint import Model
from avsync.reconstruct.autoencoder.config import AutoencoderConfig
from avsync.reconstruct.autoencoder.networks import Decoder, DrawnCode, Encoder, PlainCode, QuantisedCode
from avsync.reconstruct.face.interface import FaceFootage

SHARED = 0  # the decoder of people without one of their own
_PIECE = 16  # pictures that are rebuilt together: 16 of 256 pixels take about 300 MB


class AutoencoderModel(Model):
    """An encoder that everybody shares, and a decoder for each person, as tools that swap faces have.

    Those tools decode one person's code with another's decoder. Here a face is decoded by its own decoder, or by the
    one that all others share: nobody gets another face.
    """

    format = "avsync.face-autoencoder/1"
    check = "none"

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config.width, config.levels, config.latent * (2 if config.kind == "kl" else 1))
        match config.kind:
            case "vq":
                self.code: nn.Module = QuantisedCode(config.latent, config.codebooks, config.entries)
            case "kl":
                self.code = DrawnCode()
            case _:
                self.code = PlainCode()
        self.decoders = nn.ModuleList(
            Decoder(config.width, config.levels, config.latent) for _ in range(1 + len(config.identities))
        )

    def decoder_of(self, speaker: str) -> int:
        """The number of a speaker's own decoder, or of the shared one."""
        names = self.config.identities
        return 1 + names.index(speaker) if speaker in names else SHARED

    def forward(self, pictures: Tensor, whose: Tensor) -> tuple[Tensor, Tensor]:
        """Return float32 [B, 3, S, S] rebuilt of float32 [B, 3, S, S] in [0, 1], and the loss of the code.

        Args:
            pictures: of faces.
            whose: int64 [B], the decoder of each.
        """
        code, loss = self.code(self.encoder(2 * pictures - 1))
        rebuilt = torch.empty_like(pictures)
        for number in sorted(set(whose.tolist())):
            of_one = whose == number
            rebuilt[of_one] = self.decoders[number](code[of_one]).to(rebuilt.dtype) / 2 + 0.5
        return rebuilt, loss

    @torch.inference_mode()
    def rebuild(self, footage: FaceFootage, speaker: str = "") -> NDArray[np.float32]:
        """Return faces rebuilt by a speaker's decoder, or by the shared one: float32 [T, S, S, 3], 0 to 255.

        Footage of another size than that of the network is resized, and the result is resized back.
        """
        return np.concatenate(
            [self._rebuilt(footage.pictures[at : at + _PIECE], speaker) for at in range(0, len(footage), _PIECE)]
        )

    def _rebuilt(self, pictures: NDArray[np.uint8], speaker: str) -> NDArray[np.float32]:
        device, side, own = next(self.parameters()).device, pictures.shape[1], self.config.size
        given = torch.from_numpy(pictures).to(device).permute(0, 3, 1, 2).float() / 255
        shown = given if side == own else interpolate(given, (own, own), mode="bilinear", antialias=True)
        whose = torch.full((len(given),), self.decoder_of(speaker), device=device)
        rebuilt = self(shown, whose)[0]
        if side != own:
            rebuilt = interpolate(rebuilt, (side, side), mode="bicubic", antialias=True)
        return np.asarray((255 * rebuilt.clamp(0, 1)).permute(0, 2, 3, 1).cpu().numpy())
