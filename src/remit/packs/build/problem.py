"""One thing wrong with a document: what and why, where, and what to do."""

from dataclasses import dataclass

from remit.packs.build.names import Suggestion

type DocumentPath = tuple[str | int, ...]
"""Keys and list positions from the root, as the document spells them."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A broken rule. `at_key` points at the key rather than at its value when both have a place."""

    code: str
    path: DocumentPath
    what: str
    hint: str | Suggestion
    at_key: bool = False

    def __str__(self) -> str:
        return f"{dotted(self.path)}: {self.what}"


def dotted(path: DocumentPath) -> str:
    """`requirements.features[2].dataModel`, the way a person says a path; `(document)` for the root."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "(document)"
