"""From a checkpoint, or none, to the method it belongs to."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from avsync.align import EMBEDDED, Checkpoint, CosineAligner, CosineConfig, Head, TemporalAligner, load_checkpoint
from avsync.errors import UsageError
from avsync.features import FeatureStore
from avsync.encoders.registry import best_device, load_backbone
from avsync.methods.backbone import BackboneMethod
from avsync.methods.default import DefaultMethod
from avsync.methods.faces import Faces
from avsync.score.evidence import Evidence
from avsync.score.readings.lattice import LATTICE_READINGS
from avsync.score.reference import Aspects, Reference
from avsync.score.verdict import TrackVerdict
from avsync.speech import SpeechActivity, Trim


class Method(Protocol):
    """Judges the faces of a file, and gathers the evidence of real ones.

    Attributes:
        lengths: of the windows that calibration measures (s).
        aspects: of each aspect, the readings that answer it.
    """

    lengths: tuple[float, ...]
    aspects: Aspects

    def tracks(
        self, path: Path, activity: SpeechActivity, warnings: list[str], level: float, faces: Faces
    ) -> list[TrackVerdict]:
        """Every face that can be judged; `faces` is told of all, `warnings` of damage, a line."""

    def stretches(self, path: Path, activity: SpeechActivity, audio: Path | None) -> Iterator[Any]:
        """Every stretch of a face, to be cut into windows."""

    def gather(self, window: Any) -> Evidence:
        """The readings of a window of a stretch."""


@dataclass(frozen=True)
class Loaded:
    """A method, the checkpoint it is made of, and what results of it are known by."""

    method: Method
    checkpoint: Checkpoint
    name: str
    weights_sha256: str


def load_method(
    weights: Path | None = None,
    backbone: str | None = None,
    reading: str | None = None,
    *,
    trim: Trim = "default",
    store: Path | None = None,
) -> Loaded:
    """Load a checkpoint and, where it needs one, its backbone.

    Args:
        weights: a checkpoint; None is the embedded one, or with a backbone none: cosines need no training.
        backbone: see `avsync.features.backbone`; None is the one that the checkpoint names.
        reading: one of `LATTICE_READINGS`; None is the one that was calibrated, or the head's own.
        trim: what silence is left out.
        store: folder of features made before, which need not be made again.

    Raises:
        UsageError: something is missing or does not belong together.
    """
    if weights is None and backbone is not None:
        checkpoint = Checkpoint(CosineAligner(CosineConfig()), "", {"name": "cosine"})
    else:
        checkpoint = load_checkpoint(weights or EMBEDDED)
    if isinstance(checkpoint.model, Head):
        return _over_backbone(checkpoint, backbone, reading, trim, store)
    assert isinstance(checkpoint.model, TemporalAligner)
    if backbone is not None or reading is not None or store is not None:
        raise UsageError("the default model has readings and features of its own; name a backbone without its weights")
    notes = checkpoint.notes
    reference = Reference.from_dict(notes["calibration"]) if "calibration" in notes else None
    method = DefaultMethod(checkpoint.model, reference)
    return Loaded(method, checkpoint, str(notes.get("name", "temporal")), checkpoint.sha256)


def _over_backbone(
    checkpoint: Checkpoint, name: str | None, reading: str | None, trim: Trim, store: Path | None
) -> Loaded:
    head, notes = checkpoint.model, checkpoint.notes
    assert isinstance(head, Head)
    reading = reading or str(notes.get("reading", head.reading))
    if reading not in LATTICE_READINGS:
        raise UsageError(f"reading {reading}: must be one of {', '.join(LATTICE_READINGS)}")
    backbone = load_backbone(name or str(notes.get("backbone", "")))
    if notes.get("features", backbone.key) != backbone.key:
        raise UsageError(f"{backbone.name}: not the weights on whose features {notes['name']} was trained")
    if not head.accepts(backbone.lips.dim, backbone.speech.dim):
        raise UsageError(
            f"{backbone.name}: {backbone.lips.dim} features of lips and {backbone.speech.dim} of speech do not go with "
            f"{notes['name']}; train a head on them (configs/avhubert_mlp.yaml)"
        )
    reference = None
    if notes.get("reading") == reading and "calibration" in notes:
        reference = Reference.from_dict(notes["calibration"], {"speech": (reading,)}, (reading,))
    features = FeatureStore(store, backbone.key, trim) if store is not None else None
    if features is not None and not len(features):
        raise UsageError(
            f"{store}: holds no features of {backbone.name} with trim {trim}; make them with avsync extract, or leave "
            "--features out"
        )
    head.to(best_device())
    notes |= {"backbone": backbone.name, "features": backbone.key, "reading": reading}
    return Loaded(
        BackboneMethod(backbone, head, reading, reference, features),
        checkpoint,
        f"{notes['name']} of {backbone.name} by {reading}",
        sha256(f"{checkpoint.sha256} {backbone.key}".encode()).hexdigest(),
    )
