"""The reading of the appearance check: how odd a model finds a face."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AppearanceWindow:
    """A window of a face.

    Attributes:
        anomaly: the score of the model; high is anomalous.
    """

    anomaly: float


def appearance_anomaly(window: AppearanceWindow) -> float:
    """How unlike recorded faces the model finds the face."""
    return window.anomaly
