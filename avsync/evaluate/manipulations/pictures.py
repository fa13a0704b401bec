"""Pictures made smaller, lighter, turned, cropped, softer or sharper, by filters of FFmpeg."""

from avsync.evaluate.manipulations.codecs import changed
from avsync.evaluate.manipulations.interface import Make
from avsync.evaluate.manipulations.rewrite import Pictures


def filtered(*chain: tuple[str, str]) -> Make:
    """Change the pictures by filters of FFmpeg; copy the sound."""
    return changed(pictures=Pictures(chain=chain))


def shrunk(factor: int) -> Make:
    """Divide each side by a factor, averaging; sides stay even."""
    return filtered(("scale", f"trunc(iw/{2 * factor})*2:trunc(ih/{2 * factor})*2:flags=area"))


def brighter(share: float) -> Make:
    """Add a share of the range to the brightness."""
    return filtered(("format", "yuv420p"), ("lutyuv", f"y=clip(val+{share}*219\\,16\\,235)"))


def contrast(factor: float) -> Make:
    """Multiply the distance of the brightness from mid-grey."""
    return filtered(("format", "yuv420p"), ("lutyuv", f"y=clip((val-125)*{factor}+125\\,16\\,235)"))


def gamma(exponent: float) -> Make:
    """Raise the brightness, from 0 to 1, to a power: above 1 it is darker."""
    return filtered(("format", "yuv420p"), ("lutyuv", f"y=16+219*pow(clip((val-16)/219\\,0\\,1)\\,{exponent})"))


def cropped(share: float) -> Make:
    """Keep this share of each side, in the middle."""
    return filtered(("crop", f"{share}*iw:{share}*ih"))


def turned(degrees: float) -> Make:
    """Turn clockwise about the middle; corners become black."""
    return filtered(("rotate", f"{degrees}*PI/180"))
