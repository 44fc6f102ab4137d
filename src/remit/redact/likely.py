"""How a value looks: drawn at random, chosen as a password, a placeholder, or plain words and code.

``surprise`` measures bits a character under a model of names and words; the rest are yes-or-no questions over one
value. Pure functions, linear in the length of the value.
"""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from functools import cache
from itertools import pairwise

from remit.redact import vocabulary

# Row: a letter; column: the letter after it; half bits of surprise in base 36. Counted over the distinct words of three
# letters and more in the names, comments and docstrings of Python 3.12's standard library (900 files, 37,067 words,
# each weighted by 1 + log2 of the number of files it occurs in), with 2 added to every count.
_PAIRS = (
    *("f988geaiakd697l9k685bcfdci", "6bac7ceg7bf5dd7dh88c7fghag", "6ebb7eg79n88cf5dk9a69gijdm"),
    *("7cb94adg5fg9dd8cia9baffhdl", "9d87babgdkg8a6dad567gcd9ei", "7dbb87ef4jh8cd6cj8a99gghck"),
    *("9dce3eb87lg9c89dl68b9ggigf", "5eec4egf6odbbd5djab8bhghbl", "ab89aaaihlg8947bia77ibkdqb"),
    *("6cba5adgadbdcb6cie6e6daiei", "8cba3cae6ed9babbhc7aadbidj", "6eca4efh5jf7ed6ckd9aaehi9l"),
    *("5adc4efh7leaae76ie9daghhfj", "8e877b6f9iccec8dje75bahjfj", "cb99fcbhbhd885a8l6998baeij"),
    *("6fcb6efa9mf7ee79j698aefjal", "dbdbfbggdjj7ddhdc98a2bhihf", "6eaa4dci6mdbab7cja88bdgmbo"),
    *("af8d5cf97kdacd99dd859edhbl", "7eac5cf85lgbde8bh68abgfiai", "98ab9ccm9nk785d8o676jhlgkk"),
    *("5dbc3def6lkddd9clcabihdidk", "6dcb6dd85kcbc87ci78cfgefij", "ac8b6cec7kgb8db5fcb4defbbg"),
    *("acab8baf9ig888a5ha67fdbfdd", "7fdd2dfe6jfccg9cgddaehghcc"),
)
_HUMP = 5.0  # bits of a capital after a small letter, of a letter after a digit, ...
_LETTER_DIGIT = 4.5
_DIGIT_LETTER = 5.5
_DIGIT_DIGIT = 3.3
_BREAK = 2.0
_FEW_SIGNS = 0.4
_JUDGED = 96  # characters that tell what a value is
_KNOWN = string.ascii_letters + string.digits


@cache
def _bits() -> dict[tuple[str, str], float]:
    table: dict[tuple[str, str], float] = {}
    for first in _KNOWN:
        for second in _KNOWN:
            if first.isdigit():
                bits = _DIGIT_DIGIT if second.isdigit() else _DIGIT_LETTER
            elif second.isdigit():
                bits = _LETTER_DIGIT
            elif first.islower() and second.isupper():
                bits = _HUMP
            else:
                row = _PAIRS[ord(first.lower()) - 97]
                bits = int(row[ord(second.lower()) - 97], 36) / 2
            table[first, second] = bits
    return table


def surprise(value: str) -> float:
    """Mean bits a pair of neighbouring letters and digits: words and names 3 to 4.3, draws from all 62 about 5.8.

    Pairs with a sign in them don't count, unless they are most of the value; 0 for one character.
    """
    bits = _bits()
    known = [bits[pair] for pair in pairwise(value) if pair in bits]
    others = max(len(value) - 1 - len(known), 0)
    if others > _FEW_SIGNS * len(value):
        return (sum(known) + others * _BREAK) / (len(known) + others)
    return sum(known) / len(known) if known else 0.0


def entropy(value: str) -> float:
    """Shannon entropy in bits a character."""
    total = len(value)
    return -sum(n / total * math.log2(n / total) for n in Counter(value).values()) if total else 0.0


_HEX = re.compile(r"[0-9a-f]{16,}|[0-9A-F]{16,}")
_UUID = re.compile(r"(?i)[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_LEAST_DIFFERENT = 6
_RUN_SHARE = 0.4


def is_hex(value: str) -> bool:
    """16 and more digits of one case, letters and digits both."""
    return _HEX.fullmatch(value) is not None and not value.isdigit() and not value.isalpha()


def is_uuid(value: str) -> bool:
    """The form of RFC 9562, in either case, and not all one digit."""
    return _UUID.fullmatch(value) is not None and len(set(value)) > _LEAST_DIFFERENT


def runs(value: str) -> bool:
    """Whether it counts up or down, or repeats: ``abcdefgh12345678``, ``aaaa``, ``deadbeefdeadbeef``."""
    if len(set(value)) < min(_LEAST_DIFFERENT, len(value)):
        return True
    steps = [ord(second) - ord(first) for first, second in pairwise(value)]
    even = sum(step in (-1, 0, 1) for step in steps)
    half = len(value) // 2
    return even > _RUN_SHARE * len(steps) or (half >= 8 and value[:half] == value[half : 2 * half])  # noqa: PLR2004


_RANDOM_MIXED = 4.45
_RANDOM_LETTERS = 5.2
_SHORTEST_LETTERS = 14


_DIGIT = re.compile(r"[0-9]")
_LETTER = re.compile(r"[A-Za-z]")
_JOINTS = re.compile(r"[-_.:]")


def drawn(value: str, *, least: int = 12) -> bool:
    """Whether ``value`` looks drawn at random from letters and digits (with ``+/=_-.~`` among them)."""
    if len(value) < least:
        return False
    value = value[:_JUDGED]
    if runs(value):
        return False
    if is_hex(value) or is_uuid(value) or is_hex(_JOINTS.sub("", value)):
        return True
    bare = value.rstrip("=")
    if not _DIGIT.search(bare):
        mixed = bare != bare.lower() and bare != bare.upper()
        enough = _RANDOM_LETTERS - (0.2 if mixed else 0.0)
        return len(bare) >= _SHORTEST_LETTERS and _LETTER.search(bare) is not None and surprise(bare) >= enough
    return _LETTER.search(bare) is not None and surprise(bare) >= _RANDOM_MIXED


_NAMED = re.compile(r"(?:api|secret|access|private|auth)[_-]?(?:key|token)(?![a-z0-9])|<[^<>]{2,}>")
_HOLES = ("${", "{{", "}}", "#{", "<%", "$(")
_HOLE = re.compile(
    r"[$%#@:&]\{|\$\$?[A-Za-z_][\w.:-]*\}?$|%[A-Za-z_]\w*%$|%[sdrvq]$|\{[\w.!:]*\}|@@|__\w+__$|\[[A-Za-z_ .-]+\]$|"
    r"\[REDACTED|<[^<>]*>?$|[@:]\w+$|\$\d$|\?+$|vault:|arn:|%\w*\(.*\)%$|"
    r"(?:env|process\.env|os\.environ|ENV|secrets|vars|config|settings|self|this|var|local|data|module)\b[.\[(:]|ssm:|"
    r"!(?:Ref|Sub|GetAtt|vault|secret)|ENC\[|op://|projects/"
)
_SIGNS = re.compile(r"[{}<(]")
_HOLE_END = re.compile(r"%\(\w{1,60}\)|\{\w*\}\Z")


def placeholder(value: str) -> bool:
    """Whether it stands for a value: ``changeme``, ``<your key>``, ``${TOKEN}``, ``{{ secrets.X }}``, ``xxxx``."""
    told = value[:_JUDGED].lower()
    if told in vocabulary.STAND_INS or told.startswith("enter"):
        return True
    for part in vocabulary.STAND_IN_PARTS:  # a loop: half the time of any()
        if part in told:
            return True
    if told.endswith(("_here", "-here")) or (("key" in told or "token" in told or "<" in told) and _NAMED.search(told)):
        return True
    return templated(value)


def templated(value: str) -> bool:
    """Whether it is a hole to be filled: ``${TOKEN}``, ``%s``, ``{{ x }}``, ``$(cat file)``."""
    told = value[:_JUDGED]
    if _HOLE.match(told) or (_SIGNS.search(told) and any(hole in told for hole in _HOLES)):
        return True
    return ("%(" in told or told.endswith("}")) and _HOLE_END.search(told) is not None


_STRONG = frozenset("!@#$%^&*~+=?;,|\\()[]{}<>")
_CODE = re.compile(
    r"[A-Za-z_$][\w$]*(?:(?:\.|::|->|\?\.)[A-Za-z_$][\w$]*)+[(\[{;,]?|[A-Za-z_$][\w$.:]*[(\[{]|[&*!][A-Za-z_.]+$|"
    r"[\w.]+\[|(?:new|await|lambda|function|return)\b|-{1,2}[a-z]",
    re.ASCII,
)
_CODE_PARTS = ("=>", "()", ").")
_PATH = re.compile(r"(?:[.~]{0,2}/|[A-Za-z]:\\|\\\\)|[\w.-]+(?:/[\w.-]+){2,}/?$", re.ASCII)
_FILE_ENDS = (
    ".pem",
    ".key",
    ".txt",
    ".json",
    ".yaml",
    ".yml",
    ".crt",
    ".py",
    ".js",
    ".go",
    ".md",
    ".cfg",
    ".conf",
    ".pub",
)
_ADDRESS = re.compile(
    r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+$|\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?$|[\w-]+(?:\.[\w-]+)+:\d+$", re.ASCII
)
_VERSIONISH = re.compile(
    r"(?i)^(?:v?\d+(?:\.\d+)+[\w.-]*|\d+(?:\.\d+)?\s?[a-z%]{1,3}|\d{4}-\d\d-\d\d.*|(?:sha|md|aes|rs|hs|es|ps|utf|base|"
    r"rsa|ed|p|h|s|x|oauth|saml|http|ipv|pbkdf|bcrypt|scrypt|argon|ascii|latin|iso|rfc|pkcs|win|arm|amd)[_-]?\d{1,5}"
    r"(?:[_-].*)?)$"
)


def address(value: str) -> bool:
    """Whether it is a URL, a mail address, or a host with or without a port."""
    return "://" in value or _ADDRESS.match(value) is not None


def path(value: str) -> bool:
    """Whether it names a file."""
    return _PATH.match(value) is not None or value.endswith(_FILE_ENDS)


def code(value: str) -> bool:
    """Whether an unquoted value is an expression, a path or an address and not a literal."""
    if address(value):
        return True
    if _CODE.match(value) or any(part in value for part in _CODE_PARTS) or path(value):
        return not drawn(value.replace(".", ""), least=20)
    return False


_PHRASE = re.compile(r"[A-Za-z]{3,10}(?:[-_. ][A-Za-z]{3,10}){2,9}\d{0,4}")
_LEAST_PASSWORD = 5
_LEAST_DIGITS = 6
_LONGEST_PASSWORD = 128
_RANDOM_WORD = 5.3


def password(value: str, *, quoted: bool) -> bool:
    """Whether this may have been chosen as a password: mixed classes, a passphrase, a known weak one."""
    if not _LEAST_PASSWORD + (not quoted) <= len(value) <= _LONGEST_PASSWORD or len(set(value)) < 3:  # noqa: PLR2004
        return quoted and _pin(value)
    if placeholder(value) or address(value) or _VERSIONISH.fullmatch(value) or path(value):
        return False
    if any(map(str.isspace, value)):
        return quoted and _spaced(value)
    digits = sum(map(str.isdigit, value))
    if not any(map(str.isalpha, value)):
        return len(value) >= _LEAST_DIGITS and digits > 0
    strong = any(each in _STRONG for each in value[1:].rstrip(".:?!,;")) or (digits > 0 and value[-1] in _STRONG)
    if digits or strong:
        return quoted or strong or not _identifier(value)
    return _lettered(value)


def _pin(value: str) -> bool:
    return value.isdigit() and len(set(value)) > 1 and len(value) == 4  # noqa: PLR2004 - as cards and doors have


def _lettered(value: str) -> bool:
    """Letters alone: a known weak one, a passphrase, or a random draw."""
    if _PHRASE.fullmatch(value):
        words = re.split(r"[-_. ]", value.lower())
        return vocabulary.SPOKEN.isdisjoint(words) and len(value) >= 16  # noqa: PLR2004 - three words and their joints
    drawn_so = len(value) >= 8 and (surprise(value) >= _RANDOM_WORD or _choppy(value))  # noqa: PLR2004
    return drawn_so or value.lower() in vocabulary.WEAK


_WORD = re.compile(r"[A-Za-z]{5,24}")
_NO_PASSWORD = re.compile(
    r"(?i)pass|word|secret|token|text|string|bytes|varchar|char|plain|basic|bearer|field|input|label|required|optional|"
    r"false|true|null|none|default|hidden|enabled|disabled|invalid|missing|number|object|encrypt|hash|auth|login|user|"
    r"name|value|config|local|prompt|random|generate|manual|unknown|change|update|create|delete|reset|forgot|confirm|"
    r"current|master|admin$|email|phone|private|public|provider|source|static|dynamic|always|never|header|query|cookie"
)


def word(value: str) -> bool:
    """One plain word that nothing speaks against: weak, but where a quoted password stands it is one (``tiger``)."""
    return _WORD.fullmatch(value) is not None and _NO_PASSWORD.search(value) is None and not placeholder(value)


_SYLLABLES = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_SHORT_SYLLABLE = 2.7


def _choppy(value: str) -> bool:
    """Letters whose case changes too often for words joined: ``WiOiANaiLB``."""
    pieces = _SYLLABLES.findall(value)
    return len(pieces) >= 3 and len(value) / len(pieces) < _SHORT_SYLLABLE  # noqa: PLR2004


_NAMEISH = re.compile(
    r"(?i)pass|pwd|secret|token|key|auth|user|arg|param|value|data|conf|str|text|num|count|idx|index|var|tmp|cred|hash|"
    r"input|result|resp|req|test|obj|item|self|field|buf|byte|line|name|type|node|func|cls"
)


def _identifier(value: str) -> bool:
    """Whether an unquoted word with digits is rather the name of a variable: ``token2``, ``password_v1``."""
    if not re.fullmatch(r"[A-Za-z_]\w*", value):
        return False
    return not drawn(value) and (_NAMEISH.search(value) is not None or "_" in value)


def _spaced(value: str) -> bool:
    """A passphrase of words with blanks: four small words and more, none of a label's."""
    words = value.split(" ")
    few = 4 <= len(words) <= 24  # noqa: PLR2004 - BIP 39's longest
    return few and all(re.fullmatch(r"[a-z]{3,10}", word) for word in words) and vocabulary.SPOKEN.isdisjoint(words)


def _classes(value: str) -> int:
    kinds = (str.islower, str.isupper, str.isdigit)
    return sum(any(map(kind, value)) for kind in kinds) + any(each in _STRONG for each in value[1:])


_LEAST_SECRET = 8
_PLAINEST = 3.4  # bits: Sup3rS3cret has more, oauth2_token_v1 less


def secret(value: str, *, quoted: bool) -> bool:
    """Whether it is a machine's secret, or a person's: drawn at random, or a strong password of 8 and more."""
    if placeholder(value) or address(value) or any(map(str.isspace, value)):
        return False
    if drawn(value, least=10):
        return not code(value) or is_uuid(value)
    if len(value) < _LEAST_SECRET or _VERSIONISH.fullmatch(value) or path(value) or code(value):
        return False
    tail = re.split(r"[-_.:/]", value)[-1]
    if len(tail) >= 12 and drawn(tail):  # noqa: PLR2004 - a prefix of words, then a token
        return True
    return _strong(value, quoted=quoted)


def _strong(value: str, *, quoted: bool) -> bool:
    if _classes(value) >= 3 and len(value) >= 10 and password(value, quoted=quoted):  # noqa: PLR2004
        return True
    digits = sum(map(str.isdigit, value))
    if not quoted and _identifier(value):
        return False
    if digits >= 2 and not value.isdigit():  # noqa: PLR2004
        return surprise(value) >= _PLAINEST
    return bool(digits) and any(each in _STRONG for each in value[1:-1]) and password(value, quoted=quoted)
