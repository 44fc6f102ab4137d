"""Bodies as text: decompressed under a bound, decoded by an encoding of a short list."""

from __future__ import annotations

import re
import zlib
from email.message import Message

from remit.kernel.errors import Failed

#: Content codings that are understood, with zlib's window bits.
CODINGS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_RAW = -15  # deflate without zlib's frame, which some servers send

_TEXT = re.compile(
    r"text/[a-z0-9.+-]+|application/(?:[a-z0-9.+-]+\+)?(?:json|xml|xhtml|javascript|ecmascript|yaml|toml)"
)
_MORE = frozenset({"application/x-ndjson", "application/x-yaml", "application/x-javascript", "application/rtf"})

#: Labels of the WHATWG Encoding Standard (the common ones) to Python's codecs. No other codec is ever run: some are no
#: character encodings, some are not bounded.
CHARSETS = {
    **dict.fromkeys(("utf-8", "utf8", "unicode-1-1-utf-8"), "utf-8"),
    **dict.fromkeys(("utf-16", "utf-16le", "ucs-2", "unicode"), "utf-16-le"),
    **dict.fromkeys(("utf-16be",), "utf-16-be"),
    **dict.fromkeys(("iso-8859-1", "latin1", "l1", "us-ascii", "ascii", "windows-1252", "cp1252"), "windows-1252"),
    **{f"windows-{page}": f"windows-{page}" for page in (874, 1250, 1251, 1253, 1255, 1256, 1257, 1258)},
    **dict.fromkeys(("windows-1254", "iso-8859-9", "latin5"), "windows-1254"),
    **{f"iso-8859-{part}": f"iso-8859-{part}" for part in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)},
    **dict.fromkeys(("latin2", "l2"), "iso-8859-2"),
    **dict.fromkeys(("koi8-r", "koi8-u", "macintosh", "big5", "euc-jp", "euc-kr", "iso-2022-jp"), ""),
    **dict.fromkeys(("shift_jis", "shift-jis", "sjis", "windows-31j", "ms932"), "cp932"),
    **dict.fromkeys(("gb2312", "gbk", "gb18030", "x-gbk", "chinese"), "gb18030"),
    **dict.fromkeys(("ks_c_5601-1987", "korean"), "euc-kr"),
}
_SELF_NAMED = {"macintosh": "mac-roman"}
_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_META = re.compile(rb"""<meta[^>]{0,200}?charset\s{0,10}=\s{0,10}["']?\s{0,10}([a-zA-Z0-9_:-]{1,40})""", re.IGNORECASE)
_LOOK = 1024  # bytes of a page in which it may name its encoding


class Body:
    """A body as it comes in, decompressed.

    Args:
        coding: The Content-Encoding header, empty for none.
        most: Bytes that it may have, compressed and decompressed.
        cut: Whether what is beyond them is left out; else it is an error.

    Raises:
        Failed: The coding is not understood.
    """

    def __init__(self, coding: str, *, most: int, cut: bool = False) -> None:
        name = coding.strip().lower()
        if name not in {"", "identity", *CODINGS}:
            message = f"The page comes in the coding {coding[:40]!r}; only gzip and deflate were asked for."
            raise Failed(message, code="fetch.coding", hint="fetch another page")
        self._bits = CODINGS.get(name, 0)
        self._inflate = zlib.decompressobj(self._bits) if self._bits else None
        self._parts: list[bytes] = []
        self._most = most
        self._cut = cut
        self._came = 0
        self._size = 0
        self.full = False

    def feed(self, data: bytes) -> None:
        """Take what came; ``full`` says when no more is wanted.

        Raises:
            Failed: It is too large, or not in its coding.
        """
        self._came += len(data)
        if self._came > self._most and not self.full:
            self._over()
        while data and not self.full:
            if self._inflate is None:
                out, data = data, b""
            else:
                out, data = self._inflated(data)
            room = self._most - self._size
            if len(out) > room:
                self._over()
                out = out[:room]
            self._size += len(out)
            self._parts.append(out)

    def whole(self) -> bytes:
        """All of it.

        Raises:
            Failed: Its end is missing.
        """
        if self._inflate is not None and self._came and not self._inflate.eof and not self.full:
            message = "The page ends in the middle of its compressed data."
            raise Failed(message, code="fetch.truncated", hint="fetch it again")
        return b"".join(self._parts)

    def _inflated(self, data: bytes) -> tuple[bytes, bytes]:
        """A piece of at most one byte more than there is room for, so that a bomb ends as soon as it is one."""
        inflate = self._inflate
        assert inflate is not None  # noqa: S101 - asked by feed
        if inflate.eof:
            if not (self._bits == CODINGS["gzip"] and data.startswith(b"\x1f\x8b")):
                return b"", b""  # what follows the end is nobody's
            inflate = self._inflate = zlib.decompressobj(self._bits)
        room = self._most - self._size + 1
        try:
            out = inflate.decompress(data, room)
        except zlib.error as error:
            if self._bits == CODINGS["deflate"] and not self._size:
                self._bits, self._inflate = _RAW, zlib.decompressobj(_RAW)
                return b"", data
            message = "The page is not in the coding that it names."
            raise Failed(message, code="fetch.coding", hint="fetch it again") from error
        return out, inflate.unconsumed_tail or inflate.unused_data

    def _over(self) -> None:
        if not self._cut:
            message = f"The page is larger than {self._most} bytes."
            raise Failed(message, code="fetch.too_large", hint="fetch a smaller page, or raise the setting fetch_bytes")
        self.full = True


def content_type(header: str) -> tuple[str, str]:
    """The media type and the charset of a Content-Type header, both in lower case and empty when there is none."""
    parsed = Message()
    parsed["content-type"] = header
    kind = parsed.get_content_type() if "/" in header else ""
    charset = parsed.get_param("charset") if kind else None
    return kind, charset.strip().lower() if isinstance(charset, str) else ""


def is_text(kind: str, body: bytes) -> bool:
    """Whether a body of the media type is text; without a type, whether it looks so."""
    if kind:
        return _TEXT.fullmatch(kind) is not None or kind in _MORE
    return b"\0" not in body[:_LOOK] and _decodes(body)


def text_of(body: bytes, *, kind: str, charset: str) -> tuple[str, str]:
    """The text, and the encoding by which it was read.

    A byte order mark decides first, then the header, then the page's own word in its first KiB (HTML), then UTF-8, and
    else windows-1252. What can't be decoded becomes U+FFFD.
    """
    for mark, codec in _MARKS:
        if body.startswith(mark):
            return body[len(mark) :].decode(codec, "replace"), codec
    named = _codec(charset)
    if not named and "html" in kind:
        found = _META.search(body[:_LOOK])
        told = _codec(found[1].decode("ascii").lower()) if found is not None else ""
        named = "utf-8" if told.startswith("utf-16") else told  # what could be read as ASCII is no UTF-16
    if not named:
        named = "utf-8" if _decodes(body) else "windows-1252"
    return body.decode(named, "replace"), named


def _codec(label: str) -> str:
    return CHARSETS.get(label, "") or (_SELF_NAMED.get(label, label) if label in CHARSETS else "")


def _decodes(body: bytes) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
