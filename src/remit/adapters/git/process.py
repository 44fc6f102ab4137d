"""One git process at a time, deaf to every configuration but ours."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from remit.adapters.git import seal
from remit.kernel.errors import Failed, IntegrityError, Timeout, Unavailable

#: core.fsync came with 2.36, and so did the geometric repacking of the packs that commits leave.
MINIMUM_VERSION = (2, 36)
TIMEOUT_S = 300.0
BRANCH = "refs/heads/main"
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
NO_OBJECT = "0" * 40
_SEARCH = "/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin"


@functools.lru_cache(maxsize=1)
def executable() -> str:
    """The path of a git that is new enough.

    Raises:
        Unavailable: There is none (``git.missing``), or it is too old (``git.old``).
    """
    found = shutil.which("git", path=f"{os.environ.get('PATH', '')}:{_SEARCH}")
    if not found:
        message = "Checkpoints need git, and there is none on this machine."
        raise Unavailable(message, code="git.missing", hint="install git (apt-get install git)")
    said = subprocess.run([found, "--version"], capture_output=True, check=False, env={}).stdout.decode()
    version = tuple(int(number) for number in re.findall(r"\d+", said)[:2])
    if version < MINIMUM_VERSION:
        message = f"Checkpoints need git 2.36 or later; {found} is {said.strip()!r}."
        raise Unavailable(message, code="git.old", hint="install a newer git")
    return found


class Git:
    """Runs git on one repository.

    ``keep_open`` are file descriptors that each git process inherits: given the mission's lock file, the lock lives as
    long as any git of a dead Remit still writes.
    """

    def __init__(self, git_dir: Path, workspace: Path, *, keep_open: tuple[int, ...] = ()) -> None:
        self.git_dir = git_dir
        self.workspace = workspace
        self._keep_open = keep_open

    def environment(self) -> dict[str, str]:
        """Nothing of the user's or the system's: no configuration, no attributes, no prompts, no replacements."""
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": os.devnull,
            "XDG_CONFIG_HOME": os.devnull,
            "LC_ALL": "C",
            "TZ": "UTC",
            "GIT_DIR": str(self.git_dir),
            "GIT_WORK_TREE": str(self.workspace),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_SYSTEM": os.devnull,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_LITERAL_PATHSPECS": "1",
            "GIT_PAGER": "cat",
        }

    def _argv(self, arguments: tuple[str, ...]) -> list[str]:
        return [executable(), *arguments]

    def run(self, *arguments: str, stdin: bytes = b"", index: Path | None = None) -> bytes:
        """What git printed.

        Raises:
            Failed: It said no (``git.failed``), with its own words.
            IntegrityError: An object is missing or broken.
            Timeout: It did not end in five minutes.
        """
        code, out, err = self.attempt(*arguments, stdin=stdin, index=index)
        if code:
            raise self.error(arguments, code, err)
        return out

    def attempt(self, *arguments: str, stdin: bytes = b"", index: Path | None = None) -> tuple[int, bytes, str]:
        """Exit code, output, complaint.

        Raises:
            Timeout: It did not end in five minutes.
        """
        seal.seal(self.git_dir, self.workspace)
        env = self.environment()
        if index is not None:
            env["GIT_INDEX_FILE"] = str(index)
        try:
            done = subprocess.run(
                self._argv(arguments),
                input=stdin,
                capture_output=True,
                env=env,
                cwd="/",
                check=False,
                timeout=TIMEOUT_S,
                pass_fds=self._keep_open,
            )
        except subprocess.TimeoutExpired as expired:
            message = f"git {arguments[0]} in {self.git_dir} did not end in {TIMEOUT_S:.0f} s."
            raise Timeout(message, code="git.timeout") from expired
        return done.returncode, done.stdout, done.stderr.decode(errors="replace").strip()

    @contextmanager
    def conversation(self, *arguments: str) -> Generator[tuple[IO[bytes], IO[bytes]]]:
        """A git process that is written to and read from; it must end well when the block does.

        Raises:
            Failed: It ended badly (``git.failed``).
        """
        seal.seal(self.git_dir, self.workspace)
        with subprocess.Popen(
            self._argv(arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment(),
            cwd="/",
            pass_fds=self._keep_open,
        ) as process:
            if process.stdin is None or process.stdout is None or process.stderr is None:
                raise AssertionError
            try:
                yield process.stdin, process.stdout
            except BrokenPipeError:
                pass  # it complained and left: its words follow
            except BaseException:
                process.kill()
                raise
            finally:
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.close()
            process.stdout.read()
            complaint = process.stderr.read().decode(errors="replace").strip()
            code = process.wait()
        if code:
            raise self.error(arguments, code, complaint)

    def error(self, arguments: tuple[str, ...], code: int, complaint: str) -> Failed | IntegrityError:
        """What git's complaint means."""
        message = f"git {arguments[0]} in {self.git_dir} ended with {code}: {complaint or 'no word'}."
        if _BROKEN.search(complaint):
            return IntegrityError(message, code="git.corrupt", hint="restore the mission's repository from a backup")
        return Failed(message, code="git.failed", hint="remit doctor")


_BROKEN = re.compile(
    r"corrupt|bad object|unable to read|missing (blob|tree|commit)|inflate|invalid object|could not read|"
    r"not a valid object|garbage|index file .* is too small|bad (tree|signature|pack)|packfile .* (is|cannot)",
    re.IGNORECASE,
)
