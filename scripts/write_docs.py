"""Fill the generated parts of docs/*.md from the code, between `<!-- generated: NAME -->` and `<!-- end -->`.

    python scripts/write_docs.py

tests/test_docs.py fails when a page differs from what this script would write.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from inspect import getdoc
from pathlib import Path

from avsync.checks.methods import METHODS
from avsync.checks.registry import CHECKS
from avsync.datasets.registry import DATASETS
from avsync.encoders.registry import KINDS
from avsync.evaluate.audit import FACTS
from avsync.evaluate.manipulations import of_suite
from avsync.evaluate.protocols import PROTOCOLS
from avsync.face.interface import FACE_DETECTORS, Imported
from avsync.reconstruct.face import BLENDINGS, FACE_RECONSTRUCTIONS
from avsync.reconstruct.speech import RECONSTRUCTIONS
from avsync.report.csv import DOCS as CSV_DOCS
from avsync.report.json import DOCS as JSON_DOCS
from avsync.report.parquet import DOCS as PARQUET_DOCS
from avsync.score.readings import READINGS, Reading

DOCS = Path(__file__).parents[1] / "docs"
_PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> None:
    """Rewrite the pages that differ, and print their names."""
    for page in sorted(DOCS.glob("*.md")):
        before = page.read_text(encoding="utf-8")
        after = fill(before)
        if after != before:
            page.write_text(after, encoding="utf-8")
            print(f"{page}: written")


def fill(page: str) -> str:
    """Return a page with its generated parts made anew."""
    return _PART.sub(lambda part: part[1] + PARTS[part[2]]() + part[3], page)


def _manipulations() -> str:
    quick = {one.name for one in of_suite("quick")}
    rows = ([f"`{m.name}`", m.kind, m.strength, "yes" if m.name in quick else ""] for m in of_suite("full"))
    return _table(["manipulation", "of", "how", "in `quick`"], rows)


def _checks() -> str:
    return _table(["check", "question"], ([f"`{check.name}`", check.question] for check in CHECKS.values()))


def _readings() -> str:
    columns = ["reading", "of the", "in plain words", "exactly", "anomalous", "source or reason"]
    return _table(columns, map(_reading, READINGS.values()))


def _reading(reading: Reading) -> list[str]:
    module, _, function = reading.function.partition(":")
    odd = f"when {reading.odd}" if reading.odd else "reported only"
    told = _first_line(getattr(import_module(module, "avsync.score.readings"), function))
    return [f"`{reading.name}`", reading.of, reading.meaning, told, odd, reading.source]


def _datasets() -> str:
    return _table(
        ["name", "data set", "layout"],
        ([f"`{d.name}`", d.title, d.layout.replace("<", "&lt;")] for d in DATASETS.values()),
    )


def _facts() -> str:
    columns = ["fact", "unit", "read from", "what to do if it separates fakes"]
    return _table(columns, ([f"`{f.name}`", f.unit or "–", f.source, f.advice] for f in FACTS.values()))


def _about() -> str:
    columns = ["name", "holds", "size", "licence", "where to ask for it"]
    rows = ((f"`{d.name}`", d.about.holds, d.about.size, d.about.licence, d.about.source) for d in DATASETS.values())
    return _table(columns, ([cell or "–" for cell in row] for row in rows))


def _protocols() -> str:
    return _table(["protocol", "does"], ([f"`{name}`", _first_line(run)] for name, run in PROTOCOLS.items()))


def _methods() -> str:
    columns = ["method", "is", "backbone", "source"]
    rows = (
        [f"`{m.name}`", m.what, f"`{m.backbone}`" if m.backbone else "–", m.source or "–"] for m in METHODS.values()
    )
    return _table(columns, rows)


def _faces() -> str:
    detectors = {name: made.type for name, made in FACE_DETECTORS.items() if isinstance(made, Imported)}
    rows = ([f"`{name}`", f"`{found.key}`", _first_line(found)] for name, found in detectors.items())
    return _table(["name", "key", "is"], rows)


def _reconstructions() -> str:
    rows = ([f"`{kind.name}`", kind.family, kind.source] for kind in RECONSTRUCTIONS.values())
    return _table(["name", "family", "source"], rows)


def _face_reconstructions() -> str:
    rows = (
        [f"`{kind.name}`", kind.family, kind.source, ", ".join(kind.regions), str(kind.frames)]
        for kind in FACE_RECONSTRUCTIONS.values()
    )
    return _table(["name", "family", "source", "parts of the face", "pictures it needs"], rows)


def _blendings() -> str:
    return _table(["name", "source"], ([f"`{blending.name}`", blending.source] for blending in BLENDINGS.values()))


def _backbones() -> str:
    rows = (
        [f"`{name}`", " and ".join(kind.sides), kind.source, "yes" if kind.layers else "no"]
        for name, kind in KINDS.items()
    )
    return _table(["kind", "encodes", "SOURCE", "LAYER can be chosen"], rows)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _first_line(thing: object) -> str:
    return (getdoc(thing) or "").partition("\n")[0].removesuffix(".")


def _block(text: str) -> str:
    return f"```\n{text}```\n"


PARTS: dict[str, Callable[[], str]] = {
    "about": _about,
    "backbones": _backbones,
    "checks": _checks,
    "csv": lambda: CSV_DOCS,
    "datasets": _datasets,
    "faces": _faces,
    "facts": _facts,
    "json": lambda: _block(JSON_DOCS),
    "manipulations": _manipulations,
    "parquet": lambda: PARQUET_DOCS,
    "methods": _methods,
    "protocols": _protocols,
    "readings": _readings,
    "reconstructions": _reconstructions,
    "face_reconstructions": _face_reconstructions,
    "blendings": _blendings,
}

if __name__ == "__main__":
    main()
