"""AV-Deepfake1M (Cai et al., ACM MM 2024, arXiv 2311.15308) and AV-Deepfake1M++ (Cai et al., 2025, arXiv 2507.20579).

Words of real speech were replaced by generated ones, in the sound, the picture or both. Labels are published for the
parts `train` and `val`; those of the test parts are not, so they are not listed. A file is
`<identity>/<video>/<utterance>/<variant>.mp4`, in AV-Deepfake1M++ below a folder for each source.
"""

from collections.abc import Iterator
from pathlib import Path
from re import fullmatch
from typing import Any

from avsync.datasets.dataset import About, Dataset
from avsync.datasets.record import REAL_TYPE, ClipRecord
from avsync.datasets.spans import read_spans
from avsync.datasets.tables import header, inside, json_rows, named_rows, part_of
from avsync.errors import UsageError

_LAYOUT = "val_metadata.json beside val/<identity>/<video>/<utterance>/<variant>.mp4 (or train)"
_PARTS = ("val", "train")  # what is evaluated comes first
_FIELDS = ("file", "modify_type", "fake_segments", "audio_fake_segments", "visual_fake_segments")
# What the metadata calls the modification, and its name as `ClipRecord.type`.
_TYPES = {
    "real": REAL_TYPE,
    "visual_modified": "FakeVideo-RealAudio",
    "audio_modified": "RealVideo-FakeAudio",
    "both_modified": "FakeVideo-FakeAudio",
}
# What the files are called, and the same.
_VARIANTS = {
    "real": REAL_TYPE,
    "fake_video_real_audio": "FakeVideo-RealAudio",
    "real_video_fake_audio": "RealVideo-FakeAudio",
    "fake_video_fake_audio": "FakeVideo-FakeAudio",
}
# The columns of AVH-Align's lists.
_LIST = ("path", "label")
_FPS, _RATE = 25, 16_000  # of all clips: what `video_frames` and `audio_frames` count


def matches(root: Path) -> bool:
    """Return whether a folder holds `val_metadata.json` or `train_metadata.json`."""
    return any(_metadata(root, part).is_file() for part in _PARTS)


def records(root: Path, split: Path | None = None) -> list[ClipRecord]:
    """Return the clips of `val`, or of `train` if only its metadata is there, in the order of the metadata.

    Args:
        root: the folder that holds the metadata and the folders of the parts.
        split: `val`, `train`, or a CSV with the columns `path,label` as AVH-Align publishes: only its clips, in its
            order. A clip that the metadata does not list gets its type from its file name, and no fake stretches.

    Raises:
        UsageError: no metadata, no folder of clips, an unknown part, or an entry with a mistake.
    """
    there = [part for part in _PARTS if _metadata(root, part).is_file()]
    if not there:
        raise UsageError(f"{root}: no val_metadata.json there; expected {_LAYOUT}")
    if split is not None and split.is_file():
        return list(_listed(root, split, there))
    part = part_of(split, _PARTS, there[0])
    if part not in there:
        raise UsageError(f"{root}: no {part}_metadata.json there; expected {_LAYOUT}")
    if not (root / part).is_dir():
        raise UsageError(f"{root}: {part}_metadata.json is there, the folder {part} is not; expected {_LAYOUT}")
    found = list(_read(root, part))
    if not found:
        raise UsageError(f"{_metadata(root, part)}: lists no clip")
    return found


def _metadata(root: Path, part: str) -> Path:
    return root / f"{part}_metadata.json"


def _read(root: Path, part: str) -> Iterator[ClipRecord]:
    for where, row in json_rows(_metadata(root, part), _FIELDS):
        kind = _TYPES.get(str(row["modify_type"]).replace("-", "_"))
        if kind is None:
            raise UsageError(f"{where}: unknown modify_type {row['modify_type']!r}; known: {', '.join(_TYPES)}")
        yield _record(root, part, where, row, kind)


def _record(root: Path, part: str, where: str, row: dict[str, Any], kind: str) -> ClipRecord:
    name = "/".join(inside(where, str(row["file"])))
    seconds = _seconds(row)
    spans = {
        field: () if kind == REAL_TYPE else read_spans(where, row[field], seconds)
        for field in ("fake_segments", "visual_fake_segments", "audio_fake_segments")
    }
    return ClipRecord(
        path=root / part / name,
        name=f"{part}/{name}",
        label="real" if kind == REAL_TYPE else "fake",
        type=kind,
        method=_method(row, kind),
        identity=_identity(name),
        speaker=_identity(name),
        fake_spans=spans["fake_segments"],
        visual_fake_spans=spans["visual_fake_segments"],
        audio_fake_spans=spans["audio_fake_segments"],
        split=part,
    )


def _seconds(row: dict[str, Any]) -> float | None:
    """The length of the clip: of its pictures or its sound, whichever is longer."""
    counts = [(row.get("video_frames"), _FPS), (row.get("audio_frames"), _RATE)]
    return max((count / rate for count, rate in counts if isinstance(count, int) and count > 0), default=None)


def _method(row: dict[str, Any], kind: str) -> str:
    """The models that the metadata names for what is fake; only AV-Deepfake1M++ names those of pictures."""
    if kind == REAL_TYPE:
        return "real"
    sides = [("video_model", "FakeVideo"), ("audio_model", "FakeAudio")]
    return "+".join(str(row[field]) for field, side in sides if side in kind and row.get(field)) or "unknown"


def _identity(name: str) -> str:
    """The person, as VoxCeleb2 numbers them, or the video where the source numbers nobody."""
    folders = name.split("/")[:-1]
    person = next((folder for folder in folders if fullmatch(r"id\d+", folder)), None)
    return person or "/".join(folders[:-1]) or name


def _listed(root: Path, table: Path, parts: list[str]) -> Iterator[ClipRecord]:
    if header(table)[:2] != _LIST:
        raise UsageError(f"{table}: its first line must be {','.join(_LIST)}")
    rows = [(where, row, "/".join(inside(where, row["path"]))) for where, row in named_rows(table, _LIST)]
    wanted, known = {name for _, _, name in rows}, dict[str, ClipRecord]()
    for part in parts:
        if not wanted <= known.keys():  # the metadata of `train` takes long to read
            known |= {record.name.partition("/")[2]: record for record in _read(root, part)}
    for where, row, name in rows:
        record = known.get(name) or _unlisted(root, where, name)
        if row["label"] != ("0" if record.label == "real" else "1"):
            raise UsageError(f"{where}: label {row['label']!r}, but the clip is {record.label}; 0 is real, 1 is fake")
        yield record


def _unlisted(root: Path, where: str, name: str) -> ClipRecord:
    kind = _VARIANTS.get(Path(name).stem)
    if kind is None:
        raise UsageError(f"{where}: the metadata does not list {name!r}, and its name tells no type")
    part = next((part for part in (*_PARTS, "test") if (root / part / name).is_file()), _PARTS[0])
    return ClipRecord(
        path=root / part / name,
        name=f"{part}/{name}",
        label="real" if kind == REAL_TYPE else "fake",
        type=kind,
        method="real" if kind == REAL_TYPE else "unknown",
        identity=_identity(name),
        speaker=_identity(name),
        split=part,
    )


DATASET = Dataset(
    name="av_deepfake1m",
    title="AV-Deepfake1M",
    layout=_LAYOUT,
    matches=matches,
    list_clips=records,
    list_split=records,
    mixed=frozenset({"AV-Deepfake1M", "AV-Deepfake1M-PlusPlus", *(f"{part}_metadata.json" for part in _PARTS)}),
    about=About(
        holds="real talking faces of VoxCeleb2 (in 1M++ also of other sources) and copies in which a few words were "
        "replaced: in the sound, the picture or both",
        size="AV-Deepfake1M more than 1 million clips of more than 2,000 people, AV-Deepfake1M++ about 2 million",
        licence="end-user licence agreement, to be signed; not for commercial use (CC BY-NC 4.0)",
        source="https://github.com/ControlNet/AV-Deepfake1M and https://deepfakes1m.github.io",
    ),
)
