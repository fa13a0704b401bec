"""The memory of a process, read from outside it."""

from pathlib import Path

# Pages of files, such as torch's libraries, do not count: the kernel can drop them.
_COUNTED = ("RssAnon:", "RssShmem:", "VmSwap:")


def memory_of(pid: int) -> int | None:
    """Return the bytes of memory and swap that a process holds; None if the system does not tell (only Linux does)."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    found = [int(line.split()[1]) for line in lines if line.startswith(_COUNTED)]
    return 1024 * sum(found) if found else None
