"""Rendering is pure, complete, the same each time, and safe whatever an intake says."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import UndefinedError

from remit.packs.build import render, render_environment
from remit.packs.build.intake import read_intake
from remit.packs.build.ir import Application
from remit.packs.build.ir_build import build_ir
from remit.packs.build.removal import without_feature
from remit.packs.build.render_text import doc, oneline, prose, py, toml

EXAMPLES = Path(__file__).parents[4] / "examples" / "intakes"
HOSTILE = '""" \'\'\' \\ {{ x }} {% raw %} {# c #} ${x} %s \n\r\n\t\0 # \u202e \u2028 日本 \\N{DASH} \\" end\\'


def _parts(app: Application) -> Iterator[dict[str, bytes]]:
    yield render.render_skeleton(app)
    yield render.render_assembly(app)
    for feature in app.features:
        yield render.render_feature(app, feature.id)


def test_parts_are_disjoint_and_make_the_whole(app: Application) -> None:
    union: dict[str, bytes] = {}
    for part in _parts(app):
        assert not part.keys() & union.keys()
        union |= part
    assert union == render.render_application(app)
    assert list(render.render_application(app)) == sorted(union)


def test_two_processes_render_the_same_bytes(app: Application) -> None:
    assert render.render_application(app) == render.render_application(app)
    path = EXAMPLES / "shop.yaml"
    code = (
        "import hashlib, sys, pathlib\n"
        "from remit.packs.build.intake import read_intake\n"
        "from remit.packs.build.ir_build import build_ir\n"
        "from remit.packs.build.render import render_application, TEMPLATE_VERSION\n"
        "files = render_application(build_ir(read_intake(pathlib.Path(sys.argv[1]).read_bytes(), name='x.yaml')))\n"
        "print(hashlib.sha256(repr(files).encode()).hexdigest(), TEMPLATE_VERSION)\n"
    )
    seen: set[str] = set()
    for seed in ("1", "2"):
        env = {"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)}
        run = [sys.executable, "-c", code, str(path)]
        seen.add(subprocess.run(run, env=env, capture_output=True, text=True, check=True).stdout)
    assert len(seen) == 1
    assert render.TEMPLATE_VERSION in seen.pop()


@pytest.mark.parametrize("name", ["clinic", "library", "shop"])
def test_without_a_feature_the_others_keep_their_bytes(name: str) -> None:
    intake = read_intake((EXAMPLES / f"{name}.yaml").read_bytes(), name=name)
    whole = build_ir(intake)
    for feature in whole.features[1:]:
        rest, removed = without_feature(intake, feature.id)
        less = build_ir(rest)
        assert {f.id for f in less.features} == {f.id for f in whole.features} - set(removed)
        assert render.render_skeleton(less) == render.render_skeleton(whole)
        for kept in less.features:
            assert render.render_feature(less, kept.id) == render.render_feature(whole, kept.id)


def test_without_an_unknown_variable_nothing_is_rendered(pitfalls: Application) -> None:
    template = render_environment.environment().from_string("{{ no_such_variable }}")
    with pytest.raises(UndefinedError):
        template.render(app=pitfalls)


def test_unparsable_code_is_never_returned() -> None:
    with pytest.raises(SyntaxError):
        render.checked({"app/broken.py": "def broken(:\n"})


def _poisoned(app: Application, text: str) -> Application:
    """Every free text of the application replaced; names stay, the intake's rules guard those."""
    entities = tuple(
        replace(
            entity,
            label=text,
            label_plural=text,
            description=text,
            fields=tuple(
                replace(field, label=text, description=text, **({"default": text} if field.name == "schema" else {}))
                for field in entity.fields
            ),
            states=entity.states
            and replace(
                entity.states,
                transitions=tuple(
                    replace(step, label=text, guards=tuple(replace(guard, message=text) for guard in step.guards))
                    for step in entity.states.transitions
                ),
            ),
        )
        for entity in app.entities
    )
    features = tuple(
        replace(
            feature,
            name=text,
            description=text,
            endpoints=tuple(replace(endpoint, description=text) for endpoint in feature.endpoints),
        )
        for feature in app.features
    )
    roles = tuple(replace(role, label=text, description=text) for role in app.roles)
    return replace(app, title=text, description=text, entities=entities, features=features, roles=roles)


def test_hostile_text_stays_text(pitfalls: Application) -> None:
    clean, poisoned = render.render_application(pitfalls), render.render_application(_poisoned(pitfalls, HOSTILE))
    assert clean.keys() == poisoned.keys()
    for path, content in poisoned.items():
        text = content.decode()
        assert "\0" not in text
        assert "\u202e" not in text, path
        if path.endswith(".py"):
            assert _shape(text) == _shape(clean[path].decode()), path


def _shape(source: str) -> list[str]:
    """The code without its texts: what hostile text must not change."""
    return [
        type(node).__name__ if not isinstance(node, ast.Constant) else type(node.value).__name__
        for node in ast.walk(ast.parse(source))
    ]


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_any_text_survives_every_filter(text: str) -> None:
    import json
    import tomllib

    assert ast.literal_eval(py(text)) == text
    docstring = ast.parse(doc(text)).body
    assert len(docstring) == 1
    assert all(len(line) <= 120 for line in doc(text).splitlines())
    assert "\n" not in oneline(text)
    assert "\n" not in prose(text)
    if text.isascii():
        assert tomllib.loads(f"x = {toml(text)}")["x"] == text
    assert json.loads(toml(text)) == text


def test_every_seam_is_below_its_folder(app: Application) -> None:
    for feature in app.features:
        seams = [path for path in render.render_feature(app, feature.id) if path.startswith(render.SEAMS)]
        assert seams == ([f"{render.SEAMS}{feature.module}.py"] if feature.endpoints else [])


def test_an_unknown_feature_is_an_error(pitfalls: Application) -> None:
    with pytest.raises(KeyError):
        render.render_feature(pitfalls, "no such feature")
