"""Write ``src/remit/client/operations.py`` from ``docs/openapi.json``, and that from the API's routes.

``python scripts/client_operations.py`` writes both; ``--check`` only says whether they are what it would write.
"""

from __future__ import annotations

import builtins
import keyword
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson

from remit.serve.api.app import described

ROOT = Path(__file__).resolve().parents[1]
SNAPSHOT = ROOT / "docs" / "openapi.json"
OPERATIONS = ROOT / "src" / "remit" / "client" / "operations.py"

#: Names that no parameter takes.
TAKEN = frozenset({*dir(builtins), "self", "body", "if_match"})

HEAD = '''"""Every operation of the control API, and the documents that it takes and gives.

Written by ``scripts/client_operations.py`` from ``docs/openapi.json``: change the routes, then run it.
"""
# ruff: noqa: D101

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal, NotRequired, TypedDict, cast

from remit.client.steps import Call

'''


def document() -> dict[str, Any]:
    """The API's description as its routes make it."""
    return described().openapi()


def snapshot(found: dict[str, Any]) -> bytes:
    """The description as it is kept."""
    return orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"


def name_of(schema: str) -> str:
    """A schema's name as a class's."""
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", schema))


def type_of(schema: dict[str, Any]) -> str:  # noqa: C901, PLR0911, PLR0912 - one line for each kind
    """A schema as a type."""
    if "$ref" in schema:
        return name_of(schema["$ref"].rpartition("/")[2])
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " | ".join(dict.fromkeys(type_of(each) for each in schema[several]))
    if "const" in schema:
        return f"Literal[{schema['const']!r}]"
    if "enum" in schema:
        return f"Literal[{', '.join(repr(each) for each in schema['enum'])}]"
    match schema.get("type"):
        case "string":
            return "str"
        case "integer":
            return "int"
        case "number":
            return "float"
        case "boolean":
            return "bool"
        case "null":
            return "None"
        case "array":
            return f"list[{type_of(schema.get('items', {}))}]"
        case "object":
            more = schema.get("additionalProperties")
            return f"dict[str, {type_of(more)}]" if isinstance(more, dict) else "dict[str, Any]"
        case _:
            return "Any"


def classes(schemas: dict[str, Any]) -> list[str]:
    """The documents."""
    found: list[str] = []
    for name, schema in sorted(schemas.items()):
        if "enum" in schema:
            found.append(f"type {name_of(name)} = {type_of(schema)}\n")
            continue
        if schema.get("type") != "object" or "properties" not in schema:
            found.append(f"type {name_of(name)} = {type_of(schema)}\n")
            continue
        required = set(schema.get("required", ())) | {
            each for each, part in schema["properties"].items() if "readOnly" in part
        }
        lines: list[tuple[str, str]] = []
        odd = any(not each.isidentifier() or keyword.iskeyword(each) for each in schema["properties"])
        for each, part in schema["properties"].items():
            kind = type_of(part)
            lines.append((each, kind if each in required else f"NotRequired[{kind}]"))
        if odd:
            inside = ", ".join(f"{each!r}: {kind!r}" for each, kind in lines)
            found.append(f"{name_of(name)} = TypedDict({name_of(name)!r}, {{{inside}}})\n")
        else:
            body = "\n".join(f"    {each}: {kind}" for each, kind in lines)
            found.append(f"class {name_of(name)}(TypedDict):\n{body or '    pass'}\n")
    return found


def safe(name: str, *, taken: frozenset[str] = frozenset()) -> str:
    """A name that Python takes, and that is none of ``taken``."""
    plain = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return f"{plain}_" if keyword.iskeyword(plain) or plain in taken else plain


def method(path: str, verb: str, operation: dict[str, Any], *, awaited: bool) -> str:  # noqa: C901 - one part after the other
    """One operation as a method."""
    params: list[str] = []
    keywords: list[str] = []
    inside: dict[str, list[str]] = {"path": [], "query": [], "header": []}
    for each in operation.get("parameters", ()):
        name, where = each["name"], each["in"]
        if where not in inside:
            continue
        kind, called = type_of(each.get("schema", {})), safe(name, taken=TAKEN)
        if where == "path":
            params.append(f"{called}: {kind}")
        elif each.get("required"):
            keywords.append(f"{called}: {kind}")
        else:
            keywords.append(f"{called}: {kind} | None = None" if "None" not in kind else f"{called}: {kind} = None")
        inside[where].append(f"{name!r}: {called}")
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    body = ""
    if content:
        params.append(f"body: {type_of(content['schema'])}")
        body = ", body=body"
    if verb in {"patch", "put", "delete"}:
        keywords.append("if_match: str = ''")
        body += ", headers={'if-match': if_match} if if_match else {}"
    result = "None"
    for status, response in sorted(operation["responses"].items()):
        if status.startswith("2") and (kind := response.get("content", {}).get("application/json")):
            result = type_of(kind.get("schema", {}))
            break
    keywords.sort(key=lambda text: "=" in text)
    signature = ", ".join(["self", *params, *(["*", *keywords] if keywords else [])])
    parts = f"{verb.upper()!r}, {path!r}"
    for where, argument in (("path", "params"), ("query", "query")):
        if inside[where]:
            parts += f", {argument}={{{', '.join(inside[where])}}}"
    begun = "async def" if awaited else "def"
    asked = f"{'await ' if awaited else ''}self._run(Call({parts}{body}))"
    answer = asked if result == "None" else f"return cast({result!r}, {asked})"
    said = operation.get("summary", "").strip().rstrip(".")
    name = safe(operation["operationId"].partition(".")[2])
    signature, result, answer = (text.replace("list[", "builtins.list[") for text in (signature, result, answer))
    return f'    {begun} {name}({signature}) -> {result}:\n        """{said}."""\n        {answer}\n'


def write(found: dict[str, Any]) -> str:
    """The module."""
    groups: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    for path, verbs in found["paths"].items():
        for verb, operation in verbs.items():
            kinds = [kind for each in operation["responses"].values() for kind in each.get("content", {})]
            if "text/event-stream" not in kinds:
                groups.setdefault(operation["operationId"].partition(".")[0], []).append((path, verb, operation))
    parts = [HEAD, *classes(found["components"]["schemas"])]
    for awaited in (False, True):
        prefix, runs = ("Async", "Callable[[Call], Awaitable[Any]]") if awaited else ("", "Callable[[Call], Any]")
        begin = f"    def __init__(self, run: {runs}) -> None:"
        for group, operations in sorted(groups.items()):
            ordered = sorted(operations, key=lambda each: each[2]["operationId"])
            methods = "\n".join(method(*each, awaited=awaited) for each in ordered)
            name = f"{prefix}{name_of(group)}Calls"
            parts.append(f'class {name}:\n    """About {group}."""\n\n{begin}\n        self._run = run\n\n{methods}')
        fields = "\n".join(
            f"        self.{safe(group.replace('-', '_'))} = {prefix}{name_of(group)}Calls(run)"
            for group in sorted(groups)
        )
        parts.append(f'class {prefix}Operations:\n    """Every operation, by its noun."""\n\n{begin}\n{fields}\n')
    text = "\n\n".join(parts)
    if "builtins." in text:
        text = text.replace("from collections.abc", "import builtins\nfrom collections.abc", 1)
    for word in ("Literal", "NotRequired", "TypedDict", "Any"):
        if not re.search(rf"\b{word}\b", text.replace(f"{word},", "", 1)):
            text = re.sub(rf"{word}, ", "", text, count=1)
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(OPERATIONS), "-"],
        input=text,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def main() -> int:
    """Write both, or say whether they are current."""
    found = document()
    wanted = {SNAPSHOT: snapshot(found), OPERATIONS: write(found).encode()}
    stale = [path for path, data in wanted.items() if not path.exists() or path.read_bytes() != data]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(
                f"{path.relative_to(ROOT)} is not what the routes make: run python {Path(__file__).relative_to(ROOT)}"
            )
        return 1 if stale else 0
    for path in stale:
        path.write_bytes(wanted[path])
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
