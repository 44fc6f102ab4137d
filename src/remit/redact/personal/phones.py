"""Phone numbers: national and international, as people write them.

A number is taken at its word when it begins with ``+`` or stands in a country's own grouping; a bare run of digits
only with a word near it that says so. Valid means valid to ``phonenumbers`` (Google's metadata of each country's plan).
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

from remit.redact.personal.clusters import Cluster, Run
from remit.redact.personal.context import near, otherwise
from remit.redact.personal.kinds import STRENGTH, Kind, Personal

#: Regions whose national spelling is known without a setting (ISO 3166-1), in the order in which they are tried.
REGIONS: tuple[str, ...] = (
    *("US", "CA", "GB", "IE", "DE", "AT", "CH", "FR", "BE", "NL", "ES", "PT", "IT"),
    *("SE", "NO", "DK", "FI", "PL", "IN", "AU", "NZ", "JP", "BR", "MX"),
)

FEWEST, MOST = 7, 15  # digits: ITU-T E.164 allows fifteen; shorter than seven is a short code
_WORDS = (
    *("phone", "telephone", "tel", "cell", "cellphone", "mobile", "mob", "fax", "call*", "dial", "sms", "txt"),
    *(
        "whatsapp",
        "signal",
        "hotline",
        "ring",
        "landline",
        "voicemail",
        "contact",
        "reach",
        "pager",
        "handset",
        "msisdn",
    ),
    *("telefon*", "handy", "rufnummer", "mobil", "telefono", "teléfono", "móvil", "movil", "celular", "cellulare"),
    *("téléphone", "portable", "tél", "numéro", "telefone", "telemóvel", "telefoon", "gsm", "puhelin", "telefonnummer"),
    *(
        "ph",
        "my number",
        "her number",
        "his number",
        "their number",
        "number is",
        "anruf*",
        "ruf*",
        "llama*",
        "appel*",
        "chiama*",
        "ligue",
    ),
)
# North American Numbering Plan: area and exchange begin with 2 to 9.
_NANP = re.compile(
    r"(?:1[ .\-/\u00a0]{0,2})?(?:\([2-9][0-9]{2}\)[ .\-/\u00a0]{0,2}|[2-9][0-9]{2}[ .\-/\u00a0])"
    r"[2-9][0-9]{2}[ .\-\u00a0\u2010-\u2013][0-9]{4}"
)
_DATE = re.compile(
    r"(?:1[89]|20)[0-9]{2}[-./ ](?:0?[1-9]|1[0-2])[-./ ](?:0?[1-9]|[12][0-9]|3[01])(?![0-9])"
    r"|(?:0?[1-9]|[12][0-9]|3[01])[-./ ](?:0?[1-9]|[12][0-9]|3[01])[-./ ](?:1[89]|20)[0-9]{2}(?![0-9])"
)
_DECIMAL = re.compile(r"[0-9]+\.[0-9]+")
_EXTENSION = re.compile(
    r"\s{0,2},?\s{0,2}(?:x|ext\.?|extension|extn\.?|durchwahl|poste|anexo|ramal)\s{0,2}[:.#]?\s{0,2}[0-9]{1,6}(?![0-9A-Za-z])",
    re.IGNORECASE,
)
_MONEY = frozenset("$€£¥₹#@")
_NORTH_AMERICA = frozenset({"US", "CA"})
_OTHER = re.compile("[^0-9]")
_TRUNK = 9  # digits: 00, a country code, and a number


def phone(cluster: Cluster, regions: tuple[str, ...]) -> list[Personal]:
    """The phone numbers of a cluster, none overlapping another."""
    plus = _plus(cluster)
    if plus is not None:
        one = _international(cluster, plus)
        return [] if one is None else [one]
    found: list[Personal] = []
    first = 0
    count = len(cluster.groups)
    while first < count:
        last = _national(cluster, first, regions)
        if last:
            start = cluster.spans[first][0]
            if start and cluster.text[start - 1] == "(" and first == 0:
                start -= 1
            found.append(_told(cluster, start, cluster.spans[last - 1][1]))
        first = last or _next(cluster, first)
    return found


def _plus(cluster: Cluster) -> int | None:
    """Where the ``+`` before a cluster stands; ``None`` without one."""
    text, start = cluster.text, cluster.start
    for back in (1, 2):
        at = start - back
        if at >= 0 and text[at] in "+\uff0b":
            joined = text[at + 1 : start]
            before = text[max(0, at - 1) : at]
            return at if joined in {"", "(", " "} and not before.isalnum() else None
    return None


def _next(cluster: Cluster, first: int) -> int:
    """The next group that a number may begin with: one after a space."""
    count = len(cluster.groups)
    for each in range(first + 1, count):
        if cluster.joints[each - 1].strip(" \u00a0(") == "":
            return each
    return count


def _international(cluster: Cluster, plus: int) -> Personal | None:
    """``+49 (0)89 1234567``: as many groups as make a valid number, else as make a possible one."""
    text = cluster.text
    ends = [
        run_end
        for index, (_, run_end) in enumerate(cluster.spans)
        if FEWEST <= sum(map(len, cluster.groups[: index + 1])) <= MOST + 1
    ]
    for known in (_in_plan, _valid, _possible):  # the cheapest first
        for end in reversed(ends):
            if known(text[plus:end]) and not text[end : end + 1].isalnum():
                return _told(cluster, plus, end)
    return None


def _national(cluster: Cluster, first: int, regions: tuple[str, ...]) -> int:
    """Past the last group of the number that begins with group ``first``; 0 for none."""
    text, start = cluster.text, cluster.spans[first][0]
    left = cluster.joints[first - 1] if first else cluster.before
    if left[-1:].isalnum() or left[-1:] in {"_", ".", "/", *_MONEY} or _DATE.match(text, start):
        return 0
    if left[-1:] == "-" and first == 0 and text[max(0, start - 2) : start - 1].isalnum():
        return 0  # a dashed token: AB-1234567
    digits = ""
    ranges: list[tuple[int, str]] = []
    for last in range(first, len(cluster.groups)):
        digits += cluster.groups[last]
        if len(digits) > MOST + 1:
            break
        if len(digits) >= FEWEST:
            ranges.append((last + 1, digits))
    for last, number in reversed(ranges):
        if _is_national(Run(cluster, first, last, number), regions):
            return last
    return 0


def _is_national(run: Run, regions: tuple[str, ...]) -> bool:
    """Whether a run of groups is a number of one of ``regions``, or one that is dialled with ``00``."""
    text, start = run.cluster.text, run.start
    if _cut(text, run.end) or len(set(run.digits)) == 1:
        return False
    opened = text[max(0, start - 1) : start] == "(" and ")" in run.spelled
    spelled = f"({run.spelled}" if opened else run.spelled
    american = not _NORTH_AMERICA.isdisjoint(regions)
    if run.digits.startswith("00") and len(run.digits) > _TRUNK:
        speaks_for_itself = _valid("+" + run.digits[2:])
    else:
        speaks_for_itself = (american and _NANP.fullmatch(spelled) is not None) or (
            _spelled_so(spelled, run.groups) and _grouped(spelled, run.groups, regions)
        )
    if speaks_for_itself and not run.chained and not otherwise(text, start):
        return True
    if not run.joints and len(run.digits) <= FEWEST:
        return False
    if not near(text, start, run.end, _WORDS) and text[max(0, start - 4) : start].lower() != "tel:":
        return False
    usable = speaks_for_itself or (american and _local(run)) or _any_region(spelled, regions)
    return usable and _DECIMAL.fullmatch(run.spelled) is None


def _cut(text: str, end: int) -> bool:
    """Whether the digits go on as something else: a word, a percentage, a dashed chain."""
    right, beyond = text[end : end + 1], text[end + 1 : end + 2]
    if right.isalnum():
        return _EXTENSION.match(text, end) is None
    return right in {"_", "%"} or (right in {"-", ".", "/"} and beyond.isalnum())


def _local(run: Run) -> bool:
    """``555-0132``: without an area code."""
    return tuple(map(len, run.groups)) == (3, 4)


def _spelled_so(spelled: str, groups: tuple[str, ...]) -> bool:
    """Whether a number that nothing speaks for may be a phone number: groups, behind a trunk prefix or a bracket."""
    led = spelled[0] in "0(" or tuple(map(len, groups)) == (3, 2, 2, 2)  # Spain: no trunk prefix, groups of its own
    like_ssn = tuple(map(len, groups)) == (3, 2, 4)
    return led and not like_ssn and len(groups) > 1 and len(groups[-1]) > 1 and _DECIMAL.fullmatch(spelled) is None


def _any_region(spelled: str, regions: tuple[str, ...]) -> bool:
    """Whether a region has numbers like it; or of its length, where a trunk prefix or a bracket leads it."""
    number = _OTHER.sub("", spelled)
    if any(_plan(region)[0].fullmatch(number) for region in regions):
        return True
    led = spelled[0] in "0("
    return led and any(len(number) - behind in _plan(region)[1] for region in regions for behind in range(4))


def _grouped(spelled: str, groups: tuple[str, ...], regions: tuple[str, ...]) -> bool:
    """Whether some region writes that number in these groups, or in groups of which these are made, or begins so."""
    for region in regions:
        usual = _usual(spelled, region)
        if usual and (usual[0] == groups[0] or _edges(usual) <= _edges(groups)):
            return True
    return False


def _edges(groups: tuple[str, ...]) -> set[int]:
    """Where groups end: people cut long groups in two."""
    edges: set[int] = set()
    total = 0
    for group in groups:
        total += len(group)
        edges.add(total)
    return edges


@cache
def _plan(region: str) -> tuple[re.Pattern[str], frozenset[int]]:
    """The form that every valid number of a region has behind its trunk prefix, and the lengths that it can have."""
    from phonenumbers.phonemetadata import PhoneMetadata  # noqa: PLC0415 - only when something looks like a number

    metadata = PhoneMetadata.metadata_for_region(region, None)
    if metadata is None or metadata.general_desc is None:
        return re.compile(r"(?!)"), frozenset()
    prefix = metadata.national_prefix_for_parsing or metadata.national_prefix or ""
    pattern = metadata.general_desc.national_number_pattern or "(?!)"
    code = str(metadata.country_code or "")
    form = re.compile(rf"(?:{code})?(?:{prefix})?(?:{pattern})" if prefix else rf"(?:{code})?(?:{pattern})")
    lengths = frozenset({*metadata.general_desc.possible_length, *metadata.general_desc.possible_length_local_only})
    return form, lengths


def _in_plan(spelled: str) -> bool:
    """Whether ``+49 (0)89 1234567`` is a number as the plan of its country has them, by its form alone."""
    import phonenumbers  # noqa: PLC0415 - only when something looks like a phone number

    number = _OTHER.sub("", spelled)
    for width in (1, 2, 3):
        region = phonenumbers.region_code_for_country_code(int(number[:width]))
        if region not in {"ZZ", "001"}:
            return number[0] != "0" and _plan(region)[0].fullmatch(number) is not None
    return False


def _valid(spelled: str) -> bool:
    """Whether ``phonenumbers`` takes an international number for a valid one."""
    return _parsed(spelled, strict=True)


def _possible(spelled: str) -> bool:
    """Whether ``phonenumbers`` takes it for one of a possible length."""
    return _parsed(spelled, strict=False)


@lru_cache(maxsize=4096)
def _parsed(spelled: str, *, strict: bool) -> bool:
    import phonenumbers  # noqa: PLC0415 - only when something looks like a phone number

    try:
        number = phonenumbers.parse(spelled, None)
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.is_valid_number(number) if strict else phonenumbers.is_possible_number(number)


def _usual(spelled: str, region: str) -> tuple[str, ...]:
    """The groups in which the region writes this number; empty when it isn't one of its numbers."""
    if _plan(region)[0].fullmatch(_OTHER.sub("", spelled)) is None:
        return ()  # parsing it costs a hundred times as much
    return _formatted(spelled, region)


@lru_cache(maxsize=4096)
def _formatted(spelled: str, region: str) -> tuple[str, ...]:
    import phonenumbers  # noqa: PLC0415 - as above

    try:
        number = phonenumbers.parse(spelled, region)
    except phonenumbers.NumberParseException:
        return ()
    if not phonenumbers.is_valid_number(number):
        return ()
    usual = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
    return tuple(re.findall(r"[0-9]+", usual))


def _told(cluster: Cluster, start: int, end: int) -> Personal:
    extension = _EXTENSION.match(cluster.text, end)
    return Personal(Kind.PHONE, start, extension.end() if extension else end, STRENGTH[Kind.PHONE])
