"""What the command line says about an error in avsync itself."""

import sys
from contextlib import suppress
from tempfile import NamedTemporaryFile

INTERNAL = 3


def tell(report: str) -> None:
    """Write a report of an internal error to the temporary folder, and print one line that names it."""
    where = "no report could be written"
    with suppress(OSError):
        with NamedTemporaryFile(
            "w", prefix="avsync-error-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as file:
            file.write(report)
        where = f"please report it with {file.name}, which names neither you nor your files"
    print(f"avsync: internal error; {where}", file=sys.stderr)
