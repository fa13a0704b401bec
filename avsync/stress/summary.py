"""What is said of a stress set when it is made."""

from collections import Counter
from collections.abc import Sequence
from statistics import median

from avsync.reconstruct.face import Region
from avsync.stress.measures import HIGHER_IS_BETTER, Quality
from avsync.stress.provenance import USE, Candidate, StressSet

_UNITS = {"psnr": " (dB)", "colour": " (ΔE)"}


def rows(made: StressSet) -> dict[str, list[dict[str, str | int | float]]]:
    """Return tables: the kinds, the ways of blending, and what is allowed in each part of the face."""
    settings, wanted = made.settings, Counter[str]()
    for number in range(settings.clips):
        kinds = list(settings.kinds)
        wanted[kinds[number % len(kinds)]] += 1
        wanted[settings.blendings[number // len(kinds) % len(settings.blendings)]] += 1
    return {
        "Kinds": [_row("kind", name, made, wanted) for name in settings.kinds],
        "Blendings": [_row("blending", name, made, wanted) for name in settings.blendings],
        "Allowed": [_bounds(region, bounds) for region, bounds in (made.bounds or {}).items()],
    }


def notes(made: StressSet) -> list[str]:
    """Return lines on how many there are, on what is allowed, and on what the set is for."""
    people = len({one.identity for one in made.real})
    missing = made.settings.clips - len(made.kept)
    lines = [
        f"{len(made.kept)} of {made.settings.clips} reconstructions, {len(made.candidates)} made; "
        f"real clips: {len(made.real)} of {people} people."
    ]
    if missing:
        lines.append(f"{missing} could not be had: none of the clips that were tried gave one that passes.")
    if made.refused:
        lines.append(f"Real clips that cannot be used: {len(made.refused)}, such as {_first(made.refused)}")
    lines.append(f"What is allowed is what {made.settings.share:.0%} of real clips keep against themselves.")
    return [*lines, USE]


def _bounds(region: Region, bounds: Quality) -> dict[str, str | int | float]:
    row: dict[str, str | int | float] = {"part of the face": region}
    for name in Quality.__slots__:
        row[f"{name}{_UNITS.get(name, '')} {'≥' if name in HIGHER_IS_BETTER else '≤'}"] = getattr(bounds, name)
    return row


def _row(column: str, name: str, made: StressSet, wanted: Counter[str]) -> dict[str, str | int | float]:
    candidates = [one for one in made.candidates if getattr(one, column) == name]
    kept = [one for one in candidates if one.file]
    return {
        column: name,
        "wanted": wanted[name],
        "in the set": len(kept),
        "made": len(candidates),
        "median flaw": median(one.flaw for one in kept) if kept else float("nan"),
        "most often failed": _failures(candidates),
    }


def _failures(candidates: Sequence[Candidate]) -> str:
    counted = Counter(name for one in candidates for name in one.failed)
    return ", ".join(f"{name} {count}" for name, count in counted.most_common(3)) or "–"


def _first(refused: dict[str, str]) -> str:
    name, why = next(iter(refused.items()))
    return f"{name}: {why}."
