"""The templates, their version, and the filters through which alone an intake's text reaches code."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

from jinja2 import BaseLoader, Environment, StrictUndefined, TemplateNotFound

from remit.packs.build import render_names, render_samples, render_text
from remit.packs.build.ir import Action, Application, Entity, Link, Reference, Setting

if TYPE_CHECKING:
    from collections.abc import Callable


class PackageTemplates(BaseLoader):
    """The templates beside this module, read through importlib.resources."""

    def __init__(self) -> None:
        """Read all of them once; they are few and small."""
        self.sources = dict(sorted(_walk("")))

    def get_source(self, environment: Environment, template: str) -> tuple[str, str | None, None]:
        """The text of a template."""
        del environment
        if template not in self.sources:
            raise TemplateNotFound(template)
        return self.sources[template], None, None

    def list_templates(self) -> list[str]:
        """All names, sorted."""
        return list(self.sources)


def _walk(prefix: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    folder = files("remit.packs.build").joinpath("templates", *filter(None, prefix.split("/")))
    for entry in folder.iterdir():
        path = f"{prefix}/{entry.name}" if prefix else entry.name
        if entry.is_dir():
            found.extend(_walk(path))
        elif entry.name.endswith(".j2"):
            found.append((path, entry.read_text(encoding="utf-8")))
    return found


LOADER = PackageTemplates()

TEMPLATE_VERSION = hashlib.sha256(
    "\0".join(f"{name}\0{text}" for name, text in LOADER.sources.items()).encode()
).hexdigest()
"""A hash over all template sources, for skip keys."""


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The environment of all templates; a missing variable is an error."""
    made = Environment(
        loader=LOADER,
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - code, not HTML; every string of an intake passes a literal filter
        keep_trailing_newline=True,
    )
    filters: dict[str, Callable[..., str | bool | list[str]]] = {
        "py": render_text.py,
        "doc": render_text.doc,
        "prose": render_text.prose,
        "oneline": render_text.oneline,
        "toml": render_text.toml,
        "spoken": render_text.spoken,
        "system_alias": render_text.system_alias,
        "bases": _bases,
        "roles_for": _roles_for,
        "is_state": render_names.is_state,
        "link_index": render_names.link_index,
        "check_name": render_names.check_name,
        "ondelete": render_names.on_delete,
        "python_type": render_names.python_type,
        "column_type": render_names.stored_type,
        "unshadowed": render_names.unshadowed,
        "input_type": render_names.input_type,
        "output_type": render_names.output_type,
        "create_default": render_names.create_default,
        "patch_default": render_names.patch_default,
        "read_alias": render_names.read_alias,
        "alias_option": render_names.alias_option,
        "sample": render_samples.sample,
        "example": render_samples.example,
        "path_type": render_names.path_type,
        "plain_type": render_names.plain_type,
        "filled_path": render_names.filled_path,
        "response_default": render_names.response_default,
        "scalar_type": render_names.scalar_type,
        "target_name": _target_name,
        "secret_variable": _secret_variable,
        "target_route": _target_route,
        "guard_value": render_names.guard_value,
    }
    made.filters |= filters
    return made


def _bases(entity: Entity) -> str:
    return ", ".join(
        name for name, wanted in (("Owned", entity.owned), ("InTenant", entity.tenant), ("Row", True)) if wanted
    )


def _roles_for(entity: Entity, action: str) -> list[str]:
    return list(entity.roles_for(Action(action)))


def _target_name(member: Reference | Link) -> str:
    return "_User" if member.target == "user" else member.target_class


def _secret_variable(setting: Setting, app: Application) -> str:
    """The variable of the secret that a setting names; the setting's own where none is declared."""
    return next((secret.environment for secret in app.secrets if secret.name == setting.secret), setting.environment)


def _target_route(reference: Reference, app: Application) -> str:
    return app.entity(reference.target).route


def render(template: str, **context: object) -> str:
    """The text of one template."""
    return environment().get_template(template).render(context)


def folder(name: str, **context: object) -> dict[str, str]:
    """Every template below a folder, by the path of its file; what renders to nothing is left out."""
    found = {
        path.removeprefix(f"{name}/").removesuffix(".j2"): render(path, **context)
        for path in LOADER.list_templates()
        if path.startswith(f"{name}/")
    }
    return {path: text for path, text in found.items() if text.strip()}
