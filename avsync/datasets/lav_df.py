"""LAV-DF (Cai et al., DICTA 2022, arXiv 2204.06228): partial fakes of talking faces of VoxCeleb2; CC BY-NC 4.0.

The files are numbered and tell no person. The metadata names the real clip that a fake was made from, so that these two
have one identity.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from avsync.datasets.dataset import About, Dataset
from avsync.datasets.record import REAL_TYPE, ClipRecord
from avsync.datasets.spans import read_spans
from avsync.datasets.tables import inside, json_rows, part_of
from avsync.errors import UsageError

_LAYOUT = "metadata.min.json (or metadata.json) beside test/<clip>.mp4 (or train, dev)"
_TABLES = ("metadata.min.json", "metadata.json")
_FIELDS = ("file", "fake_periods", "duration", "original", "modify_video", "modify_audio", "split")
_PARTS = ("train", "dev", "test")
_HEAD = 4096  # bytes; the first entry is shorter


def matches(root: Path) -> bool:
    """Return whether a folder, or its subfolder `LAV-DF`, holds the metadata of this data set."""
    return _table(root) is not None


def records(root: Path, split: Path | None = None) -> list[ClipRecord]:
    """Return the clips of `test`, or of the part that `split` names, in the order of the metadata.

    Raises:
        UsageError: no metadata, no folder of clips, an unknown part, or an entry with a mistake.
    """
    table = _table(root)
    if table is None:
        raise UsageError(f"{root}: no metadata.min.json of LAV-DF there; expected {_LAYOUT}")
    part = part_of(split, _PARTS, "test")
    if not (table.parent / part).is_dir():
        raise UsageError(f"{table.parent}: {table.name} is there, the folder {part} is not; expected {_LAYOUT}")
    found = [record for record in _read(table) if record.split == part]
    if not found:
        raise UsageError(f"{table}: lists no clip of {part}")
    return found


def _table(root: Path) -> Path | None:
    places = (folder / name for folder in (root, root / "LAV-DF") for name in _TABLES)
    return next((place for place in places if place.is_file() and _is_ours(place)), None)


def _is_ours(table: Path) -> bool:
    """DFDC has a `metadata.json`, too: an object, no list."""
    with table.open("rb") as file:
        head = file.read(_HEAD)
    return head.lstrip().startswith(b"[") and b'"fake_periods"' in head


def _read(table: Path) -> Iterator[ClipRecord]:
    for where, row in json_rows(table, _FIELDS):
        if row["split"] not in _PARTS:
            raise UsageError(f"{where}: unknown split {row['split']!r}; known: {', '.join(_PARTS)}")
        yield _record(table.parent, where, row)


def _record(root: Path, where: str, row: dict[str, Any]) -> ClipRecord:
    sides = {name: bool(row[f"modify_{name}"]) for name in ("video", "audio")}
    kind = "-".join(f"{'Fake' if fake else 'Real'}{name.title()}" for name, fake in sides.items())
    seconds = row["duration"] if isinstance(row["duration"], int | float) and row["duration"] > 0 else None
    spans = () if kind == REAL_TYPE else read_spans(where, row["fake_periods"], seconds)
    name = "/".join(inside(where, str(row["file"])))
    return ClipRecord(
        path=root / name,
        name=name,
        label="real" if kind == REAL_TYPE else "fake",
        type=kind,
        method="real" if kind == REAL_TYPE else "unknown",
        identity=row["original"] or name,
        speaker=row["original"] or name,
        fake_spans=spans,
        visual_fake_spans=spans if sides["video"] else (),
        audio_fake_spans=spans if sides["audio"] else (),
        split=row["split"],
    )


DATASET = Dataset(
    name="lav_df",
    title="LAV-DF",
    layout=_LAYOUT,
    matches=matches,
    list_clips=records,
    list_split=records,
    mixed=frozenset({"LAV-DF", "metadata.min.json"}),
    about=About(
        holds="real talking faces of VoxCeleb2 and copies in which a few words were replaced to change the meaning",
        size="more than 100,000 clips",
        licence="terms and conditions to be agreed to; not for commercial use (CC BY-NC 4.0)",
        source="https://github.com/ControlNet/LAV-DF",
    ),
)
