"""Which tiers of confinement this machine offers, found out by trying them."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from remit.adapters.sandbox import landlock
from remit.kernel.errors import Denied, InvalidInput

#: Programs, libraries and the few files of /etc that programs need: names, certificates, time zone. Nothing of /home,
#: /root, /var, /run, /opt, /srv, /tmp, and no private keys of /etc/ssl.
SYSTEM_READ = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store"),
    *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/nsswitch.conf"),
    *("/etc/passwd", "/etc/group", "/etc/hosts", "/etc/host.conf", "/etc/resolv.conf", "/etc/protocols"),
    *("/etc/services", "/etc/localtime", "/etc/timezone", "/etc/mime.types", "/etc/locale.alias", "/etc/os-release"),
    *("/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/ca-certificates", "/etc/pki/tls/certs"),
    *("/etc/pki/ca-trust", "/etc/crypto-policies"),
)
#: What programs ask the kernel about themselves and the machine; bubblewrap makes its own /proc.
KERNEL_READ = ("/proc", "/sys/devices/system/cpu", "/sys/fs/cgroup")
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty")

PROBE_TIMEOUT_S = 5.0


class Tier(IntEnum):
    """How strongly a command is confined; each includes what the ones before it do."""

    PROCESS = 1  # no shell, clean environment, limits, own session, nothing outlives it
    LANDLOCK = 2  # and: reads and writes by allow-list, no sockets unless asked for
    NAMESPACE = 3  # and: its own file tree, processes, network, users (bubblewrap)


@dataclass(frozen=True, slots=True)
class Probe:
    """What this machine offers. ``missing`` says for each tier that is not there why, and what would help."""

    tiers: frozenset[Tier]
    missing: dict[Tier, str] = field(default_factory=dict[Tier, str])
    landlock_abi: int = 0
    bwrap: str = ""

    @property
    def best(self) -> Tier:
        """The strongest tier.

        Raises:
            Denied: Not even the first: this system can't run commands for missions.
        """
        if not self.tiers:
            message = f"Commands are refused on {sys.platform}: {self.missing.get(Tier.PROCESS, 'no tier works')}."
            raise Denied(message, code="sandbox.unsupported", hint="run the mission on Linux or macOS")
        return max(self.tiers)

    def choose(self, *, minimum: Tier, exactly: Tier | None = None) -> Tier:
        """The strongest tier, or `exactly` the one asked for; never less than `minimum`.

        Raises:
            Denied: The machine does not offer it. Nothing weaker is taken instead.
        """
        wanted = exactly or minimum
        chosen = exactly or self.best
        if chosen in self.tiers and chosen >= minimum:
            return chosen
        why = self.missing.get(wanted, f"tier {chosen} is weaker than the demanded {minimum}")
        message = f"The command needs sandbox tier {int(wanted)} ({wanted.name.lower()}), which is not there: {why}."
        hint = "install bubblewrap (apt-get install bubblewrap) or lower the setting sandbox_tier; then: remit doctor"
        raise Denied(message, code="sandbox.tier", hint=hint)


@functools.lru_cache(maxsize=1)
def probe() -> Probe:
    """Try every tier once; the answer is kept for the life of the process."""
    if os.name != "posix":
        return Probe(frozenset(), {Tier.PROCESS: "the system has no process groups and no resource limits"})
    tiers = {Tier.PROCESS}
    missing: dict[Tier, str] = {}
    version = landlock.abi() if sys.platform == "linux" else 0
    if version:
        tiers.add(Tier.LANDLOCK)
    else:
        missing[Tier.LANDLOCK] = "the kernel has no Landlock (Linux 5.13 and later, with lsm=landlock)"
    bwrap = shutil.which("bwrap", path="/usr/bin:/bin:/usr/local/bin") or ""
    problem = _try_bubblewrap(bwrap) if bwrap else "bubblewrap is not installed"
    if problem:
        missing[Tier.NAMESPACE] = problem
    else:
        tiers.add(Tier.NAMESPACE)
    return Probe(frozenset(tiers), missing, version, bwrap)


def _try_bubblewrap(bwrap: str) -> str:
    """Run ``true`` as a command would be run; the reason when that fails, else nothing."""
    argv = [*bubblewrap(bwrap, read=(), write=(), cwd="/"), "/usr/bin/env", "true"]
    try:
        tried = subprocess.run(argv, env={}, capture_output=True, timeout=PROBE_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bubblewrap does not run here: {error}"
    if tried.returncode:
        said = tried.stderr.decode(errors="replace").strip() or f"exit {tried.returncode}"
        return f"bubblewrap can't make namespaces here ({said})"
    return ""


def bubblewrap(bwrap: str, *, read: tuple[Path, ...], write: tuple[Path, ...], cwd: str) -> list[str]:
    """Options that give a command a file tree of its own: the system and `read` read-only, `write` writable.

    Its network is a new one with only its own loopback. The environment is passed on as it is.
    """
    argv = [bwrap, "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--hostname", "remit"]
    for path in SYSTEM_READ:
        argv += ["--ro-bind-try", path, path]
    argv += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]  # noqa: S108 - a private one
    for path in read:
        argv += ["--ro-bind", str(path), str(path)]
    for path in write:
        argv += ["--bind", str(path), str(path)]
    # What is left of the new tree lies in memory, which no limit counts: it is closed, but for a little shared memory.
    argv += ["--size", str(64 << 20), "--tmpfs", "/dev/shm"]  # noqa: S108 - its own as well
    for path in ("/", "/tmp", "/dev"):  # noqa: S108
        argv += ["--remount-ro", path]
    return [*argv, "--chdir", cwd, "--"]


def interpreter_paths(python: Path) -> tuple[Path, ...]:
    """Folders a command must be able to read to run `python`: its environment and the installation beneath it.

    Raises:
        InvalidInput: The installation is the root or holds a home folder; reading it would open that too.
    """
    found: list[Path] = []
    link = python.absolute()
    for _ in range(40):
        found.append(link.parent.parent)
        if not link.is_symlink():
            break
        link = link.parent / link.readlink()
    found.append(python.resolve().parent.parent)
    config = python.absolute().parent.parent / "pyvenv.cfg"
    if config.is_file():
        for line in config.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition("=")
            if name.strip() == "home":
                found.append(Path(value.strip()).resolve().parent)
    unique = {Path(os.path.normpath(path)) for path in found}
    home = Path.home()
    for path in unique:
        if path == Path("/") or path == home or path in home.parents:
            message = f"The interpreter {python} is installed in {path}, so a command could read the home folder."
            raise InvalidInput(message, code="sandbox.interpreter", hint="make setup (gives Remit an environment)")
    system = [Path(path) for path in SYSTEM_READ]
    return tuple(sorted(path for path in unique if not any(path.is_relative_to(parent) for parent in system)))
