"""The memory of a process, read from outside it."""

from pathlib import Path

# Pages of files, such as torch's libraries, do not count: the kernel can drop them.
_COUNTED = ("RssAnon:", "RssShmem:", "VmSwap:")


def memory_of(pid: int) -> int | None:
    """Return the bytes of memory and swap that a process holds, and those that it started, and so on.

    None if the system does not tell (only Linux does).
    """
    process = Path(f"/proc/{pid}")
    try:
        lines = (process / "status").read_text(encoding="ascii", errors="replace").splitlines()
        started = [child for thread in (process / "task").iterdir() for child in _started_by(thread)]
    except OSError:
        return None
    found = [int(line.split()[1]) for line in lines if line.startswith(_COUNTED)]
    return 1024 * sum(found) + sum(memory_of(child) or 0 for child in started) if found else None


def _started_by(thread: Path) -> list[int]:
    try:
        return [int(child) for child in (thread / "children").read_text(encoding="ascii").split()]
    except OSError:  # it has ended, or the kernel does not tell
        return []
