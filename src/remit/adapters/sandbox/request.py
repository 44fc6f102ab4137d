"""What Remit tells the launcher, in a form that costs the launcher no parser."""

from __future__ import annotations


class Request:
    """What to run and how: NUL-separated tokens, so that the launcher needs no parser.

    The same class writes and reads it; `encode` and `decode` are inverses.
    """

    __slots__ = ("argv", "confine", "cwd", "devices", "env", "grace", "limits", "network", "prefix", "read", "write")

    def __init__(self) -> None:
        self.argv: list[str] = []
        self.prefix: list[str] = []  # bubblewrap with its options, or nothing
        self.env: list[str] = []  # NAME=value
        self.read: list[str] = []
        self.write: list[str] = []
        self.devices: list[str] = []
        self.cwd = "/"
        self.confine = ""  # "landlock", or nothing
        self.network = ""  # "loopback", or nothing
        self.grace = 2.0
        self.limits: tuple[float, int, int, int, int, int] = (
            120.0,
            120,
            0,
            0,
            0,
            0,
        )  # wall_s, cpu_s, memory, file, open files, processes

    def encode(self, stdin: bytes) -> bytes:
        """Bytes for the control pipe, with the command's standard input after the request."""
        head = [self.cwd, self.confine, self.network, repr(self.grace), " ".join(repr(x) for x in self.limits)]
        tokens = list(head)
        for group in (self.argv, self.prefix, self.env, self.read, self.write, self.devices):
            tokens += [str(len(group)), *group]
        body = "\0".join(tokens).encode("utf-8", "surrogateescape")
        return f"{len(body)} {len(stdin)}\n".encode() + body + stdin

    @classmethod
    def decode(cls, body: bytes) -> Request:
        """The request in `body`."""
        tokens = iter(body.decode("utf-8", "surrogateescape").split("\0"))
        request = cls()
        request.cwd, request.confine, request.network = next(tokens), next(tokens), next(tokens)
        request.grace = float(next(tokens))
        wall, cpu, memory, file, files, count = next(tokens).split(" ")
        request.limits = (float(wall), int(cpu), int(memory), int(file), int(files), int(count))
        for name in ("argv", "prefix", "env", "read", "write", "devices"):
            setattr(request, name, [next(tokens) for _ in range(int(next(tokens)))])
        return request
