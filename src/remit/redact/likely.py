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
    """Mean bits a pair of neighbouring letters and digits: words and names 3 to 4.3, draws from 62 characters about 5.8.

    Pairs with a sign in them don't count, unless they are most of the value; 0 for one character.
    """
    bits = _bits()
    known = [bits[pair] for pair in zip(value, value[1:], strict=False) if pair in bits]
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
    steps = [ord(second) - ord(first) for first, second in zip(value, value[1:], strict=False)]
    even = sum(step in (-1, 0, 1) for step in steps)
    half = len(value) // 2
    return even > _RUN_SHARE * len(steps) or (half >= 8 and value[:half] == value[half : 2 * half])  # noqa: PLR2004


_RANDOM_MIXED = 4.45
_RANDOM_LETTERS = 5.2
_SHORTEST_LETTERS = 14


_JOINTS = re.compile(r"[-_.:]")


def drawn(value: str, *, least: int = 12) -> bool:
    """Whether ``value`` looks drawn at random from letters and digits (with ``+/=_-.~`` among them)."""
    if len(value) < least or runs(value):
        return False
    if is_hex(value) or is_uuid(value) or is_hex(_JOINTS.sub("", value)):
        return True
    bare = value.rstrip("=")
    if not any(each.isdigit() for each in bare):
        mixed = bare != bare.lower() and bare != bare.upper()
        enough = _RANDOM_LETTERS - (0.2 if mixed else 0.0)
        return len(bare) >= _SHORTEST_LETTERS and any(map(str.isalpha, bare)) and surprise(bare) >= enough
    return any(map(str.isalpha, bare)) and surprise(bare) >= _RANDOM_MIXED


_PLACEHOLDER = re.compile(
    r"(?i)your[_.\s-]?|example|sample|placeholder|dummy|change[_.\s-]?(?:me|it|this)|insert[_.\s-]|replace[_.\s-]?(?:me|"
    r"with|this)|redacted|to[_-]?do\b|x{4,}|\*{3,}|\.{3,}|…|not[_-]?a[_-]|not[_-]?real|fake|foobar|lorem|hunter2?\b$^|"
    r"\bmy[_-]?(?:secret|token|password|key|api)|(?:super|top)[_-]?secret|some[_-](?:secret|token|password|key|thing)|"
    r"(?:api|secret|access|private|auth)[_-]?(?:key|token)\b|123456789|abcdefg|<[^<>]{2,}>|(?:^|[_-])here$|^enter[_\s-]|"
    r"^(?:none|null|nil|undefined|true|false|unset|empty|string|secret|password|token|key|test|value|default|admin|root|"
    r"user|username|passwd|pass|pwd|bearer|basic|optional|required|hidden|masked|encrypted|unknown|n/a|tbd)$"
)
_TEMPLATE = re.compile(
    r"^[$%#@:&]\{|^\$\(|^\$\$?[A-Za-z_][\w.:-]*\}?$|^%[A-Za-z_]\w*%$|\$\{|\{\{|\}\}|#\{|<%|%\(\w+\)|^%[sdrvq]$|^\{[\w.!:]*\}|"
    r"\{\w*\}$|^@@|^__\w+__$|^\[[A-Za-z_ .-]+\]$|^\[REDACTED|^<[^<>]*>?$|^[@:]\w+$|^\$\d$|^\?+$|^secret://|^vault:|^arn:|"
    r"^(?:env|process\.env|os\.environ|ENV|secrets|vars|config|settings|self|this|var|local|data|module)\b[.\[(:]|^ssm:|"
    r"^%\w*\(.*\)%$|^!(?:Ref|Sub|GetAtt|vault|secret)|^ENC\[|^op://|^projects/"
)


def placeholder(value: str) -> bool:
    """Whether it stands for a value: ``changeme``, ``<your key>``, ``${TOKEN}``, ``{{ secrets.X }}``, ``xxxx``."""
    return _PLACEHOLDER.search(value[:200]) is not None or _TEMPLATE.search(value[:200]) is not None


def templated(value: str) -> bool:
    """Whether it is a hole to be filled: ``${TOKEN}``, ``%s``, ``{{ x }}``, ``$(cat file)``."""
    return _TEMPLATE.search(value[:200]) is not None


_STRONG = frozenset("!@#$%^&*~+=?;,|\\()[]{}<>")
_CODE = re.compile(
    r"^[A-Za-z_$][\w$]*(?:(?:\.|::|->|\?\.)[A-Za-z_$][\w$]*)+[(\[{;,]?|^[A-Za-z_$][\w$.:]*[(\[{]|=>|\(\)|\)\.|^[&*!][A-Za-z_.]+$|"
    r"^[\w.]+\[|^(?:new|await|lambda|function|return)\b|^-{1,2}[a-z]"
)
_PATH = re.compile(
    r"^(?:[.~]{0,2}/|[A-Za-z]:\\|\\\\)|^[\w.-]+(?:/[\w.-]+){2,}/?$|\.(?:pem|key|txt|json|ya?ml|crt|py|js|go|md)$"
)
_ADDRESS = re.compile(
    r"^[\w.+-]+@[\w-]+(?:\.[\w-]+)+$|://|^\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?$|^[\w-]+(?:\.[\w-]+)+:\d+$"
)
_VERSIONISH = re.compile(
    r"(?i)^(?:v?\d+(?:\.\d+)+[\w.-]*|\d+(?:\.\d+)?\s?[a-z%]{1,3}|\d{4}-\d\d-\d\d.*|(?:sha|md|aes|rs|hs|es|ps|utf|base|"
    r"rsa|ed|p|h|s|x|oauth|saml|http|ipv|pbkdf|bcrypt|scrypt|argon|ascii|latin|iso|rfc|pkcs|win|arm|amd)[_-]?\d{1,5}"
    r"(?:[_-].*)?)$"
)


def code(value: str) -> bool:
    """Whether an unquoted value is an expression, a path or an address and not a literal."""
    if _ADDRESS.search(value):
        return True
    if _CODE.search(value) or _PATH.search(value):
        return not drawn(value.replace(".", ""), least=20)
    return False


_WEAK = frozenset(
    ["letmein", "qwerty", "qwertyuiop", "dragon", "monkey", "iloveyou", "sunshine", "princess", "football", "baseball"]
    + ["welcome", "shadow", "superman", "michael", "master", "trustno", "starwars", "whatever", "asdfgh", "asdfghjkl"]
    + ["zxcvbn", "zxcvbnm", "passw0rd", "swordfish", "hello", "freedom", "charlie", "batman", "jordan", "harley"]
    + ["ranger", "hunter", "soccer", "killer", "george", "andrew", "computer", "pepper", "ginger", "cookie", "cheese"]
    + ["summer", "winter", "spring", "autumn", "tigger", "jessica", "ashley", "bailey", "mustang", "corvette"]
)
_PHRASE = re.compile(r"[A-Za-z]{3,10}(?:[-_. ][A-Za-z]{3,10}){2,9}\d{0,4}")
#: Words of user interfaces and code: a phrase that holds one is a label, no passphrase.
_SPOKEN = frozenset(
    ["password", "passwords", "passphrase", "word", "secret", "token", "key", "user", "username", "reset", "form", "field"]
    + ["input", "label", "error", "invalid", "enter", "your", "the", "is", "must", "not", "new", "old", "login", "sign"]
    + ["auth", "confirm", "change", "forgot", "update", "create", "get", "set", "has", "for", "and", "with", "type"]
    + ["text", "min", "max", "length", "show", "hide", "env", "name", "value", "default", "config", "api", "access", "file"]
    + ["data", "base", "client", "server", "http", "https", "test", "this", "that", "from", "are", "was", "you", "can"]
    + ["public", "private", "session", "request", "response", "header", "policy", "manager", "service", "store"]
)
_LEAST_PASSWORD = 5
_LEAST_DIGITS = 6
_LONGEST_PASSWORD = 128
_RANDOM_WORD = 5.3


def password(value: str, *, quoted: bool) -> bool:
    """Whether a person or a machine may have chosen this as a password: mixed classes, a passphrase, a known weak one."""
    if not _LEAST_PASSWORD + (not quoted) <= len(value) <= _LONGEST_PASSWORD or len(set(value)) < 3:  # noqa: PLR2004
        return value.isdigit() and quoted and len(set(value)) > 1 and len(value) == 4  # noqa: PLR2004 - a PIN
    if placeholder(value) or _ADDRESS.search(value) or _VERSIONISH.fullmatch(value) or _PATH.search(value):
        return False
    if any(map(str.isspace, value)):
        return quoted and _spaced(value)
    letters = sum(map(str.isalpha, value))
    digits = sum(map(str.isdigit, value))
    inner = value[1:].rstrip(".:?!,;")
    strong = any(each in _STRONG for each in inner) or (digits > 0 and value[-1] in _STRONG)
    if not letters:
        return len(value) >= _LEAST_DIGITS and digits > 0
    if digits or strong:
        return quoted or strong or not _identifier(value)
    if value.lower() in _WEAK:
        return True
    if _PHRASE.fullmatch(value):
        return _SPOKEN.isdisjoint(re.split(r"[-_. ]", value.lower())) and len(value) >= 16  # noqa: PLR2004 - three words and their joints
    return len(value) >= 8 and (surprise(value) >= _RANDOM_WORD or _choppy(value))  # noqa: PLR2004


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
    return few and all(re.fullmatch(r"[a-z]{3,10}", word) for word in words) and _SPOKEN.isdisjoint(words)


def _classes(value: str) -> int:
    kinds = (str.islower, str.isupper, str.isdigit)
    return sum(any(map(kind, value)) for kind in kinds) + any(each in _STRONG for each in value[1:])


def secret(value: str, *, quoted: bool) -> bool:
    """Whether a machine made it, or a person chose it, as a secret: drawn at random, or a strong password of 8 and more."""
    if placeholder(value) or _ADDRESS.search(value) or any(map(str.isspace, value)):
        return False
    if drawn(value, least=10):
        return not code(value) or is_uuid(value)
    if len(value) < 8 or _VERSIONISH.fullmatch(value) or _PATH.search(value) or code(value):  # noqa: PLR2004
        return False
    tail = re.split(r"[-_.:/]", value)[-1]
    if len(tail) >= 12 and drawn(tail):  # noqa: PLR2004 - a prefix of words, then a token
        return True
    if _classes(value) >= 3 and len(value) >= 10 and password(value, quoted=quoted):  # noqa: PLR2004
        return True
    digits = sum(map(str.isdigit, value))
    if not quoted and _identifier(value):
        return False
    if digits >= 2 and not value.isdigit():  # noqa: PLR2004
        return surprise(value) >= 3.4  # noqa: PLR2004 - Sup3rS3cret yes, oauth2_token_v1 no
    return bool(digits) and any(each in _STRONG for each in value[1:-1]) and password(value, quoted=quoted)
