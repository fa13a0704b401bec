"""The tables in which data sets list their clips: read row by row, every mistake a UsageError that names the line."""

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path, PureWindowsPath
from typing import Any

from avsync.errors import UsageError

_FIRST_LINE = 4096  # bytes; no header is longer


def header(table: Path) -> tuple[str, ...]:
    """Return the column names of a CSV file, in lower case; none if it cannot be read."""
    try:
        with table.open("rb") as file:
            line = file.readline(_FIRST_LINE)
        names = next(csv.reader([line.decode("utf-8-sig")]), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return ()
    return tuple(name.strip().lower() for name in names)


def named_rows(table: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the rows of a CSV file with a header: the place, for messages, and the stripped cells by column name.

    Args:
        table: the file, in UTF-8.
        columns: those that it must have, in any order and letter case; others may follow.

    Raises:
        UsageError: a column is missing, a row is too short, or it is no such file.
    """
    names = header(table)
    if missing := [column for column in columns if column not in names]:
        found = ",".join(names) or "no header"
        raise UsageError(f"{table}: its first line must name {','.join(missing)}; found {found}")
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            next(reader, None)
            for row in reader:
                cells = [cell.strip() for cell in row]
                if not any(cells):
                    continue
                where = f"{table.name} line {reader.line_num}"
                if len(cells) < len(names):
                    raise UsageError(f"{where}: {len(cells)} columns instead of {len(names)}")
                yield where, dict(zip(names, cells, strict=False))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{table}: cannot be read as a CSV file in UTF-8 ({error})") from error


def spaced_rows(table: Path, width: int) -> Iterator[tuple[str, list[str]]]:
    """Yield the lines of a text file whose columns are separated by spaces: the place, for messages, and the cells.

    Args:
        table: the file, in UTF-8.
        width: how many columns there are at least.

    Raises:
        UsageError: a line is too short, or it is no such file.
    """
    try:
        with table.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                cells = line.split()
                if not cells:
                    continue
                where = f"{table.name} line {number}"
                if len(cells) < width:
                    raise UsageError(f"{where}: {len(cells)} columns instead of {width}")
                yield where, cells
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{table}: cannot be read as text in UTF-8 ({error})") from error


def inside(where: str, text: str) -> tuple[str, ...]:
    """Return the folders and the file name of a path that a table names.

    Raises:
        UsageError: the path is absolute or leaves the folder of the data set.
    """
    path = PureWindowsPath(text)  # understands both slashes and drive letters
    if path.anchor or ".." in path.parts or not path.parts:
        raise UsageError(f"{where}: {text!r} is not a path below the data set's folder")
    return path.parts


def json_file(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        UsageError: it is no such file.
    """
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path}: cannot be read as a JSON file ({error})") from error


def json_rows(path: Path, fields: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the entries of a JSON list of objects: the place, for messages, and the object.

    Args:
        path: the file.
        fields: those that each object must have; others may be there, too.

    Raises:
        UsageError: it is no such list, or an object lacks a field.
    """
    found = json_file(path)
    if not isinstance(found, list):
        raise UsageError(f"{path}: holds no list of clips")
    for number, row in enumerate(found, 1):
        where = f"{path.name} entry {number}"
        missing = [field for field in fields if not isinstance(row, dict) or field not in row]
        if missing:
            raise UsageError(f"{where}: {', '.join(missing)} is missing")
        yield where, row


def part_of(split: Path | None, parts: Sequence[str], default: str) -> str:
    """Return the part of a data set that `split` names, in any letter case; `default` if it is None.

    Raises:
        UsageError: no part has this name.
    """
    if split is None:
        return default
    found = next((part for part in parts if part.lower() == str(split).lower()), None)
    if found is None:
        raise UsageError(f"unknown split {str(split)!r}; known: {', '.join(parts)}")
    return found
