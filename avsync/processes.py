"""What a child process does to itself first: give up the network and new privileges, and end with its parent.

Steps of Linux are left out elsewhere, or where the kernel refuses them. No library is needed: the calls go through
ctypes. Call them before anything starts a thread, which importing numpy does, and before PyTorch is imported, which
takes seconds in which the parent may end.
"""

import ctypes
import errno
import os
import pickle
import platform
import signal
import sys
from multiprocessing import parent_process
from pathlib import Path
from threading import Thread
from typing import Any

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
_SECCOMP_MODE_FILTER = 2
# By machine: the name of its system calls (AUDIT_ARCH) and the number of socket().
_MACHINES = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
_IO_URING_SETUP = 425  # opens sockets too; the same number on every machine
_X32 = 0x40000000  # system calls of the x32 ABI have this bit
_AF_UNIX, _AF_NETLINK = 1, 16
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EACCES
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # instructions of the classic BPF


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("if_true", ctypes.c_uint8),
        ("if_false", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("instructions", ctypes.POINTER(_Instruction)))


def seal(parent: int) -> bool:
    """Close the network, and end with the process `parent`; return whether the network is closed."""
    closed = close_network()
    end_with(parent)  # last, because new credentials make the kernel forget it
    return closed


def end_with(parent: int) -> None:
    """Let the kernel kill this process when the thread that started it ends; end now if `parent` has ended already."""
    if sys.platform == "linux":
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if sys.platform != "win32" and os.getppid() != parent:
        os._exit(1)


def run_pickled(call: bytes, by_kernel: bool, *arguments: Any) -> None:
    """The target of a process that multiprocessing spawns: it makes a call, and ends when its parent ends in any way.

    A thread waits for the other end of the pipe that multiprocessing keeps.

    Args:
        call: a pickled function. Its module is imported here, after the steps above: multiprocessing imports that of a
            target before.
        by_kernel: on Linux, let the kernel end the process too, also while native code runs. Only for a process that
            was started by the main thread, because the kernel waits for the thread.
        arguments: of the call.
    """
    parent = parent_process()
    assert parent is not None  # multiprocessing started it
    assert parent.pid is not None
    if by_kernel:
        end_with(parent.pid)

    def watch() -> None:
        parent.join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()
    pickle.loads(call)(*arguments)


def close_network() -> bool:
    """Leave the network for good, in two ways; return whether one of them worked. Processes started later inherit it.

    A network namespace without devices (as an ordinary user, in a user namespace of its own), and a filter of system
    calls that refuses sockets other than those of this machine (AF_UNIX, AF_NETLINK). Containers often refuse
    the first.
    """
    if sys.platform != "linux" or len(list(Path("/proc/self/task").iterdir())) != 1:
        return False
    left = _leave_network()
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    return _filter_sockets() or left


def _leave_network() -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    if libc.unshare(_CLONE_NEWNET) == 0:  # as root
        return True
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
        return False
    _prctl(_PR_SET_DUMPABLE, 1)  # new credentials clear it, and /proc/self would belong to root
    try:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    except OSError:
        pass  # then the process has no name, which it does not need: files still know their owner
    return True


def _filter_sockets() -> bool:
    if platform.machine() not in _MACHINES:
        return False
    machine, socket = _MACHINES[platform.machine()]
    allow, refuse = 10, 11
    steps = [
        (_LOAD, 0, 0, 4),  # the machine
        (_EQUAL, 0, refuse - 2, machine),
        (_LOAD, 0, 0, 0),  # the number of the system call
        (_AT_LEAST, refuse - 4, 0, _X32),
        (_EQUAL, refuse - 5, 0, _IO_URING_SETUP),
        (_EQUAL, 0, allow - 6, socket),
        (_LOAD, 0, 0, 16),  # its first argument: the family
        (_EQUAL, allow - 8, 0, _AF_UNIX),
        (_EQUAL, allow - 9, 0, _AF_NETLINK),
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    program = _Program(len(steps), (_Instruction * len(steps))(*(_Instruction(*step) for step in steps)))
    return _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(program))


def _prctl(option: int, *values: int) -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    four = [ctypes.c_ulong(value) for value in (*values, 0, 0, 0)[:4]]
    return bool(libc.prctl(option, *four) == 0)
