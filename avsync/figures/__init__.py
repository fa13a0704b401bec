"""Pictures of one recording for the report: faces, mouths, lattices, spectrogram, and a small copy to play."""

from avsync.figures.drawing import RealScores, draw
from avsync.figures.views import FaceViews

__all__ = ["FaceViews", "RealScores", "draw"]
