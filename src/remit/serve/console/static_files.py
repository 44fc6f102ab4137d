"""The stylesheet, scripts and drawings: read once, served from memory under an address that names their content.

``/static/<version>/css/remit.css``: the version is a hash over all of them, so that a browser may keep each for ever
and an upgrade is seen at once. Nothing is read from a path that a request names.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable

from starlette.requests import Request
from starlette.responses import Response

TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class File:
    """One file, as it is and compressed."""

    body: bytes = field(repr=False)
    packed: bytes = field(repr=False)
    type: str


@dataclass(frozen=True, slots=True)
class Files:
    """All of them, by path (``css/remit.css``)."""

    known: dict[str, File]
    version: str

    def address(self, path: str) -> str:
        """Where a page finds one.

        Raises:
            KeyError: There is none: a template is wrong.
        """
        if path not in self.known:
            raise KeyError(path)
        return f"/static/{self.version}/{path}"

    async def answer(self, request: Request) -> Response:
        """One of them; an older version's address gets today's, not to be kept."""
        found = self.known.get(request.path_params["path"])
        if found is None:
            return Response("There is no such file.\n", 404, media_type="text/plain")
        today = request.path_params["version"] == self.version
        headers = {"Cache-Control": FOR_EVER if today else "no-cache", "Vary": "Accept-Encoding"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(found.packed, headers=headers | {"Content-Encoding": "gzip"}, media_type=found.type)
        return Response(found.body, headers=headers, media_type=found.type)


def read_files() -> Files:
    """Everything under ``static/`` that a browser may ask for."""
    known = dict(_walk(resources.files(__package__) / "static", ""))
    told = hashlib.sha256()
    for path, file in sorted(known.items()):
        told.update(path.encode() + b"\0" + hashlib.sha256(file.body).digest())
    return Files(known, told.hexdigest()[:12])


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, File]]:
    for each in folder.iterdir():
        path = f"{prefix}{each.name}"
        if each.is_dir():
            yield from _walk(each, f"{path}/")
        elif kind := TYPES.get(f".{each.name.rpartition('.')[2]}"):
            body = each.read_bytes()
            yield path, File(body, gzip.compress(body, 9, mtime=0), kind)
