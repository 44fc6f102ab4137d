"""Judges of values that stand under a name: ``password = "…"`` in every notation of code, configuration and prose.

The pattern of such a rule finds a telling word, a sign of assignment and the first characters of a value; the judge
reads the name before it and the value after it. Each reads a bounded part of the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from remit.redact import likely
from remit.redact.names import Says, said

type Place = tuple[int, int]

_LONGEST_NAME = 80
_LONGEST = 8192  # characters of a value that are masked; keys of RSA in one line have 3,300
_JUDGED = 128  # characters of a value that decide

_NAME = r"(?P<name>[A-Za-z0-9_.$-]*)"
_CLOSE = r"(?P<close>\\{0,3}[\"'`]?[\])}]{0,2})"
_TYPE = (
    r"(?:[ \t]{0,4}:[ \t]{0,4}(?:Optional|Annotated|Final|Secret|Sensitive)?[&'\[\]A-Za-z0-9_.<>?| ]{1,40}?"
    r"(?==|:=|\|\||\?\?|or ))?"
)
_SIGN = (
    r"(?P<sign>(?:[,\s]{1,40}|[ \t]{0,4}\{[^{}]{1,160}?)\\?[\"']?"
    r"(?:value|default|content|secret_string|val)\\?[\"']?[ \t]{0,8}[:=][ \t]{0,8}"
    r"|[ \t]{0,8}[:=][ \t]{0,4}[|>][+-]?[ \t]{0,4}\r?\n[ \t]{1,24}"
    r"|[ \t]{0,20}(?:=>|:=|\?\?=|\|\|=|={1,3}|!==?|\?=|::?|->|<<<|<-|,|\(|\|\||\?\?|:-|\?:|or|\|)"
    r"[ \t]{0,20}(?:\\?\r?\n[ \t]{1,24})?"
    r"|</key>\s{0,20}<string>|\)?\.(?:toBe|toEqual|equals?|isEqualTo|to_?eq|eq)\([ \t]?"
    r"|(?:[ \t][^<>\n]{0,60})?>(?:<!\[CDATA\[)?|%3D)"
)
_OPEN = (
    r"(?P<open>(?:(?:new[ \t]{1,3}|&)?[A-Za-z_.:\[\]]{1,30}\([ \t]{0,2})?(?:[rbufRBUFL]{1,2}(?=[\"'])|[@$])?"
    r"(?P<quote>\\{1,3}[\"']|\"\"\"|'''|[\"'`]|&quot;|%22)?)"
)
_PAIR = re.compile(_NAME + _CLOSE + _TYPE + _SIGN + _OPEN, re.ASCII | re.IGNORECASE)
_BACKWARDS = re.compile(r"[A-Za-z0-9_.$-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Shape:
    """What ends a value."""

    quote: str
    alone: bool  # an assignment that has its line to itself
    restful: bool  # without blanks around its sign, as shells want it: the value reaches to the next blank


@dataclass(frozen=True, slots=True)
class Pair:
    """A name and the place of the value under it."""

    name: str
    sign: str
    start: int
    end: int
    quote: str
    prefix: str
    before: str  # what of the line stands in front of the name
    value: str  # its first ``_JUDGED`` characters
    shape: _Shape


def pair(text: str, start: int, end: int) -> Pair | None:
    """The name around ``start``, and the value that begins at ``end``."""
    left = _BACKWARDS.match(text[max(0, start - _LONGEST_NAME) : start][::-1])
    begin = start - (left.end() if left is not None else 0)
    best = _PAIR.fullmatch(text, begin, end)
    if best is None:
        return None
    quote = best["quote"] or ""
    prefix = best["open"][: len(best["open"]) - len(quote)]
    line = text.rfind("\n", max(0, begin - 200), begin) + 1 or max(0, begin - 200)
    before = text[line:begin]
    sign = best["sign"]
    inner = None if quote else _NESTED.match(text, end)
    if inner is not None and said(inner[1]) is not None:
        return None  # token=password=...: what stands under the inner name is found by itself
    alone = not quote and sign.strip() == "=" and _ASSIGNED.match(before) is not None
    shape = _Shape(quote, alone, restful=alone and sign == "=")
    stop = _end(text, end, shape, _JUDGED)
    return Pair(best["name"], sign, end, stop, quote, prefix, before, text[end:stop], shape) if stop > end else None


_UNTIL = {
    '"': re.compile(r'(?:[^"\\\r\n]|\\.)*', re.ASCII),
    "'": re.compile(r"(?:[^'\\\r\n]|\\.)*", re.ASCII),
    "`": re.compile(r"[^`\r\n]*", re.ASCII),
    '"""': re.compile(r'[^"]*', re.ASCII),
    "'''": re.compile(r"[^']*", re.ASCII),
    "&quot;": re.compile(r"[^&\r\n]*", re.ASCII),
    "%22": re.compile(r"[^%\s]*", re.ASCII),
}
_ESCAPED = re.compile(r"[^\"'\\\r\n]*(?:\\\\[^\"'\\\r\n]+)*", re.ASCII)


def _end(text: str, start: int, shape: _Shape, most: int) -> int:
    """Where the value ends, within ``most`` characters."""
    if shape.quote:
        match = _UNTIL.get(shape.quote, _ESCAPED).match(text, start, start + most)
        return match.end() if match is not None else start
    match = _BARE.match(text, start, start + most)
    if match is None:
        return start
    value = match[0]
    cut = (_LAST if shape.restful else _NEXT).search(value)
    if cut is not None:
        value = value[: cut.start()]
    return start + len(value if shape.alone else _balanced(value))


def _whole(text: str, found: Pair) -> Place:
    """All of a value that was judged by its beginning."""
    long = found.end - found.start >= _JUDGED
    return found.start, _end(text, found.start, found.shape, _LONGEST) if long else found.end


_NESTED = re.compile(r"([A-Za-z][\w.-]{1,40})[=:](?=[^\s=])", re.ASCII)
_BARE = re.compile(r"[^\s\"'`<>]+", re.ASCII)
_NEXT = re.compile(
    r"&(?:amp;)?[A-Za-z_][\w.-]*=|[;,][A-Za-z_][\w. -]{0,40}[=:]|\\[nrt](?![A-Za-z0-9])|\\[nr]|"
    r"\\u00|%26|[;,]$|&$|[,;](?=[\s\"'])"
    r"|\.$|\.\.\.",
    re.ASCII,
)
_LAST = re.compile(r"\\[nr](?![A-Za-z0-9])|[;,]$", re.ASCII)
_ASSIGNED = re.compile(r"^\s*(?:export\s+|ENV\s+|ARG\s+|set\s+|setx?\s+|-\s+|-e\s+|declare\s+-x\s+|#\s*)?$", re.ASCII)
_CLOSING = re.compile(r"[)\]}]")
_PAIRS = {")": "(", "]": "[", "}": "{"}


def _balanced(value: str) -> str:
    """Up to the first bracket that closes none of the value's own."""
    if not _CLOSING.search(value):
        return value
    depth: dict[str, int] = {}
    for at, each in enumerate(value):
        if each in "([{":
            depth[each] = depth.get(each, 0) + 1
        elif each in _PAIRS:
            if not depth.get(_PAIRS[each]):
                return value[:at]
            depth[_PAIRS[each]] -= 1
    return value


_SIGIL = re.compile(r"[@&*$%#][A-Za-z_][\w.:-]*$|[\\(\[{]|\$", re.ASCII)
_EXPRESSION = re.compile(r"^[ \t]*(?:[+({\[.?]|\|\||&&|or\b|if\b|\*|%[ \t]*[\w(])", re.ASCII)


def _literal(text: str, found: Pair) -> bool:
    """Whether the value is a literal where it stands, and not code, a hole, or a format to be filled."""
    if likely.templated(found.value):
        return False
    if found.quote:
        formatted = found.prefix[-1:].lower() == "f" or found.quote == "`"
        return not (formatted and re.search(r"\{[^{}]*\}", found.value)) and _plain_call(found)
    after = text[found.end : found.end + 8]
    if after[:1] in ("(", "[") or (found.sign.strip() in ("=", ":", "") and after[:1] in ("<", "`")):
        return False
    if _EXPRESSION.match(after) and "\n" not in after[:2] and not _ASSIGNED.match(found.before):
        return False
    return not likely.code(found.value) and _SIGIL.match(found.value) is None


_LOOKUP = re.compile(
    r"(?i)env|get|find|lookup|read|load|fetch|translate|gettext|label|prompt|input|print|log|error|raise|_$"
)
_WRAPS = re.compile(
    r"(?i)(?:default|byte|secret|str|string|bytes|password|encode|value|literal|base64|b64|decode|char|option|some)"
)


def _plain_call(found: Pair) -> bool:
    """``SecretStr("…")`` wraps a value, ``getenv("…")`` and ``_("…")`` name one."""
    call = found.prefix.partition("(")[0] if "(" in found.prefix else ""
    return not call or (_WRAPS.search(call) is not None and _LOOKUP.search(call) is None)


_COMPARED = re.compile(r"!==?|={2,3}", re.ASCII)


def _loose(found: Pair) -> bool:
    """Whether the sign is one that prose and code are full of, so that the value has to speak for itself."""
    sign = found.sign.strip()
    loose = {",", "(", "|", "<-", "->", ">", "||", "??", ":-", "?:", "or"}
    return sign in loose or _COMPARED.fullmatch(sign) is not None


def _stands(text: str, found: Pair) -> bool:
    """Whether name, sign and value go together."""
    quoted = bool(found.quote)
    bare = found.sign.rstrip()
    sign = bare.strip()
    if sign.endswith(":") and "\n" in found.sign[len(bare) :] and not quoted:
        return False  # a block of code or of YAML begins
    if sign.endswith((">", "[")) and sign not in ("=>", "->"):
        return "<" in found.before[-80:]
    if sign.endswith("(") or sign in {"||", "??", "?:", "or"}:
        return quoted
    if sign == "|":
        return quoted and "default" in found.prefix.lower()
    return sign != "," or (quoted and _quoted_name(text, found))


def _quoted_name(text: str, found: Pair) -> bool:
    at = found.start - len(found.quote) - len(found.prefix) - len(found.sign) - 1
    return 0 <= at < len(text) and text[at] in "\"'`])"


def assignment(text: str, start: int, end: int) -> Place | None:
    """The value under a name that promises a secret, when it looks like one that is used."""
    found = pair(text, start, end)
    kind = said(found.name) if found is not None else None
    if found is None or kind is None or not _literal(text, found) or not _stands(text, found):
        return None
    quoted = bool(found.quote)
    value = found.value
    if kind is Says.KEY:
        likes = _key(value)
    elif kind is Says.SECRET:
        likes = likely.secret(value, quoted=quoted)
    else:
        likes = likely.password(value, quoted=quoted) or likely.secret(value, quoted=quoted)
        if not likes and found.sign.strip() in _PLAIN_SIGNS and (quoted or found.shape.restful):
            likes = likely.word(value) or (value.isdigit() and len(value) >= 4 and len(set(value)) > 1)  # noqa: PLR2004
    if likes and _loose(found):
        likes = _firm(value, quoted=quoted)
    return _whole(text, found) if likes else None


_PLAIN_SIGNS = frozenset(["=", ":", ":=", "=>"])
_KEY_LEAST = 16
_LEAST_KEY = 8  # user:pass


def _key(value: str) -> bool:
    """A value under a mere ``key`` or ``auth``: only what looks drawn at random."""
    if len(value) < _LEAST_KEY or likely.placeholder(value) or likely.code(value):
        return False
    user, colon, rest = value.partition(":")
    if colon and re.fullmatch(r"[\w.@-]{2,40}", user) and not rest.isdigit():
        return likely.password(rest, quoted=False) or likely.drawn(rest)
    if len(value) < _KEY_LEAST:
        return False
    if likely.is_hex(value):
        return len(value) >= 30  # noqa: PLR2004 - shorter ones are ids
    return not likely.is_uuid(value) and any(map(str.isdigit, value)) and likely.drawn(value, least=_KEY_LEAST)


def _firm(value: str, *, quoted: bool) -> bool:
    """What counts after a loose sign: letters and digits or signs mixed, or a random draw."""
    letters, digits = any(map(str.isalpha, value)), any(map(str.isdigit, value))
    signs = any(not each.isalnum() and each not in "_-./: " for each in value)
    return (letters and digits and (quoted or len(value) >= 8)) or (letters and signs) or likely.drawn(value)  # noqa: PLR2004


_CERTAIN = re.compile(r"[A-Za-z0-9+/_.~!@#$%^&*=-]{16,}")
_SOME_DIGIT = re.compile(r"[0-9]")
_BEGUN = re.compile(r"[A-Za-z0-9+/_.~!@#$%^&*=-]{20,128}", re.ASCII)
_BYTES = re.compile(_BEGUN.pattern.encode())
_CERTAIN_LEAST = 20
_FLEETING = re.compile(
    r"(?i)csrf|xsrf|next|page|cursor|cache|sync|test|example|mock|fake|dummy|hash|digest|checksum|etag"
)


def may_be_certain(raw: bytes, at: int) -> bool:
    """Whether what begins at ``at`` is long and mixed enough for ``certain``, which asks the same first."""
    begun = _BYTES.match(raw, at)
    return begun is not None and _SOME_DIGIT.search(begun[0].decode("ascii")) is not None


def certain(text: str, start: int, end: int) -> Place | None:
    """Like ``assignment``, but only what nobody would take for anything else: a random value of 20 and more."""
    begun = _BEGUN.match(text, end)
    if begun is None or not _SOME_DIGIT.search(begun[0]):
        return None
    found = pair(text, start, end)
    if found is None or said(found.name) not in (Says.PASSWORD, Says.SECRET) or _FLEETING.search(found.name):
        return None
    value = found.value
    if not _CERTAIN.fullmatch(value) or _loose(found) or not _literal(text, found) or not _stands(text, found):
        return None
    if len(value) < _CERTAIN_LEAST or likely.placeholder(value) or not likely.secret(value, quoted=bool(found.quote)):
        return None
    digits = sum(map(str.isdigit, value))
    sure = likely.is_hex(value) or likely.is_uuid(value) or (digits >= 2 and likely.surprise(value) >= 4.7)  # noqa: PLR2004
    return _whole(text, found) if sure else None


_AROUND = 300
_LONGEST_KEYED = 512
_OTHER = re.compile(
    r"(?i)(?:^|[;\"'\s?&{(,])(?:server|data source|host|hostname|addr(?:ess)?|uid|user id|user|username|endpoint|"
    r"accountname|initial catalog|database|dbname|driver|dsn|port|provider|sharedaccesskeyname|network address)\s?=",
    re.ASCII,
)
_STRING_END = re.compile(r"[;\"'`<>\r\n&]|\s(?=\w+\s?=)|\\[nr\"]|,(?=\w+=)|$", re.ASCII)


def keyed_string(text: str, start: int, _end: int) -> Place | None:
    """The password of a connection string (``Server=…;Password=…;``): another of its keys stands near."""
    low = max(text.rfind("\n", max(0, start - _AROUND), start), start - _AROUND, 0)
    high = text.find("\n", start, start + _AROUND)
    around = text[low : high if high >= 0 else start + _AROUND]
    closing = _STRING_END.search(text, start, start + _LONGEST_KEYED)
    stop = closing.start() if closing is not None else start
    value = text[start:stop].rstrip()
    if not _OTHER.search(around) or not (";" in around or "=" in around) or len(value) < 3:  # noqa: PLR2004
        return None
    if likely.templated(value) or re.match(r"[\[<{*$%+)]|x+$|\.+$", value):
        return None
    return start, start + len(value)


def user_option(text: str, start: int, end: int) -> Place | None:
    """``user:password`` after ``-u``: something that may be a password after the colon, and no hole."""
    user, _, secret = text[start:end].partition(":")
    secret = secret.strip("\"'")
    if not user or likely.templated(secret) or _STAND_IN.fullmatch(secret) or secret.startswith(("$", "<", "{", "/")):
        return None
    return (start, end) if not re.fullmatch(r"\d{1,5}(?::.*)?", secret) and not likely.templated(user) else None


_STAND_IN = re.compile(r"(?i)(?:your|my)?[-_]?(?:password|passwd|pass|pwd|pw|secret|token|x+|\*+|\.+)[-_]?(?:here)?")
_OPTION = re.compile(
    r"[\s\"'=\[(,`]?(?:ENV|ARG|setenv|setx|set(?:[ \t]-[a-z]{1,3})?|#define)?"
    r"[ \t]{0,4}((?:--?)?[A-Za-z0-9_-]+)[ \t]{1,4}([\"']?)([^\s\"'`<>\\|]+)",
    re.ASCII | re.IGNORECASE,
)


def option(text: str, start: int, end: int) -> Place | None:
    """The value of ``--password VALUE``."""
    found = _OPTION.match(text, start, end + _JUDGED)
    if found is None:
        return None
    kind, value = said(found[1]), found[3].rstrip(",;)")
    if kind is None or value.startswith(("-", "$", "<", "{", "/", ".", "[", "%", "@")) or likely.placeholder(value):
        return None
    likes = _key(value) if kind is Says.KEY else chosen(text, found.start(3), found.start(3) + len(value)) is not None
    return (found.start(3), found.start(3) + len(value)) if likes else None


def chosen(text: str, start: int, end: int) -> Place | None:
    """A literal that may be a password or a secret."""
    value = text[start:end].rstrip(",;)")
    if likely.templated(value) or value.startswith(("$", "/", "-", "<")):
        return None
    likes = likely.password(value, quoted=True) or likely.secret(value, quoted=True)
    return (start, start + len(value)) if likes and not likely.code(value) else None


def stated(text: str, start: int, end: int) -> Place | None:
    """A quoted password where a language has a place for one and nothing else (SQL): all but placeholders."""
    value = text[start:end]
    hole = (
        likely.templated(value) or _STAND_IN.fullmatch(value) is not None or value.startswith(("%", ":", "?", "$", "{"))
    )
    return None if hole or any(map(str.isspace, value)) or re.match(r"(?i)your|<|x{3}", value) else (start, end)


_QUESTION = re.compile(
    r"(?i)^(?:the|a|an|not|be|is|in|on|for|and|or|to|too|been|was|used|required|invalid|correct|stored)\b"
)


def spoken(text: str, start: int, end: int) -> Place | None:
    """A password in prose, in a message or a table: it must look like one by itself."""
    value = text[start:end].rstrip(".,;:!?)*]}\"'")
    if likely.templated(value) or likely.placeholder(value) or _QUESTION.match(value) or likely.code(value):
        return None
    if value.startswith(("$", "<", "{", "[", "(", "/", "-", "%", "@", "&", "*", "\\", "#")) or "(" in value:
        return None
    letters, digits = sum(map(str.isalpha, value)), sum(map(str.isdigit, value))
    if len(value) < 6 or not letters or not likely.password(value, quoted=True):  # noqa: PLR2004
        return None
    signs = any(each in "!@#$%^&*~+?" for each in value)
    if not (digits or signs) or not (digits >= 2 or signs or value.lower() != value):  # noqa: PLR2004
        return None
    return (start, start + len(value)) if not re.fullmatch(r"[A-Za-z_]\w*[=\[(].*", value) else None


def near(text: str, start: int, end: int) -> Place | None:
    """What follows the word ``token`` or ``key`` in a message: only what looks drawn at random."""
    value = text[start:end].rstrip(".,;:)]>")
    digits = sum(map(str.isdigit, value))
    if digits < 2 or not likely.drawn(value, least=20) or likely.placeholder(value) or likely.code(value):  # noqa: PLR2004
        return None
    return start, start + len(value)
