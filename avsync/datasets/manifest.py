"""Real and fake clips, videos or speech, that a table of your own lists.

`meta.csv` (or any CSV file given in place of the folder) has a row for each clip. Its columns, in any order:

- `path`: below the folder of the table, or below its subfolder `clips`
- `label`: real or fake
- `identity` (or `group`): the person, or the set of utterances, that statistics cluster by and that decides the role;
  without it every clip stands for itself
- `method` (or `system`): what generated a fake
- `audio`: the sound file of a video whose sound is not in the video file
- `type`: which part of a fake video is fake: RealVideo-FakeAudio, FakeVideo-RealAudio or FakeVideo-FakeAudio
- `fake_segments`: the fake stretches as [[start, end], …] in seconds; `visual_fake_segments` and `audio_fake_segments`
  are those of the picture and of the sound
- `kind`: tts, vc, vocoder, codec, or any word
- `page`: the collection; fakes of speech are compared with real clips of their page
- `pair`: the same for a real clip and its copies
- `split`: the part of the data set

All but the first two may be missing; further columns are left alone.
"""

import json
from dataclasses import replace
from pathlib import Path

from avsync.datasets.dataset import About, Dataset
from avsync.datasets.record import ClipRecord, Spans
from avsync.datasets.spans import join, read_spans
from avsync.datasets.tables import header, inside, named_rows, part_of
from avsync.datasets.video import labelled_clip
from avsync.errors import UsageError

_COLUMNS = ("path", "label")
_LABELS = {"real": True, "fake": False}
_FAKES = ("RealVideo-FakeAudio", "FakeVideo-RealAudio", "FakeVideo-FakeAudio")
_SEGMENTS = ("fake_segments", "visual_fake_segments", "audio_fake_segments")
_CLIPS = "clips"


def matches(root: Path) -> bool:
    """Return whether a folder's `meta.csv`, or the CSV file itself, names the columns `path` and `label`."""
    return set(_COLUMNS) <= set(header(_table(root)))


def records(root: Path, split: Path | None = None) -> list[ClipRecord]:
    """Return the clips of the table, in its order, also those whose file is missing.

    Args:
        root: the folder of the table, or the table.
        split: a part, as the column `split` names it; None: all.

    Raises:
        UsageError: no such table, an unknown part, or a row with a mistake.
    """
    table = _table(root)
    rows = [(where, row, inside(where, row["path"])) for where, row in named_rows(table, _COLUMNS)]
    if not rows:
        raise UsageError(f"{table}: lists no clip")
    folder = table.parent
    if not folder.joinpath(*rows[0][2]).exists() and (folder / _CLIPS).is_dir():
        folder = folder / _CLIPS
    found = [_record(folder, where, row, "/".join(parts)) for where, row, parts in rows]
    part = part_of(split, sorted({record.split for record in found if record.split}), "")
    return [record for record in found if part in ("", record.split)]


def _table(root: Path) -> Path:
    return root if root.suffix.lower() == ".csv" and root.is_file() else root / "meta.csv"


def _record(folder: Path, where: str, row: dict[str, str], name: str) -> ClipRecord:
    real = _LABELS.get(row["label"].lower())
    if real is None:
        raise UsageError(f"{where}: unknown label {row['label']!r}; known: {', '.join(_LABELS)}")
    identity = row.get("identity") or row.get("group") or name
    method = row.get("method") or row.get("system", "")
    clip = labelled_clip(folder / name, name, real=real, identity=identity, method=method)
    either, visual, audio = _spans(where, row)
    if real and either:
        raise UsageError(f"{where}: a real clip has no fake segments")
    return replace(
        clip,
        type=_type(where, row, clip),
        audio=folder.joinpath(*inside(where, row["audio"])) if row.get("audio") else None,
        fake_spans=either,
        visual_fake_spans=visual,
        audio_fake_spans=audio,
        kind="" if real else row.get("kind", ""),
        page=row.get("page", ""),
        pair=row.get("pair", ""),
        split=row.get("split", ""),
    )


def _type(where: str, row: dict[str, str], clip: ClipRecord) -> str:
    """The type in the table where it adds to what is known: of a fake video."""
    given = row.get("type", "")
    if not given or not clip.has_picture or clip.label == "real":
        return clip.type
    if given not in _FAKES:
        raise UsageError(f"{where}: unknown type {given!r} of a fake; known: {', '.join(_FAKES)}")
    return given


def _spans(where: str, row: dict[str, str]) -> tuple[Spans, Spans | None, Spans | None]:
    """The fake stretches of either side, of the picture, and of the sound."""
    either, visual, audio = (_segments(where, row.get(column, "")) for column in _SEGMENTS)
    return join(either or (), visual or (), audio or ()), visual, audio


def _segments(where: str, text: str) -> Spans | None:
    if not text:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    return read_spans(where, value)


DATASET = Dataset(
    name="manifest",
    title="table of clips",
    layout="meta.csv (path,label[,identity,method,audio,type,fake_segments,kind,page,pair,split])",
    matches=matches,
    list_clips=records,
    list_split=records,
    mixed=frozenset({"meta.csv"}),
    about=About(holds="real and fake clips of your own, or of a data set that is not in this list"),
)
