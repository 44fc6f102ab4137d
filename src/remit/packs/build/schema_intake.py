"""The shape of an intake: its parts, each right by itself, and no rule across them."""

from typing import Literal

from pydantic import Field

from remit.packs.build.schema_document import Document, Many
from remit.packs.build.schema_feature import IntegrationSpec, Metadata, Requirements, SecretSpec, TechnicalConstraints

SCHEMA_VERSION = 1


class UncheckedIntake(Document):
    """An intake whose rules nobody has checked: what the rules read. Everybody else takes an `Intake`."""

    schema_version: Literal[1] = SCHEMA_VERSION
    metadata: Metadata
    requirements: Requirements
    technical_constraints: TechnicalConstraints = TechnicalConstraints()
    integrations: Many[IntegrationSpec] = Field(default=(), max_length=100)
    secrets: Many[SecretSpec] = Field(default=(), max_length=200)
