"""An input's text as a document and back: what the form of a new mission works on. The pack reads its own text."""

from __future__ import annotations

import json
from collections.abc import Mapping

from remit.kernel.canonical import Json
from remit.kernel.errors import InvalidInput
from remit.missions.pack import Formed


def read_text(pack: Formed, text: str, name: str) -> Mapping[str, Json]:
    """The document of a text; an empty text is an empty document.

    Raises:
        InvalidInput: It can't be read, or is no mapping: only the editor can show it.
    """
    if not text.strip():
        return {}
    found = pack.document(text.encode(), name=name)
    if not isinstance(found, Mapping):
        message = "The input is no mapping of fields, so there is no form for it."
        raise InvalidInput(message, code="mission.input", hint="put it right in the editor")
    return found


def write_text(pack: Formed, document: Json, before: str, name: str) -> str:
    """The text of a document: the very text before when nothing has changed, else in the same language, YAML or JSON.

    Comments of a text that is changed do not survive.
    """
    same = _reads_as(pack, before, name, document)
    if same or (not before.strip() and not document):
        return before
    if name.endswith(".json") or before.lstrip().startswith("{"):
        return _as_json(document)
    import yaml  # heavy, and only this needs it

    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
    return text if _reads_as(pack, text, name, document) else _as_json(document)  # JSON is YAML, without its surprises


def _as_json(document: Json) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def _reads_as(pack: Formed, text: str, name: str, document: Json) -> bool:
    try:
        found = read_text(pack, text, name)
    except InvalidInput:
        return False
    return bool(text.strip()) and _exact(found) == _exact(document)


def _exact(document: Json | Mapping[str, Json]) -> str:
    """A text that tells 1, 1.0, true and "1" apart."""
    return json.dumps(document, sort_keys=True)
