"""avsync doctor."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from avsync.text import printable

if TYPE_CHECKING:
    from avsync.cli.diagnosis import Finding

SCHEMA = "avsync.doctor/1"
_WORKS = "All good: avsync score works here."
_FAULTS = "Not yet: avsync score does not work here; see the faults above."
_NAMES = 16  # characters, so that what is said stands in a column


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of lines.")] = False,
) -> None:
    """Look whether avsync works here: versions, device, face detectors, weights, memory, and a clip that is judged.

    Says what to do about what is missing. Exit status: 0 avsync score works, 1 it does not.
    """
    from avsync.cli.diagnosis import diagnose

    findings = []
    for finding in diagnose():
        findings.append(finding)
        if not as_json:
            print("\n".join(_lines(finding)), flush=True)
    works = all(finding.state != "fault" for finding in findings)
    if as_json:
        print(_json(findings, works=works))
    else:
        print(f"\n{_WORKS if works else _FAULTS}")
    if not works:
        raise typer.Exit(1)


def _lines(finding: "Finding") -> Iterable[str]:
    yield f"{finding.state:5} {finding.about:{_NAMES}} {printable(finding.said)}"
    if finding.remedy:
        yield f"{'':5} {'':{_NAMES}} -> {printable(finding.remedy)}"


def _json(findings: "list[Finding]", *, works: bool) -> str:
    import json
    from dataclasses import asdict

    return json.dumps({"schema": SCHEMA, "works": works, "findings": [asdict(f) for f in findings]}, indent=2)
