"""The two halves of an autoencoder of pictures, and what may happen to the code between them."""

from torch import Tensor, nn

from avsync.reconstruct.neural.quantiser import ResidualQuantiser

_GROUP = 8  # channels that are normalised together
_FOLD = 2  # pixels on a side that become channels before the first convolution, which saves three quarters of its work


class Encoder(nn.Module):
    """Convolutions that halve a picture again and again.

    Args:
        width: channels at the largest scale.
        levels: how often pictures are halved; the first time by folding pixels into channels.
        out: channels of the code.
    """

    def __init__(self, width: int, levels: int, out: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.PixelUnshuffle(_FOLD), _convolution(3 * _FOLD**2, width), _Residual(width)]
        for _ in range(levels - 1):
            layers += [nn.Conv2d(width, 2 * width, 4, stride=2, padding=1), _Residual(2 * width)]
            width *= 2
        self.layers = nn.Sequential(*layers, *_leave(width, out))

    def forward(self, pictures: Tensor) -> Tensor:
        """Return codes, float32 [B, out, S / 2**levels, S / 2**levels], of float32 [B, 3, S, S]."""
        codes: Tensor = self.layers(pictures)
        return codes


class Decoder(nn.Module):
    """The way back: convolutions whose channels unfold into pixels (Shi et al., CVPR 2016), as face-swap tools have.

    Args:
        width, levels: as of the encoder.
        code: channels of the code.
    """

    def __init__(self, width: int, levels: int, code: int) -> None:
        super().__init__()
        width <<= levels - 1
        layers: list[nn.Module] = [_convolution(code, width), _Residual(width)]
        for _ in range(levels - 1):
            layers += [_convolution(width, 2 * width), nn.PixelShuffle(2), _Residual(width // 2)]
            width //= 2
        self.layers = nn.Sequential(*layers, *_leave(width, 3 * _FOLD**2), nn.PixelShuffle(_FOLD))

    def forward(self, codes: Tensor) -> Tensor:
        """Return float32 [B, 3, S, S] of codes."""
        pictures: Tensor = self.layers(codes)
        return pictures


class PlainCode(nn.Module):
    """The code as it is."""

    def forward(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """Return the code and no loss."""
        return code, code.new_zeros(())


class QuantisedCode(nn.Module):
    """Every place of the code is replaced by entries of codebooks (van den Oord et al., NeurIPS 2017)."""

    def __init__(self, latent: int, codebooks: int, entries: int) -> None:
        super().__init__()
        # Codebooks follow slowly: the encoder's output must not grow away from them.
        self.norm = nn.GroupNorm(1, latent)
        self.quantise = ResidualQuantiser(latent, codebooks, entries)

    def forward(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """Return the quantised code, and the loss of the codebooks."""
        quantised, loss = self.quantise(self.norm(code).flatten(2))
        return quantised.view(code.shape), loss


class DrawnCode(nn.Module):
    """A code that is drawn from normal distributions (Kingma & Welling, ICLR 2014), as in latent diffusion.

    It takes twice the channels: means, then logs of variances. Outside training the means are the code.
    """

    def forward(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """Return the code, and its divergence from the standard normal distribution in nats per picture."""
        mean, log_variance = code.chunk(2, dim=1)
        log_variance = log_variance.clamp(-30, 20)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).flatten(1).sum(dim=1).mean()
        drawn = mean + (0.5 * log_variance).exp() * mean.new_empty(mean.shape).normal_() if self.training else mean
        return drawn, divergence


class _Residual(nn.Module):
    """Two convolutions beside a shortcut, normalised by groups: pictures of a batch are of different people."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _norm(width), nn.SiLU(), _convolution(width, width), _norm(width), nn.SiLU(), _convolution(width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = self.layers(x)
        return x + changed


def _leave(width: int, out: int) -> list[nn.Module]:
    return [_norm(width), nn.SiLU(), _convolution(width, out)]


def _norm(width: int) -> nn.GroupNorm:
    return nn.GroupNorm(max(1, width // _GROUP), width)


def _convolution(narrow: int, wide: int) -> nn.Conv2d:
    return nn.Conv2d(narrow, wide, 3, padding=1)
