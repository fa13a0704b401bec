"""The private folder of a session, which is deleted with all that is in it."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

_PREFIX = "avsync-app-"
_LOCK = "in-use"


@contextmanager
def private_folder() -> Iterator[Path]:
    """Yield a new folder that only this user can read; it is deleted with all that is in it.

    Folders of sessions that were killed are deleted too.
    """
    _delete_left_behind()
    with TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as name, _locked(Path(name) / _LOCK):
        yield Path(name)


if sys.platform == "win32":  # it deletes no file that is open, and has no lock of this kind

    @contextmanager
    def _locked(path: Path) -> Iterator[None]:
        yield

    def _delete_left_behind() -> None:
        pass

else:
    from fcntl import LOCK_EX, LOCK_NB, flock

    @contextmanager
    def _locked(path: Path) -> Iterator[None]:
        """Hold a lock on a file; the system ends it with the process."""
        with path.open("wb") as file:
            flock(file, LOCK_EX | LOCK_NB)
            yield

    def _delete_left_behind() -> None:
        for folder in Path(gettempdir()).glob(f"{_PREFIX}*"):
            # Another user's, or one whose session goes on, cannot be locked.
            with suppress(OSError):
                if folder.lstat().st_uid == os.getuid() and not folder.is_symlink():
                    with (folder / _LOCK).open("rb") as file:
                        flock(file, LOCK_EX | LOCK_NB)
                    shutil.rmtree(folder, ignore_errors=True)
