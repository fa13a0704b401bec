"""The table of published weights on the terminal."""

from collections.abc import Iterator
from typing import TextIO

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from avsync.text import printable
from avsync.weights.catalogue import BIN, HUB, KNOWN, WEB, Known
from avsync.weights.folder import describe, folder
from avsync.weights.present import is_here

# Narrower terminals break the lines; narrower columns would be cut off.
_WIDTH = 128
_COLUMNS = ("name", "description", "licence", "size", "here", "how")


def print_known(file: TextIO | None = None) -> None:
    """Print a row for each set of weights that is known or was converted, to standard output or to `file`."""
    console = Console(file=file, highlight=False, soft_wrap=True)
    console.width = max(console.width, _WIDTH)
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
    for name in _COLUMNS:
        table.add_column(name, justify="right" if name == "size" else "left", no_wrap=True)
    for row in [*map(_row, KNOWN.values()), *_others()]:
        table.add_row(*(Text(printable(cell), "green" if cell == "yes" else "") for cell in row))
    console.print(table)
    for line in _explanation():
        console.print(Text(line))
    console.file.flush()


def _row(known: Known) -> tuple[str, ...]:
    how = "pull" if known.kind in (HUB, WEB) else "convert"
    return known.name, known.description, known.licence, _size(known.size), "yes" if is_here(known) else "–", how


def _others() -> Iterator[tuple[str, ...]]:
    """Rows of files that were converted under other names."""
    for path in sorted(folder().glob("*.safetensors")):
        found = describe(path)
        if path.stem not in KNOWN and found.format:
            yield path.stem, found.words, found.licence or "–", _size(path.stat().st_size), "yes", "–"


def _explanation() -> Iterator[str]:
    yield "convert: accept the licence on the authors' page, download the .pt, then run: avsync weights convert FILE"
    for page in dict.fromkeys(known.page for known in KNOWN.values() if known.kind not in (HUB, WEB)):
        yield f"         {page}"
    yield "pull:    run: avsync weights pull NAME; its page is https://huggingface.co/NAME, or one of"
    for page in dict.fromkeys(known.page for known in KNOWN.values() if known.kind == WEB):
        yield f"         {page}"
    yield f"here:    in {printable(str(folder()))}, or in the cache of huggingface_hub"
    yield "sha256, where it is known:"
    yield from (f"  {known.sha256}  {known.file or f'{known.name}/{BIN}'}" for known in KNOWN.values() if known.sha256)


def _size(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
