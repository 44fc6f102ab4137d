"""Texts for the engines: drawn from the rules' own patterns, so that nothing here looks like a secret by itself."""

import functools
import random
import sysconfig
from pathlib import Path

from remit.redact.pack import chosen
from remit.redact.pattern import Byte, Choice, Edge, Group, Node, Repeat, Sequence, head, parse
from remit.redact.rules import Rule

RULES = chosen(2, personal=False)
SEPARATORS = (
    *(b" ", b"\n", b"", b'"', b"';", b"\r\n", b"\x00", b"\xc3\xa9", b"\xff", b"\xed\xa0\x80", b"; ", b"=", b":"),
    *(b"\\n", b"a", b"_", b"-", b"%20", b"\xe2\x82\xac", b"\x0b"),
)
LONG = 900  # how far an unlimited repeat may go


def sample(node: Node, rng: random.Random) -> bytes:
    """A byte string that ``node`` matches, but for its edges."""
    match node:
        case Byte():
            shown = sorted(byte for byte in node.of if 0x21 <= byte < 0x7F) or sorted(node.of)
            return bytes([rng.choice(shown)])
        case Edge():
            return b""
        case Group():
            return sample(node.inside, rng)
        case Sequence():
            return b"".join(sample(part, rng) for part in node.parts)
        case Choice():
            return sample(rng.choice(node.branches), rng)
        case Repeat():
            most = node.least + rng.choice([0, 3, 40, LONG]) if node.most is None else node.most
            count = rng.choice([node.least, most, rng.randint(node.least, most)])
            return b"".join(sample(node.what, rng) for _ in range(count))


@functools.cache
def tree(rule: Rule) -> Node:
    return parse(rule.pattern)


@functools.cache
def clean() -> bytes:
    """Code as it lies everywhere Python does."""
    paths = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    return b"".join(path.read_bytes() for path in paths)[:2_000_000]


def dense(rng: random.Random) -> bytes:
    """Matches of random rules, whole and cut, beside keywords and code, with all sorts of bytes in between."""
    parts: list[bytes] = []
    for _ in range(rng.randint(1, 12)):
        kind = rng.random()
        rule = rng.choice(RULES)
        if kind < 0.6:
            text = sample(tree(rule), rng)
            if rng.random() < 0.2:
                text = text[: rng.randint(0, len(text))]
            if rule.keywords and rng.random() < 0.3:
                text = rng.choice(rule.keywords).encode() + rng.choice(SEPARATORS) + text
            parts.append(text * rng.choice([1, 1, 1, 2, 3]))
        elif kind < 0.8:
            start = rng.randrange(len(clean()))
            parts.append(clean()[start : start + rng.randint(0, 400)])
        else:
            parts.append(rng.choice(rule.keywords or ("x",)).encode() * rng.randint(1, 20))
        parts.append(rng.choice(SEPARATORS))
    return b"".join(parts)


def hostile(rule: Rule, rng: random.Random, size: int) -> list[bytes]:
    """Repeats of what makes a rule look: its keywords, its head, a match of it, most of a match."""
    node = tree(rule)
    match = sample(node, rng)
    units = [*(key.encode() for key in rule.keywords[:2]), sample(head(node), rng), match, match[: len(match) * 2 // 3]]
    return [(unit * (size // len(unit) + 1))[:size] for unit in units if unit]
