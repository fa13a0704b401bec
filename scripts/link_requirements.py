"""Link what avsync requires, and nothing else, into another environment where avsync is installed by itself.

    python scripts/link_requirements.py VENV

The packages are those of the environment that runs this, which has the extra `dev`. So a module that only an extra
brings is missing there, as it is for a user.
"""

import sys
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement


def main(environment: Path) -> None:
    """Link the packages into the folder `site-packages` of an environment."""
    (target,) = environment.glob("lib/python*/site-packages")
    found: dict[str, Distribution] = {}
    _collect("avsync", found)
    del found["avsync"]
    for package in found.values():
        for top in {Path(file).parts[0] for file in package.files or []} - {"..", "__pycache__"}:
            link = target / top
            if not link.exists():  # several packages share the folder `nvidia`
                link.symlink_to(Path(str(package.locate_file(top))).resolve())


def _collect(name: str, found: dict[str, Distribution]) -> None:
    """Add a package without extras, and those that it requires on this machine, and so on."""
    if name in found:
        return
    found[name] = distribution(name)
    for line in found[name].requires or []:
        needed = Requirement(line)
        if needed.marker is None or needed.marker.evaluate({"extra": ""}):
            _collect(needed.name, found)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
