"""Residual vector quantisation (SoundStream, Zeghidour et al., 2021, section III-C)."""

import torch
from torch import Tensor, nn

_COMMITMENT = 0.25  # of the encoder's pull to the codebook (van den Oord et al., NeurIPS 2017)
# Entries of few values are all used; of many, most are never nearest (Kumar et al., NeurIPS 2023, section 3.2).
_NARROW = 8


class ResidualQuantiser(nn.Module):
    """Codebooks one after another, each for what the ones before left over.

    Args:
        width: channels.
        codebooks: their number; training uses a random number of them, so that each prefix is a code.
        entries: of each codebook.
    """

    def __init__(self, width: int, codebooks: int, entries: int) -> None:
        super().__init__()
        self.books = nn.ModuleList(_Codebook(width, entries) for _ in range(codebooks))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return float32 [B, width, T] quantised of the same shape, with straight-through gradients, and a loss."""
        rest, quantised, losses = x, torch.zeros_like(x), []
        used = int(torch.randint(1, len(self.books) + 1, ())) if self.training else len(self.books)
        for book in list(self.books)[:used]:
            found, loss = book(rest)
            quantised, rest = quantised + found, rest - found
            losses.append(loss)
        return quantised, torch.stack(losses).mean()


class _Codebook(nn.Module):
    def __init__(self, width: int, entries: int) -> None:
        super().__init__()
        self.narrow, self.widen = nn.Conv1d(width, _NARROW, 1), nn.Conv1d(_NARROW, width, 1)
        self.entries = nn.Parameter(torch.randn(entries, _NARROW) * 0.5)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        place = self.narrow(x).transpose(1, 2)
        nearest = torch.cdist(place.detach(), self.entries.detach()[None]).argmin(dim=-1)
        entry = self.entries[nearest]
        loss = (entry - place.detach()).square().mean() + _COMMITMENT * (place - entry.detach()).square().mean()
        return self.widen((place + (entry - place).detach()).transpose(1, 2)), loss
