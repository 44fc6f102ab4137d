"""The last word on what a rule's pattern matched, where a pattern can't say it.

Every judge takes the whole text (one character for each byte) and the place of the secret in it. It answers with the
place to be masked, which may be narrower or reach further, or with ``None``: no secret. A judge reads a bounded part of
the text around the place, so that its cost doesn't grow with the text.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping

from remit.redact import likely, pem
from remit.redact.named import (
    assignment,
    certain,
    chosen,
    keyed_string,
    may_be_certain,
    near,
    option,
    spoken,
    stated,
    user_option,
)

__all__ = [
    "GLANCES",
    "assignment",
    "authorization",
    "bearer",
    "certain",
    "chosen",
    "cookies",
    "credentials",
    "crypt",
    "drawn",
    "entropic",
    "jwk",
    "keyed_string",
    "near",
    "option",
    "prefixed",
    "private_key",
    "putty_key",
    "random_key",
    "real",
    "signature",
    "spoken",
    "stated",
    "user_option",
    "userinfo",
    "userinfo_any",
    "wif",
]

type Place = tuple[int, int]

#: Of judges that mostly say no: what they ask first, about where the secret would begin (``rules.Glance``).
GLANCES: Mapping[str, Callable[[bytes, int], bool]] = {"certain": may_be_certain}

_SOME_DIGITS = 3
_UNBROKEN = 20


def random_key(text: str, start: int, end: int) -> Place | None:
    """Whether what follows ``sk-`` looks drawn at random; CSS classes and package names don't."""
    token = text[start:end]
    if token.startswith(("sk-ssh-", "sk-ecdsa-")):
        return None  # names of OpenSSH's key types
    digits = sum(each.isdigit() for each in token)
    likely_key = digits >= _SOME_DIGITS or (digits > 0 and token != token.lower())
    return (start, end) if likely_key else None


def bearer(text: str, start: int, end: int) -> Place | None:
    """A digit, or a long word without a break: ``Bearer not-a-real-token`` is prose."""
    token = text[start:end]
    broken = any(each.isdigit() for each in token) or re.search(rf"[A-Za-z]{{{_UNBROKEN}}}", token) is not None
    return (start, end) if broken else None


def credentials(text: str, start: int, end: int) -> Place | None:
    """Whether it is the base64 of ``user:password`` (RFC 7617)."""
    bare = text[start:end].rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        plain = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    readable = all(byte >= 0x20 and byte != 0x7F for byte in plain)  # noqa: PLR2004 - ASCII controls
    return (start, end) if b":" in plain and readable else None


_WORDY = re.compile(r"(?i)(?:basic|bearer|token|digest|negotiate|apikey|api-key|aws4-hmac-sha256)$")
_TO_END = re.compile(r"[^\s\"'`<>\\,;)}\]]{1,4096}", re.ASCII)
_JUDGED = 128  # characters of a value that decide; what is masked may be longer


def authorization(text: str, start: int, end: int) -> Place | None:
    """The credentials of an ``Authorization`` header, whatever their scheme: no hole, no expression, no word."""
    whole = _TO_END.match(text, start)
    end = max(end, whole.end()) if whole is not None else end
    token = text[start : min(end, start + _JUDGED)]
    if likely.placeholder(token) or _WORDY.search(token) or text[end : end + 1] == "(":
        return None
    if likely.drawn(token) or credentials(text, start, end):
        return start, end
    digits = sum(map(str.isdigit, token))
    return (
        (start, end)
        if digits >= _SOME_DIGITS and not likely.code(token) and likely.secret(token, quoted=True)
        else None
    )


_CRUMBS = re.compile(r"[^\r\n\"'`\\]{8,4096}", re.ASCII)
_FIRST_CRUMBS = 600
_CRUMB = re.compile(r"[^=;,\s]{1,100}=([^;,\s]*)", re.ASCII)


def cookies(text: str, start: int, end: int) -> Place | None:
    """Everything from the first crumb of a ``Cookie`` whose value looks drawn at random to the last such one."""
    line = _CRUMBS.match(text, start)
    stop = line.end() if line is not None else end
    held = [
        each.span(1)
        for each in _CRUMB.finditer(text, start, min(stop, start + _FIRST_CRUMBS))
        if likely.drawn(each[1][:_JUDGED], least=16)
    ]
    return (held[0][0], held[-1][1]) if held else None


def drawn(text: str, start: int, end: int) -> Place | None:
    """Whether it looks drawn at random, and stands for nothing else."""
    token = text[start:end]
    return (start, end) if likely.drawn(token) and not likely.placeholder(token) else None


def real(text: str, start: int, end: int) -> Place | None:
    """Anything but a placeholder: for forms that nothing else has."""
    token = text[start:end]
    return None if likely.templated(token) or _FILLED.search(token) or likely.runs(token[-12:]) else (start, end)


_FILLED = re.compile(r"(?i)x{6,}|\.{3,}|\*{3,}|0{10,}|your[-_]|example|placeholder|123456789|abcdefgh")


# Words in front of an underscore or a dash that make what follows a secret; the others name a thing.
_SECRET_PREFIX = re.compile(
    r"(?i)(?:^|[_-])(?:sk|rk|secret|sec|key|tok|token|pat|api|apikey|priv|private|auth|access|refresh|whsec|pw|pass|"
    r"live|prod|production|sandbox|admin|service|srv|svc|deploy|oauth|cli|bot|user|org|team|personal|pk_live)(?=[_-])"
)
_ID_PREFIX = re.compile(
    r"(?i)^(?:sha\d*|md5|css|chunk|main|index|commit|rev|uuid|id|img|image|nonce|h1|v\d|pk|pub|evt|pi|ch|cus|price|prod|in|"
    r"sub|acct|txn|req|msg|chatcmpl|call|run|thread|file|resp|toolu|org|proj|user|asst|step|rs|fc|seti|cs|src|card|tok|"
    r"ba|si|ii|po|tr|re|pm|plink|ip|vs|wh|item|job|task|session|trace|span|node|pod|vol|snap|ami|i|eni|vpc|subnet|sg|rtb|"
    r"igw|elb|arn|layer|container|build|release|deployment|web|app|vendor|runtime|style|styles|font|svelte|jsx|sc|emotion|"
    r"data|ref|key|batch|ft|ftjob|vec|dpl|prj|team|usr|ord|inv|pay|tx|order|invoice|test|tmp|temp|cache|etag|rid|cid|oid)$"
)
_PARTS = re.compile(r"^((?:[A-Za-z][A-Za-z0-9]{0,15}[_-]){1,4})([A-Za-z0-9+/=_.-]+)$")
_RUN = re.compile(r"[A-Za-z0-9+/=_.-]{0,400}", re.ASCII)
_PREFIXED_LEAST = 20
_SURE = 4.9


def prefixed(text: str, start: int, end: int) -> Place | None:
    """Words that say secret, then a long random tail (``acme_live_4f…``): how vendors write keys nowadays."""
    run = _RUN.match(text, end)
    end = run.end() if run is not None else end
    token = text[start:end].rstrip(".-_")
    parts = _PARTS.match(token)
    if parts is None or likely.placeholder(token) or len(token) > _LONGEST_TOKEN:
        return None
    words, tail = parts[1], parts[2].rstrip("=")
    if not _SECRET_PREFIX.search("_" + words) or "pub" in words.lower() or words.lower().startswith(("pk_", "id_")):
        return None
    plain = re.sub(r"[^A-Za-z0-9]", "", tail)
    least = 32 if likely.is_hex(plain) else _PREFIXED_LEAST
    digits = sum(map(str.isdigit, plain))
    if len(plain) < least or digits < 2 or not likely.drawn(plain) or len(plain) < 0.8 * len(tail):  # noqa: PLR2004
        return None
    sure = likely.is_hex(plain) or likely.surprise(plain) >= _SURE
    return (start, start + len(token)) if sure else None


_LONGEST_TOKEN = 400
_LONGEST_ENTROPIC = 128
_LEAST_ENTROPIC = 24
_BITS = 3.7
_TOKEN = re.compile(r"[A-Za-z0-9+/=_~.-]{0,160}", re.ASCII)
_TOLD = re.compile(
    r"(?i)(?:sha[-_]?\d*|md5|crc|hash|digest|checksum|integrity|etag|h1|fingerprint|thumbprint|nonce|trace\w*|span\w*|"
    r"request|correlation|x-amz-id-2|uuid|guid|commit|revision|rev|sitekey|(?:public|pub)(?:[ _-]?key)?|cert\w*|"
    r"base64,?|cid|clid|version|build|cursor|page|name|class\w*|id|ids|src|href|url|uri|path|file\w*|image|img|font|icon|data|"
    r"payload|signature|body|content|blob|state|modulus|x5c|x5t(?:#s256)?|kid|resolved|ref|sum|snapshot|encoded|"
    r"avatar|thumbnail|sourcemap\w*|mapping\w*|ssh-(?:rsa|ed25519|dss)|ecdsa-[\w-]+|tracking|ray|via|cache|"
    r"key_?id|expected|output)"
    r"[\"'\])]{0,3}\s{0,4}[:=(,>-]{0,2}[ \t]{0,4}(?:\w\()?[\"'`]?$"
)
_SEGMENT = re.compile(r"[A-Za-z0-9]+")
_STANDARD = re.compile(
    r"^(?:Qm[1-9A-HJ-NP-Za-km-z]{44}|baf[a-z2-7]{50,}|[13][1-9A-HJ-NP-Za-km-z]{25,34}|0x[0-9a-fA-F]+)$"
)
_PUBLIC_FORM = re.compile(
    r"^(?:pk[._]|pub|6L[cdef]|sha\d|AAAA[BCE]|MII|UA-|G-|GTM-|ca-pub|data:|eyJ|iVBOR|R0lGOD|/9j/|PHN2Zy|UklGR|d09GM)"
)


def entropic(text: str, start: int, end: int) -> Place | None:
    """A run of 24 to 128 characters of three classes that looks drawn at random, and that nothing explains.

    Explained are digests, ids, addresses, paths, public keys and encoded data: by what stands in front, by their form,
    or by their company (lines of nothing but base64).
    """
    run = _TOKEN.match(text, end)
    end = run.end() if run is not None else end
    token = text[start:end].rstrip(".-~")
    end = start + len(token)
    bare = token.rstrip("=")
    if not _LEAST_ENTROPIC <= len(token) <= _LONGEST_ENTROPIC or not _classes(bare):
        return None
    if likely.entropy(bare) < _BITS or not likely.drawn(bare, least=_LEAST_ENTROPIC):
        return None
    if likely.surprise(bare) < _SURE or _STANDARD.match(token) or _PUBLIC_FORM.match(token) or _pathlike(bare):
        return None
    if _ID_PREFIX.match(re.split(r"[_-]", token, maxsplit=1)[0]) and token[:24].rstrip("_-").count("_") + token.count(
        "-"
    ):
        return None
    if likely.placeholder(token) or _TOLD.search(text[max(0, start - 60) : start]) or _in_data(text, start, end):
        return None
    return start, end


def _classes(token: str) -> bool:
    lower = sum(map(str.islower, token))
    upper = sum(map(str.isupper, token))
    digits = sum(map(str.isdigit, token))
    return min(lower, upper, digits) >= 2 and lower + upper + digits >= 0.85 * len(token)  # noqa: PLR2004


def _pathlike(token: str) -> bool:
    """Most of it words joined by slashes, dots and dashes."""
    segments = _SEGMENT.findall(token)
    wordy = sum(len(each) for each in segments if len(each) > 2 and not likely.drawn(each, least=6))  # noqa: PLR2004
    return len(segments) > 1 and wordy > 0.4 * len(token)


_ALONE = re.compile(r"[ \t>#*/\"'+]{0,16}[A-Za-z0-9+/=_-]{24,}[\"'\\,+ \t]{0,8}(?:\r?$|$)", re.ASCII | re.MULTILINE)


def _in_data(text: str, start: int, end: int) -> bool:
    """Whether the token fills its line, and a line beside it looks the same: base64 in lines."""
    begin = text.rfind("\n", max(0, start - 200), start) + 1
    if start - begin > 20 or not _ALONE.match(text, begin):  # noqa: PLR2004
        return text[end : end + 1] in ("/", "@") or text[max(0, start - 1) : start] in ("@", "#")
    if "-----BEGIN" in text[max(0, begin - 60) : begin]:
        return True  # what is private of such blocks has a rule of its own
    after = text.find("\n", end, end + 40)
    previous = text.rfind("\n", max(0, begin - 200), max(0, begin - 1)) + 1
    return (after >= 0 and _ALONE.match(text, after + 1) is not None) or (
        previous < begin and _ALONE.match(text, previous) is not None
    )


_CRYPT = re.compile(
    r"\$(?:2[abxy]?|5|6|1|y|7|apr1|argon2(?:id|i|d)|pbkdf2[\w-]*|scrypt|sha512|sha256)\$[\w./$,=+-]{20,300}", re.ASCII
)


def crypt(text: str, start: int, end: int) -> Place | None:
    """All of a password hash as crypt writes it, or in PHC's form."""
    match = _CRYPT.match(text, start)
    return (start, max(end, match.end())) if match is not None else None


def jwk(text: str, start: int, end: int) -> Place | None:
    """A private member of a JSON Web Key (RFC 7518): ``kty`` stands in the same object."""
    low, high = max(0, start - 2000), end + 2000
    return (start, end) if '"kty"' in text[low:high].replace("'", '"').replace('\\"', '"') else None


def signature(text: str, start: int, end: int) -> Place | None:
    """The signature of a URL that carries its own permission (SAS, presigned): other parameters of one stand near."""
    around = text[max(0, start - 900) : end + 900]
    signed = re.search(
        r"(?i)[?&;](?:se|sv|sp|expires|x-amz-[a-z]+|x-goog-[a-z]+|key-pair-id|sr|awsaccesskeyid|skn)=", around
    )
    return (start, end) if signed is not None and not likely.placeholder(text[start:end]) else None


_LINES = re.compile(r"(?:[A-Za-z0-9+/=]{1,80}(?:\r?\n|\\r\\n|\\n|$)){1,400}", re.ASCII)


def putty_key(text: str, start: int, end: int) -> Place | None:
    """The private lines of a PuTTY key (``Private-Lines: 14``) and its MAC."""
    lines = _LINES.match(text, end)
    stop = lines.end() if lines is not None else end
    mac = re.compile(r"Private-MAC: [0-9a-f]{16,64}").match(text, stop)
    return (start, mac.end() if mac is not None else stop) if stop > end else None


_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def wif(text: str, start: int, end: int) -> Place | None:
    """A Bitcoin key in wallet import format: its base58 checksum (double SHA-256) has to hold."""
    number = 0
    for each in text[start:end]:
        number = number * 58 + _BASE58.index(each)
    data = number.to_bytes(max((number.bit_length() + 7) // 8, 5), "big")
    body, check = data[:-4], data[-4:]
    return (start, end) if hashlib.sha256(hashlib.sha256(body).digest()).digest()[:4] == check else None


# A mask, or a hole to be filled, is no password.
_TEMPLATE = re.compile(
    r"\[REDACTED:|(?:\$?\{[^{}\s]{1,80}\}|\$\([^()]{1,80}\)|\$[A-Z_][A-Z0-9_]{0,80}"
    r"|%\(\w{1,80}\)s|%s|\*{2,80}|<[^<>\s]{1,80}>)@",
    re.ASCII,
)
_HOLES = re.compile(
    r"(?:\$?\{\{?[\w.$:-]*\}?|<[^<>]*>?|%[sdv]|%\([^)]*\)s?|\$\(.*|\$[a-z_]+|\[[a-z_ -]+\]|"
    r"\*{2,}|x{3,}|\.{2,}|#\{.*|%[A-Z_]+%|:\w+)$",
    re.ASCII,
)


def userinfo(text: str, start: int, end: int) -> Place | None:
    """Whether ``user:password`` of a URL holds a password, and not a hole to be filled (``${DB_PASSWORD}``)."""
    colon = text.index(":", start, end)
    if _TEMPLATE.match(text, colon + 1) or _HOLES.match(text, colon + 1, end):
        return None
    return start, end


_HTTP = re.compile(r"(?i)https?$")
_STORES = re.compile(r"(?i)(?:postgres(?:ql)?|mysql2?|mariadb|mongodb)(?:\+[a-z0-9]{1,20})?$")
_WORD_FOR_IT = re.compile(r"(?i)(?:your)?[-_]?(?:password|passwd|pass|pwd|pw|secret|token|p|x+)")


def userinfo_any(text: str, start: int, end: int) -> Place | None:
    """Like ``userinfo`` for any scheme but http's; ``user:password@`` holds none.

    In the address of a database even that is masked: people do use such passwords there.
    """
    scheme = text[max(0, start - 40) : max(0, start - 3)]
    if _HTTP.search(scheme):
        return None
    found = userinfo(text, start, end)
    if found is None or _STORES.search(scheme):
        return found
    sample = text[start:end] == "scott:tiger"  # of Oracle's and SQLAlchemy's documentation
    return None if sample or _WORD_FOR_IT.fullmatch(text, text.index(":", start, end) + 1, end) else found


def private_key(text: str, start: int, end: int) -> Place | None:
    """From a BEGIN line of a PEM private key to its END line; an unclosed one to the end of the text. See ``pem``."""
    return pem.key(text, start, end)
