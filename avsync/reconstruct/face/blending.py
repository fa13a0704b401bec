"""How a reconstruction is blended into the picture, in one registry. Importing it imports nothing heavy."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Blending:
    """One way of blending.

    Attributes:
        name: as configs and results call it.
        function: "module:function" of this package. It takes `source`, `target` float32 [T, 3, S, S] and `mask`
            float32 [T, 1, S, S], 0 outside, rising to 1 well inside, and returns the blended pictures, float32
            [T, 3, S, S]. What it changes where the mask is 0 is thrown away.
        source: the paper.
    """

    name: str
    function: str
    source: str


BLENDINGS: dict[str, Blending] = {
    blending.name: blending
    for blending in (
        Blending("feathered", ".alpha:feathered", "Porter & Duff 1984, with a soft edge"),
        Blending("multiband", ".pyramid:multiband", "Burt & Adelson 1983, Laplacian pyramids"),
        Blending("poisson", ".poisson:poisson", "Pérez et al. 2003, seamless cloning"),
    )
}
