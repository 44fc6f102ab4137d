"""Conditions before and after steps: one closed union, the same before and after; an unknown kind is an error."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from remit.packs.build.schema_document import Document, Line, Many, Name, Path


class Severity(StrEnum):
    """What a condition that does not hold does: `error` and `critical` fail the step, `critical` rolls back too."""

    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class _Condition(Document):
    id: Name
    severity: Severity = Severity.ERROR
    continue_on_failure: bool = False


class FileExists(_Condition):
    """A file is there."""

    type: Literal["file_exists"] = "file_exists"
    path: Path


class FileSha(_Condition):
    """A file has exactly this SHA-256."""

    type: Literal["file_sha"] = "file_sha"
    path: Path
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class FileContains(_Condition):
    """A file holds this text."""

    type: Literal["file_contains"] = "file_contains"
    path: Path
    text: Line


class CommandSucceeds(_Condition):
    """A command ends with this exit code, and its output matches the pattern if there is one."""

    type: Literal["command"] = "command"
    args: Annotated[Many[Line], Field(min_length=1)]
    exit_code: int = 0
    pattern: Line | None = None
    timeout: Annotated[float, Field(gt=0)] = 60.0


class HttpAnswers(_Condition):
    """A URL answers with this status, and its JSON holds `value` at `jsonPath` if there is one."""

    type: Literal["http"] = "http"
    url: Line
    status: Annotated[int, Field(ge=100, le=599)] = 200
    json_path: Line | None = None
    value: str | int | float | bool | None = None


class PortOpen(_Condition):
    """Something listens on a port of this machine."""

    type: Literal["port"] = "port"
    port: Annotated[int, Field(ge=1, le=65_535)]


class OpenApiHas(_Condition):
    """The application's OpenAPI document has this operation."""

    type: Literal["openapi_has"] = "openapi_has"
    method: Name
    path: Path


class MigrationAtHead(_Condition):
    """The database stands at the newest migration."""

    type: Literal["migration_at_head"] = "migration_at_head"


class TestPasses(_Condition):
    """Tests pass, given by their node ids."""

    type: Literal["test_passes"] = "test_passes"
    node_ids: Annotated[Many[Line], Field(min_length=1)]


class SecretPresent(_Condition):
    """A declared secret can be resolved."""

    type: Literal["secret_present"] = "secret_present"
    secret: Name


class NoneOfSecrets(_Condition):
    """No file that the step changed holds a secret."""

    type: Literal["none_of_secrets"] = "none_of_secrets"


type Condition = Annotated[
    FileExists
    | FileSha
    | FileContains
    | CommandSucceeds
    | HttpAnswers
    | PortOpen
    | OpenApiHas
    | MigrationAtHead
    | TestPasses
    | SecretPresent
    | NoneOfSecrets,
    Field(discriminator="type"),
]
