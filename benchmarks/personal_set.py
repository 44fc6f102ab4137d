"""A development set of personal data, made at run time: texts, and where in them something must be covered.

Two halves with templates, formats and regions of their own: ``tuned`` was looked at while the rules were written, case
by case; of ``held`` only the totals were. Numbers are drawn so that check digits hold, nothing is anybody's on purpose.
"""

from __future__ import annotations

import random
import string
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import phonenumbers

from remit.redact.personal.digits import luhn, mod97


@dataclass(frozen=True, slots=True)
class Case:
    """A text with the value that must be covered, whole; benign without one (``kind``: what it looks like)."""

    kind: str
    text: str
    value: str


def digits(rand: random.Random, count: int) -> str:
    return "".join(rand.choice(string.digits) for _ in range(count))


# ------------------------------------------------------------------------------------------------------------ values

_FIRST = ("ada", "grace", "linus", "chidi", "mar\u00eda", "j\u00fcrgen", "o'neil", "x", "kim.lee", "a_b", "s-v", "jo3")
_LAST = ("lovelace", "hopper", "m\u00fcller", "garcia", "nguyen", "oconnor", "s\u00f8rensen", "k")
_HOST = (
    "example.org",
    "mail.example.co.uk",
    "b\u00fccher.example",
    "xn--bcher-kva.example",
    "a-b.example.com",
    "sub.dept.example.museum",
)


def email(rand: random.Random) -> str:
    local = (
        rand.choice(_FIRST)
        + rand.choice(("", ".", "_", "+", "-"))
        + rand.choice(_LAST)
        + rand.choice(("", digits(rand, 2)))
    )
    if rand.random() < 0.08:
        local = f'"{rand.choice(_FIRST)} {rand.choice(_LAST)}"'
    return f"{local}@{rand.choice(_HOST)}"


def upper_email(rand: random.Random) -> str:
    host = rand.choice(("example.com", "example.io", "mx1.example.fr"))
    return f"{rand.choice(_FIRST)}.{rand.choice(_LAST)}+{digits(rand, 3)}@{host}".upper()


def phone(
    rand: random.Random, regions: tuple[str, ...], forms: tuple[Callable[[phonenumbers.PhoneNumber, str], str], ...]
) -> str:
    region = rand.choice(regions)
    for _ in range(200):
        example = phonenumbers.example_number_for_type(
            region, rand.choice((phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE))
        )
        national = phonenumbers.national_significant_number(example)
        drawn = national[:-5] + digits(rand, 5)
        number = phonenumbers.parse(f"+{example.country_code}{drawn}")
        if phonenumbers.is_valid_number(number):
            return rand.choice(forms)(number, region)
    raise AssertionError(region)


def _national(number: phonenumbers.PhoneNumber, region: str) -> str:
    del region
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)


def _international(number: phonenumbers.PhoneNumber, region: str) -> str:
    del region
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def _e164(number: phonenumbers.PhoneNumber, region: str) -> str:
    del region
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _dialled(number: phonenumbers.PhoneNumber, region: str) -> str:
    return "00" + _international(number, region)[1:]


def _dotted(number: phonenumbers.PhoneNumber, region: str) -> str:
    return _international(number, region).replace(" ", ".").replace("-", ".")


def _dashed(number: phonenumbers.PhoneNumber, region: str) -> str:
    return _international(number, region).replace(" ", "-")


def _bracketed(number: phonenumbers.PhoneNumber, region: str) -> str:
    first, *rest = _international(number, region).split(" ", 1)
    return f"{first} (0) {rest[0]}" if region in {"DE", "GB", "CH", "AT"} else _international(number, region)


def ssn(rand: random.Random) -> str:
    area = rand.choice([each for each in range(1, 900) if each != 666])
    joint = rand.choice(("-", "-", "-", " "))
    return f"{area:03}{joint}{rand.randint(1, 99):02}{joint}{rand.randint(1, 9999):04}"


_PREFIXES = (
    ("4", 16),
    ("4", 16),
    ("51", 16),
    ("55", 16),
    ("2221", 16),
    ("34", 15),
    ("37", 15),
    ("6011", 16),
    ("65", 16),
    ("3530", 16),
    ("36", 14),
    ("62", 16),
)


def card(rand: random.Random, joints: tuple[str, ...] = (" ", "-", "")) -> str:
    prefix, length = rand.choice(_PREFIXES)
    body = prefix + digits(rand, length - len(prefix) - 1)
    number = next(body + last for last in string.digits if luhn(body + last))
    joint = rand.choice(joints)
    cuts = {16: (4, 8, 12), 15: (4, 10), 14: (4, 10)}[length]
    return joint.join(number[a:b] for a, b in zip((0, *cuts), (*cuts, length), strict=True))


_IBANS = {
    "DE": "n18",
    "GB": "a4n14",
    "FR": "n10c11n2",
    "NL": "a4n10",
    "ES": "n20",
    "IT": "a1n10c12",
    "CH": "n5c12",
    "BE": "n12",
    "PL": "n24",
    "AT": "n16",
    "SE": "n20",
    "NO": "n11",
    "MT": "a4n5c18",
    "PT": "n21",
}


def iban(rand: random.Random, forms: tuple[str, ...] = ("compact", "grouped")) -> str:
    country = rand.choice(list(_IBANS))
    body, spec = "", _IBANS[country]
    for part in spec.replace("a", " a").replace("n", " n").replace("c", " c").split():
        pool = {"a": string.ascii_uppercase, "n": string.digits, "c": string.digits + string.ascii_uppercase}[part[0]]
        body += "".join(rand.choice(pool) for _ in range(int(part[1:])))
    number = f"{country}{98 - mod97(body + country + '00'):02}{body}"
    form = rand.choice(forms)
    if form == "lower":
        return number.lower()
    joint = {"compact": "", "grouped": " ", "dashed": "-"}[form]
    return joint.join(number[at : at + 4] for at in range(0, len(number), 4)) if joint else number


def ipv4(rand: random.Random) -> str:
    first = rand.choice([each for each in range(1, 224) if each != 127])
    return f"{first}.{rand.randint(0, 255)}.{rand.randint(0, 255)}.{rand.randint(1, 254)}"


def ipv6(rand: random.Random) -> str:
    groups = [f"{rand.randint(1, 0xFFFF):x}" for _ in range(rand.randint(2, 6))]
    return "2001:db8:" + (":".join(groups) if len(groups) == 6 else ":".join(groups[:-1]) + "::" + groups[-1])


# ---------------------------------------------------------------------------------------------------------- positives

_TUNED_FRAMES = {
    "email": (
        "Write to {} today.",
        "From: Ada Lovelace <{}>",
        '{{"email": "{}"}}',
        "mailto:{}?subject=hi",
        "{},Ada,Berlin",
        "Contact {}.",
    ),
    "phone": (
        "Call me at {} tomorrow",
        "Phone: {}",
        '{{"phone": "{}"}}',
        "{} is my number",
        "Tel. {}, Fax on request",
        "reach us: {}.",
    ),
    "ssn": ("SSN: {}", "my social security number is {}.", '{{"ssn": "{}"}}', "Employee {} was hired"),
    "card": ("card {} exp 12/27", "paid with {}.", '{{"card_number": "{}"}}', "{}", "Visa {} 123"),
    "iban": ("IBAN: {}", "please transfer to {} today", '{{"iban": "{}"}}', "{} (Sparkasse)"),
    "ip": (
        "login from {}",
        '{{"client_ip": "{}"}}',
        "{} - - [10/Oct/2025:13:55:36 +0000] GET /",
        "blocked {},",
        "ssh root@host ({})",
    ),
}
_HELD_FRAMES = {
    "email": ("cc {}; thanks", "<{}>", "email={}&x=1", "User '{}' not found", "author {} wrote:", "\u2709 {}\n"),
    "phone": (
        "You can reach him under {} until noon.",
        "Mobile {}",
        "contact_number={}",
        "<td>{}</td>",
        "Ada Lovelace\nExample Ltd\n{}\nLondon",
        "WhatsApp {} please",
    ),
    "ssn": ("applicant ({}) applied", "ssn={}", "<ssn>{}</ssn>", "Social: {}"),
    "card": (
        "charge {} for the order",
        "<pan>{}</pan>",
        "cc={}&cvv=123",
        "Amex/Visa no. {}, thanks",
        "the number {} was declined",
    ),
    "iban": ("Konto {} bei der Bank", "<iban>{}</iban>", "account={};", "send it to {} and tell me"),
    "ip": (
        "Accepted publickey for root from {} port 22",
        "remote_addr={}",
        "ping {}: ok",
        "host {}/24 is up",
        "traceroute to {}",
    ),
}
_TUNED_REGIONS = ("US", "GB", "DE", "FR", "ES", "IN")
_HELD_REGIONS = ("US", "CA", "GB", "IT", "NL", "AU", "CH", "AT", "BR", "SE")


def positives(half: str, *, each: int = 150, seed: int = 0) -> Iterator[Case]:
    """``each`` cases of each core kind; others with another ``seed``."""
    tuned = half == "tuned"
    rand = random.Random((17 if tuned else 4711) + seed)
    frames = _TUNED_FRAMES if tuned else _HELD_FRAMES
    phones = (
        (_national, _international, _e164, _dialled)
        if tuned
        else (_national, _international, _e164, _dotted, _dashed, _bracketed)
    )
    regions = _TUNED_REGIONS if tuned else _HELD_REGIONS
    draw: dict[str, Callable[[], str]] = {
        "email": lambda: email(rand) if tuned or rand.random() < 0.7 else upper_email(rand),
        "phone": lambda: phone(rand, regions, phones),
        "ssn": lambda: ssn(rand),
        "card": lambda: card(rand) if tuned else card(rand, (" ", "-", "", "")),
        "iban": lambda: iban(rand) if tuned else iban(rand, ("compact", "grouped", "lower", "dashed")),
        "ip": lambda: ipv4(rand) if rand.random() < 0.7 else ipv6(rand),
    }
    for kind, make in draw.items():
        for _ in range(each):
            value = make()
            yield Case(kind, rand.choice(frames[kind]).format(value), value)


# ------------------------------------------------------------------------------------------------------------- benign


def _no_luhn(rand: random.Random, length: int) -> str:
    while True:
        number = rand.choice("123456789") + digits(rand, length - 1)
        if not luhn(number):
            return number


def _runs(rand: random.Random, held: bool) -> Iterator[tuple[str, str]]:  # noqa: FBT001 - one of two halves
    """What looks like a card, an account or a phone number and is none: (what it looks like, text)."""
    sixteen = _no_luhn(rand, 16)
    grouped = " ".join(sixteen[at : at + 4] for at in range(0, 16, 4))
    hexes = "".join(rand.choice("0123456789abcdef") for _ in range(40))
    number = digits(rand, 10)
    base = [
        ("card", f"order {sixteen} shipped"),
        ("card", f"reference {grouped}"),
        (
            "card",
            f"trace {rand.randint(10**15, 10**16 - 1)} took 3 ms"
            if held
            else f"ts={1_700_000_000_000 + rand.randint(0, 10**10)}",
        ),
        ("card", f"tracking number {rand.choice('123456789')}{digits(rand, 17)}"),
        ("card", f"id {uuid.UUID(int=rand.getrandbits(128), version=4)}"),
        ("card", f"0.{digits(rand, 16)}"),
        ("card", f"commit {hexes}"),
        ("iban", f"part {rand.choice(('DE', 'GB', 'FR', 'AB', 'SN', 'NL'))}{digits(rand, 20)}"),
        (
            "iban",
            f"token {rand.choice(('ES', 'IT', 'PL'))}{digits(rand, 2)} {' '.join(digits(rand, 4) for _ in range(4))}",
        ),
        ("iban", f"key {''.join(rand.choice(string.ascii_uppercase + string.digits) for _ in range(24))}"),
        ("phone", f"invoice {number}"),
        (
            "phone",
            f"2025-{rand.randint(1, 12):02}-{rand.randint(1, 28):02} {rand.randint(0, 23):02}:{rand.randint(0, 59):02}",
        ),
        ("phone", f"epoch {rand.randint(1_500_000_000, 1_800_000_000)}"),
        ("phone", f"ISBN 978-{rand.randint(0, 9)}-{digits(rand, 2)}-{digits(rand, 6)}-{rand.randint(0, 9)}"),
        ("phone", f"{rand.randint(-89, 89)}.{digits(rand, 6)}, {rand.randint(-179, 179)}.{digits(rand, 6)}"),
        ("phone", f"EUR {rand.randint(1, 999)}.{digits(rand, 3)}.{digits(rand, 3)},{digits(rand, 2)}"),
        ("phone", f"SKU {digits(rand, 3)}-{digits(rand, 4)}-{digits(rand, 3)}"),
        ("phone", f"{digits(rand, 7)} bytes read, {digits(rand, 8)} left"),
        (
            "phone",
            f"build {rand.randint(2019, 2026)}.{rand.randint(1, 12):02}.{rand.randint(1, 28):02}.{digits(rand, 4)}",
        ),
        (
            "phone",
            f"lines {digits(rand, 3)} {digits(rand, 3)} {digits(rand, 4)} of the table"
            if held
            else f"error 0x{digits(rand, 8)}",
        ),
        ("ip", f"version {rand.randint(1, 20)}.{rand.randint(0, 9)}.{rand.randint(0, 99)}.{rand.randint(0, 9)}"),
        ("ip", f"Chrome/{rand.randint(90, 140)}.0.{rand.randint(1000, 9999)}.{rand.randint(1, 200)} Safari"),
        ("ip", f"package=={rand.randint(1, 9)}.{rand.randint(0, 20)}.{rand.randint(0, 20)}.{rand.randint(1, 9)}"),
        (
            "email",
            rand.choice(
                ("logo@2x.png", "lodash@4.17.21", "git@host:team/repo.git", "@pytest.mark.slow", "y = a @ b.T")
            ),
        ),
        ("ssn", f"part {digits(rand, 3)}-{digits(rand, 3)}-{digits(rand, 3)}"),
        ("ssn", f"{digits(rand, 9)} rows"),
    ]
    if held:
        base += [
            ("card", f"9{digits(rand, 15)}"),
            ("card", f"batch {'-'.join(digits(rand, 4) for _ in range(3))}"),
            ("card", f"IMEI {_no_luhn(rand, 15)}"),
            ("phone", f"ticket #{digits(rand, 8)}"),
            ("phone", f"12:{rand.randint(10, 59)}:{rand.randint(10, 59)}.{digits(rand, 6)} INFO"),
            ("phone", f"range {digits(rand, 5)}-{digits(rand, 5)}"),
            ("phone", f"1{digits(rand, 3)},{digits(rand, 3)},{digits(rand, 3)} people"),
            ("ip", f"firmware {rand.randint(1, 9)}.{rand.randint(0, 9)}.{rand.randint(0, 9)}.{rand.randint(0, 9)}-rc1"),
            (
                "email",
                rand.choice(("user@localhost", "import x from 'pkg@1.2.3'", "icon@3x.webp", "W @ self.weight(x)")),
            ),
        ]
    yield from base


def benign(half: str, *, rounds: int = 40) -> Iterator[Case]:
    """Lines without personal data."""
    rand = random.Random(23 if half == "tuned" else 9001)
    for _ in range(rounds):
        for kind, text in _runs(rand, half == "held"):
            yield Case(kind, text, "")
