"""FakeAVCeleb v1.2 (Khalid et al., NeurIPS 2021 Datasets and Benchmarks, arXiv 2108.05080), and any set like it."""

import csv
from collections.abc import Iterator
from pathlib import Path

from avsync.datasets.dataset import About, Dataset
from avsync.datasets.record import REAL_TYPE, ClipRecord
from avsync.datasets.tables import inside
from avsync.errors import UsageError

# The letters that the tables use for the four types.
_CATEGORIES = {
    "A": REAL_TYPE,
    "B": "RealVideo-FakeAudio",
    "C": "FakeVideo-RealAudio",
    "D": "FakeVideo-FakeAudio",
}
_TYPES = {name.lower(): name for name in _CATEGORIES.values()}
_FOLDERS = ("FakeAVCeleb_v1.2", "FakeAVCeleb")
# Two more columns follow: the file's name, headed "path", and its folder, without a heading.
_METADATA = ("source", "target1", "target2", "method", "category", "type", "race", "gender")
_SPLIT = ("source", "category", "full_path")


def matches(root: Path) -> bool:
    """Return whether a folder, or its subfolder `FakeAVCeleb` or `FakeAVCeleb_v1.2`, holds a folder of a type."""
    return _find_tree(root) is not None


def records(root: Path, split: Path | None = None) -> list[ClipRecord]:
    """Return the clips that `meta_data.csv` lists, in its order, each once, also those whose file is missing.

    Args:
        root: the folder `FakeAVCeleb` or `FakeAVCeleb_v1.2`, or its parent; `meta_data.csv` may be in either.
        split: a CSV with the columns `source,category,full_path`, as AVH-Align publishes: only these clips,
            in its order. A clip that `meta_data.csv` does not list has the method "unknown".

    Raises:
        UsageError: no such tree or table, a row with a mistake, or a path that leaves the tree.
    """
    tree = _find_tree(root)
    if tree is None:
        raise UsageError(f"{root}: no FakeAVCeleb tree there; give the folder that holds '{REAL_TYPE}'")
    listed = _read_metadata(tree)
    return list((_read_split(split, tree, listed) if split else listed).values())


def _find_tree(root: Path) -> Path | None:
    for folder in (root.absolute(), *(root.absolute() / name for name in _FOLDERS)):
        if any((folder / name).is_dir() for name in _CATEGORIES.values()):
            return folder
    return None


def _read_metadata(tree: Path) -> dict[str, ClipRecord]:
    places = [tree / "meta_data.csv", tree.parent / "meta_data.csv"]
    table = next((place for place in places if place.is_file()), None)
    if table is None:
        raise UsageError(f"{tree}: meta_data.csv is neither in this folder nor beside it")
    found: dict[str, ClipRecord] = {}
    spelling: dict[str, str] = {}
    for where, row in _rows(table, _METADATA, len(_METADATA) + 2):
        source, method, kind = row[0], row[3], _TYPES.get(row[5].lower())
        if kind is None:
            raise UsageError(f"{where}: unknown type {row[5]!r}; known: {', '.join(_TYPES.values())}")
        name = "/".join((*_inside(where, row[9]), *_inside(where, row[8])))
        method = spelling.setdefault(method.lower(), method)
        found.setdefault(name, _record(tree, name, kind, method, source))
    if not found:
        raise UsageError(f"{table}: lists no clip")
    return found


def _read_split(split: Path, tree: Path, listed: dict[str, ClipRecord]) -> dict[str, ClipRecord]:
    found = {}
    for where, (source, category, full_path, *_) in _rows(split, _SPLIT, len(_SPLIT)):
        kind = _CATEGORIES.get(category.upper())
        if kind is None:
            raise UsageError(f"{where}: unknown category {category!r}; known: {', '.join(_CATEGORIES)}")
        name = "/".join(_inside(where, full_path))
        found[name] = listed.get(name) or _record(tree, name, kind, "unknown", source)
    if not found:
        raise UsageError(f"{split}: lists no clip")
    return found


def _record(tree: Path, name: str, kind: str, method: str, source: str) -> ClipRecord:
    real = kind == REAL_TYPE
    return ClipRecord(
        path=tree / name,
        name=name,
        label="real" if real else "fake",
        type=kind,
        method="real" if real else method,
        identity=source,
        speaker=source,
    )


def _inside(where: str, text: str) -> tuple[str, ...]:
    """Return the folders and the file name of a path below the tree, without the tree's own name, which varies."""
    parts = inside(where, text)
    return parts[1:] if parts[0].lower().startswith("fakeavceleb") else parts


def _rows(table: Path, columns: tuple[str, ...], width: int) -> Iterator[tuple[str, list[str]]]:
    """Yield the rows of a CSV file that begins with `columns`: the place, for messages, and the stripped cells."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = tuple(cell.strip().lower() for cell in next(reader, []))
            if header[: len(columns)] != columns:
                raise UsageError(f"{table}: its first line must begin with {','.join(columns)}")
            for row in reader:
                cells = [cell.strip() for cell in row]
                if not any(cells):
                    continue
                where = f"{table.name} line {reader.line_num}"
                if len(cells) < width:
                    raise UsageError(f"{where}: {len(cells)} columns instead of {width}")
                yield where, cells
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{table}: cannot be read as a CSV file in UTF-8 ({error})") from error


DATASET = Dataset(
    name="fakeavceleb",
    title="FakeAVCeleb",
    layout="RealVideo-RealAudio/<race>/<gender>/<id>/<clip>.mp4 with meta_data.csv",
    matches=matches,
    list_clips=records,
    list_split=records,
    fake_folders=frozenset(_CATEGORIES.values()) - {REAL_TYPE},
    about=About(
        holds="celebrities of VoxCeleb2 on video, and fakes of their faces, their voices or both",
        size="500 real and about 21,000 fake clips",
        licence="on request, by a form",
        source="https://github.com/DASH-Lab/FakeAVCeleb",
    ),
)
