"""Kernel confinement of the calling process through ctypes: Landlock, seccomp, capabilities, death signal.

Everything here acts on the caller and what it executes afterwards; nothing can be taken back. It is called between
fork and exec by the launcher, and by the probe (`abi` only).

Sources: linux/landlock.h, linux/seccomp.h, linux/bpf_common.h, prctl(2), capset(2), landlock(7).
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

PR_SET_PDEATHSIG = 1
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_RULE_PATH_BENEATH = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REMOVE_DIR, REMOVE_FILE = 1 << 4, 1 << 5
MAKE_CHAR, MAKE_DIR, MAKE_REG, MAKE_SOCK, MAKE_FIFO, MAKE_BLOCK, MAKE_SYM = (1 << bit for bit in range(6, 13))
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
NET_BIND_TCP, NET_CONNECT_TCP = 1 << 0, 1 << 1
SCOPE_ABSTRACT_UNIX, SCOPE_SIGNAL = 1 << 0, 1 << 1

_FILE_ONLY = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
_READ = EXECUTE | READ_FILE | READ_DIR
#: Everything but device nodes: a command has no business making them, and root could read a disk through one.
_WRITE = (
    _READ | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | MAKE_SOCK | MAKE_FIFO | MAKE_SYM | REFER
) | TRUNCATE
_DEVICE = READ_FILE | WRITE_FILE | TRUNCATE | IOCTL_DEV

#: Highest file right that each ABI handles, as a mask (landlock(7), "ABI versions").
_HANDLED = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_HANDLED_SINCE_5 = (1 << 16) - 1

#: Machine → (audit architecture, socket, io_uring_setup). No other machine gets a filter.
_SECCOMP = {"x86_64": (0xC000003E, 41, 425), "aarch64": (0xC00000B7, 198, 425)}
_X32_BIT = 0x40000000
_LAST_CAPABILITY = 63

#: The system's C library; on a system without this kind of one (Windows) nothing here is ever called.
_libc = ctypes.CDLL(None if os.name == "posix" else "msvcrt", use_errno=True)


class _SockFprog(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def prctl(option: int, argument: int) -> None:
    """Ask the kernel for one of its process options.

    Raises:
        OSError: The kernel refused.
    """
    zero = ctypes.c_ulong(0)
    _checked(_libc.prctl(option, ctypes.c_ulong(argument), zero, zero, zero), f"prctl({option})")


def abi() -> int:
    """The kernel's Landlock ABI; 0 when it has none or it is off."""
    try:
        return max(int(_libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(1))), 0)
    except (AttributeError, OSError):
        return 0


def has_seccomp() -> bool:
    """Whether `refuse_sockets` knows this machine."""
    return os.uname().machine in _SECCOMP


def restrict(*, read: list[str], write: list[str], devices: list[str], network: bool) -> None:
    """Confine this process for good: what is not listed can't be read, run or written.

    Args:
        read: Files and folders that may be read and executed. One that does not exist is left out.
        write: Folders in which everything but device nodes may be made, changed and removed.
        devices: Device files that may be read and written.
        network: Whether TCP bind and connect stay possible (Landlock can't tell loopback from the rest).

    Raises:
        OSError: The kernel refused; the caller must not go on to exec.
    """
    version = abi()
    if version < 1:
        raise OSError(errno.ENOSYS, "this kernel has no Landlock")
    handled = _HANDLED.get(version, _HANDLED_SINCE_5)
    handled_net = NET_BIND_TCP | NET_CONNECT_TCP if version >= 4 and not network else 0  # noqa: PLR2004 - the ABI
    scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL if version >= 6 else 0  # noqa: PLR2004 - the ABI
    attributes = struct.pack("=QQQ", handled, handled_net, scoped)
    ruleset = _checked(
        _libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint(0)),
        "landlock_create_ruleset",
    )
    try:
        for paths, rights in ((read, _READ), (write, _WRITE), (devices, _DEVICE)):
            for path in paths:
                _allow(ruleset, path, rights & handled)
        prctl(PR_SET_NO_NEW_PRIVS, 1)
        _checked(_libc.syscall(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint(0)), "landlock_restrict_self")
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        if not os.path.isdir(path):  # noqa: PTH112 - pathlib is too dear to import here
            rights &= _FILE_ONLY  # a rule on a plain file may hold file rights only
        rule = struct.pack("=Qi", rights, folder)
        _checked(
            _libc.syscall(_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(_RULE_PATH_BENEATH), rule, ctypes.c_uint(0)),
            f"landlock_add_rule {path}",
        )
    finally:
        os.close(folder)


def refuse_sockets() -> None:
    """Make socket(2) fail with EACCES for this process and its children, whatever the family.

    This closes what Landlock leaves open: UDP, raw and unix sockets by path (a container engine's for instance).
    socketpair(2) stays, so event loops work. io_uring, which could open sockets by itself, is refused as absent.

    Raises:
        OSError: The kernel refused, or the machine is not known.
    """
    known = _SECCOMP.get(os.uname().machine)
    if known is None:
        raise OSError(errno.ENOSYS, f"no socket filter for {os.uname().machine}")
    arch, socket, io_uring = known
    load, equal, at_least, ret = 0x20, 0x15, 0x35, 0x06
    allow, refuse = 0x7FFF0000, 0x00050000
    program = [
        (load, 0, 0, 4),  # seccomp_data.arch
        (equal, 1, 0, arch),
        (ret, 0, 0, refuse | errno.EPERM),  # a foreign ABI has other numbers: refused whole
        (load, 0, 0, 0),  # seccomp_data.nr
        (at_least, 3, 0, _X32_BIT),
        (equal, 1, 0, socket),
        (equal, 1, 2, io_uring),
        (ret, 0, 0, refuse | errno.EACCES),
        (ret, 0, 0, refuse | errno.ENOSYS),
        (ret, 0, 0, allow),
    ]
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    filter_program = _SockFprog(len(program), code)
    pointer = ctypes.byref(filter_program)
    zero = ctypes.c_ulong(0)
    _checked(_libc.prctl(PR_SET_SECCOMP, ctypes.c_ulong(SECCOMP_MODE_FILTER), pointer, zero, zero), "seccomp")


def drop_capabilities() -> None:
    """Give up every capability for good (it matters when Remit runs as root).

    Raises:
        OSError: The kernel refused.
    """
    for capability in range(_LAST_CAPABILITY + 1):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError as error:
            if error.errno == errno.EINVAL:  # past the last one this kernel knows
                break
            raise
    header = struct.pack("=Ii", 0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this process
    _checked(_libc.capset(header, bytes(24)), "capset")
