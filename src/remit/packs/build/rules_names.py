"""Rules on names: each folds to something, is no reserved word, and no two fold to the same."""

import re
from collections.abc import Iterable, Iterator

from remit.packs.build.names import NAME, snake
from remit.packs.build.problem import DocumentPath, Problem
from remit.packs.build.reserved import KEYWORDS

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
_ID = re.compile(r"[A-Za-z][A-Za-z0-9_-]*\Z")


def looks_like_path(text: str) -> bool:
    """Whether a name could lead out of its folder."""
    return "/" in text or "\\" in text or ".." in text


def name_problems(
    name: str, path: DocumentPath, *, what: str, code: str | None = None, keywords: bool = False
) -> Iterator[Problem]:
    """A name of any script that code is generated from; `path` is that of the object which has `name` and `code`.

    With `keywords` a name may be a word of Python's (a transition `return`): what is named after it never stands
    alone in code.
    """
    place = (*path, "name")
    if looks_like_path(name):
        yield Problem(
            "build.name_path",
            place,
            f"{what} name `{name}` holds a path separator or `..`; names become file names",
            "Use letters, digits, spaces, `_` and `-`; put anything else in `label`.",
        )
    elif not NAME.match(name):
        yield Problem(
            "build.name_characters",
            place,
            f"{what} name `{name}` holds a character that a name can't have, or does not start with a letter",
            "Start with a letter and use letters, digits, spaces, `_` and `-`; put anything else in `label`.",
        )
    elif code is not None:
        if not _CODE.match(code):
            yield Problem(
                "build.name_code",
                (*path, "code"),
                f"code `{code}` of {what} `{name}` is no ASCII identifier",
                "Start with a letter and use only a-z, A-Z, 0-9 and `_`.",
            )
        else:
            yield from _folded_problems(code, (*path, "code"), what)
    else:
        yield from _folded_problems(name, place, what, keywords=keywords)


def id_problems(text: str, path: DocumentPath, *, what: str) -> Iterator[Problem]:
    """An id: ASCII and fit for a file name."""
    if not _ID.match(text):
        kind = "name_path" if looks_like_path(text) else "name_characters"
        yield Problem(
            f"build.{kind}",
            path,
            f"{what} id `{text}` must start with a letter and hold only a-z, A-Z, 0-9, `_` and `-`",
            "Keep the id plain and stable; what people read goes into `name` or `label`.",
        )
    elif snake(text) in KEYWORDS:
        yield _reserved(text, path, what, "choose another id")


def _folded_problems(name: str, path: DocumentPath, what: str, *, keywords: bool = False) -> Iterator[Problem]:
    folded = snake(name)
    if not folded or folded[0].isdigit():
        yield Problem(
            "build.name_needs_code",
            path,
            f"{what} name `{name}` has no Latin letters to name code after",
            "Add `code:` with a short ASCII name; the name itself stays what people and the API see.",
        )
    elif folded in KEYWORDS and not keywords:
        yield _reserved(name, path, what, f"add `code: {folded}_value`, or choose another name")


def _reserved(name: str, path: DocumentPath, what: str, advice: str) -> Problem:
    return Problem(
        "build.reserved_name",
        path,
        f"{what} name `{name}` is a reserved word of Python, so no code can be named after it",
        f"{advice[0].upper()}{advice[1:]}.",
    )


def collision_problems(
    names: Iterable[tuple[str, str, DocumentPath]], *, what: str, taken: Iterable[str] = ()
) -> Iterator[Problem]:
    """Names that end up the same: each entry is (resulting name, name as written, place); `taken` are ours."""
    ours = set(taken)
    seen: dict[str, str] = {}
    for result, written, path in names:
        if not result:
            continue
        if result in ours:
            yield Problem(
                "build.reserved_name",
                path,
                f"`{written}` would be the {what} `{result}`, which every generated application has already",
                "Choose another name.",
            )
        elif result in seen:
            yield Problem(
                "build.name_collision",
                path,
                f"`{written}` and `{seen[result]}` would both be the {what} `{result}`",
                "Rename one of them, or give it a `code` of its own.",
            )
        seen.setdefault(result, written)
