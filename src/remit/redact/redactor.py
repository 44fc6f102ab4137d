"""The redactor: finds secrets in texts and bytes, masks them, lists them."""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Iterator, Mapping

from remit.kernel.finding import Finding, Severity
from remit.redact.registered import Registry, check, registry
from remit.redact.rules import RULES, Rule
from remit.redact.span import REGISTERED, Span, mask_token, union
from remit.redact.tree import mask_tree

_EXACT: tuple[tuple[str, Rule], ...] = tuple((key, rule) for rule in RULES if not rule.folded for key in rule.keywords)
_FOLDED: tuple[tuple[str, Rule], ...] = tuple((key, rule) for rule in RULES if rule.folded for key in rule.keywords)

_PASSES = 8  # a mask beside what was left may complete another value: masked again, until nothing is found


class Redactor:
    """Finds and masks registered values and the token kinds of ``rules``.

    Any thread may call any method at any time; a value is found from the moment ``register`` returns. Masks are
    idempotent: ``mask(mask(x)) == mask(x)``.

    Args:
        key: Keys the suffix of masks (HMAC-SHA256), so that nobody can tell a value by counting. One per workspace; 16
            random bytes or more.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._registry = Registry()
        self._lock = threading.Lock()

    def register(self, value: str) -> None:
        """Mask ``value`` in every form it is written in, from now on.

        Raises:
            InvalidInput: It is shorter than 8 characters or a common word (``redact.short``, ``redact.common``).
        """
        check(value)
        with self._lock:
            self._registry = registry(self._registry.values | {value})

    def unregister(self, value: str) -> None:
        """No longer look for ``value``. Whatever was written under it stays: keep it until that has expired."""
        with self._lock:
            self._registry = registry(self._registry.values - {value})

    def scan(self, data: str | bytes, *, tier: int = 1) -> list[Span]:
        """Every secret, in order, without overlap; offsets are characters of a text, bytes of a byte string."""
        del tier
        found = self._found(data if isinstance(data, str) else data.decode("latin-1"))
        return union(span for span, _ in found) if found else []

    def clean(self, data: str | bytes) -> bool:
        """Whether ``scan`` finds nothing."""
        return not self.scan(data)

    def mask(self, text: str) -> str:
        """``text`` with each secret replaced by ``[REDACTED:kind:suffix]``; the same object when there is none."""
        for _ in range(_PASSES):
            found = self._found(text)
            if not found:
                break
            text = self._replace(text, found)
        return text

    def _replace(self, text: str, found: list[tuple[Span, str]]) -> str:
        values = {(span.kind, span.start): value for span, value in reversed(found)}
        parts: list[str] = []
        done = 0
        for span in union(span for span, _ in found):
            value = values.get((span.kind, span.start), text[span.start : span.end])
            parts += (text[done : span.start], mask_token(span.kind, self.suffix(value)))
            done = span.end
        return "".join((*parts, text[done:]))

    def mask_tree(self, value: object, *, names: bool = True) -> object:
        """Nested JSON (and tuples, sets, bytes) with every text in it masked, keys too.

        With ``names``, the value under a key that names a secret (``password``, ``authorization``) is masked whatever
        it is. A value without a secret in it comes back as the same object.
        """
        return mask_tree(value, self, names=names)

    def findings(self, files: Mapping[str, bytes]) -> list[Finding]:
        """One critical finding for each secret in ``files`` (path to content), with path and line, never the value."""
        return list(self._findings(files))

    def suffix(self, value: str) -> str:
        """Four hexadecimal digits that are the same for the same value under one key."""
        return hmac.new(self._key, value.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:4]

    def _findings(self, files: Mapping[str, bytes]) -> Iterator[Finding]:
        for path in sorted(files):
            data = files[path]
            for span in self.scan(path):
                yield Finding(
                    f"secret.{span.kind}", Severity.CRITICAL, f"The name of a file holds a secret ({span.kind})."
                )
            for span in self.scan(data):
                line = data.count(b"\n", 0, span.start) + 1
                yield Finding(
                    f"secret.{span.kind}",
                    Severity.CRITICAL,
                    f"A secret ({span.kind}) stands in {self.mask(path)} on line {line}.",
                    place=f"{self.mask(path)}:{line}",
                    fix="refer to it as secret://NAME and rotate the value",
                )

    def _found(self, text: str) -> list[tuple[Span, str]]:
        """Every span with what its mask's suffix is made from."""
        known = self._registry
        found: list[tuple[Span, str]] = []
        if known.literals:
            found = [(Span(REGISTERED, start, end), value) for start, end, value in known.find(text)]
        lowered = text.lower()  # for yes or no only: lower() may change lengths
        hit = [rule for key, rule in _EXACT if key in text]
        hit += [rule for key, rule in _FOLDED if key in lowered]
        for rule in dict.fromkeys(hit):
            found += [(Span(rule.kind, start, end), text[start:end]) for start, end in rule.find(text)]
        return found
