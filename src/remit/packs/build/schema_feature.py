"""Features of an intake, their endpoints and pages, and what surrounds them."""

from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, Discriminator, Field, StringConstraints, Tag

from remit.packs.build.ir import FeatureType
from remit.packs.build.schema_document import Document, Line, Literal, Many, Name, Path, Prose
from remit.packs.build.schema_entity import DataModel, FieldSpec
from remit.packs.build.schema_security import BillingSpec, MultiTenancy, Security


class Method(StrEnum):
    """HTTP methods of a custom endpoint."""

    GET = "GET"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"


class DependencyType(StrEnum):
    """How strongly a feature needs another: hard and data must be there; soft only orders; optional may be absent."""

    HARD = "hard"
    SOFT = "soft"
    DATA = "data"
    OPTIONAL = "optional"


class Dependency(Document):
    """One edge of the feature graph."""

    feature_id: Name
    type: DependencyType = DependencyType.HARD
    reason: Prose = ""


class Body(Document):
    """The fields of a request or of a response; `status` is that of a successful response."""

    fields: Annotated[Many[FieldSpec], Field(max_length=200)] = ()
    status: Annotated[int, Field(ge=200, le=299)] | None = None


class EndpointTestSpec(Document):
    """A call and what it must answer."""

    name: Line
    path: Path | None = None
    body: dict[str, Literal] = Field(default_factory=dict, max_length=200)
    expected_status: Annotated[int, Field(ge=200, le=599)]
    expected_fields: Many[Name] = ()


class EndpointSpec(Document):
    """A custom endpoint. `auth`: false for everyone, true for any account, or the name of a role."""

    method: Method
    path: Path
    description: Prose = ""
    auth: bool | Name = True
    name: Name | None = None
    request: Body = Body()
    response: Body = Body()
    tests: Many[EndpointTestSpec] = ()


class Api(Document):
    """The endpoints a feature has beyond those of its entities."""

    endpoints: Many[EndpointSpec] = ()


class PageSpec(Document):
    """A page of a front end."""

    name: Line
    path: Path
    description: Prose = ""


class Ui(Document):
    """The pages a feature asks for."""

    pages: Many[PageSpec] = ()


def _dependency_kind(value: object) -> str:
    return "id" if isinstance(value, str) else "object"


type DependencySpec = Annotated[
    Annotated[Name, Tag("id")] | Annotated[Dependency, Tag("object")], Discriminator(_dependency_kind)
]
"""A feature id (a hard dependency) or an object with its type and reason."""


class FeatureSpec(Document):
    """One feature; `priority` 0 (last) to 10 (first) orders features that do not depend on each other."""

    id: Name
    name: Line
    description: Prose = ""
    type: FeatureType = FeatureType.CRUD
    priority: Annotated[int, Field(ge=0, le=10)] = 5
    enabled: bool = True
    code: Name | None = None
    data_model: DataModel = DataModel()
    api: Api = Api()
    ui: Ui = Ui()
    dependencies: Many[DependencySpec] = ()


class Performance(Document):
    """What the application should bear."""

    response_time_ms: Annotated[int, Field(ge=1, le=60_000)] | None = None
    requests_per_second: Annotated[int, Field(ge=1, le=100_000)] | None = None
    concurrent_users: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    rate_limit_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] | None = None


class Requirements(Document):
    """What the application must do."""

    features: Annotated[Many[FeatureSpec], Field(min_length=1)]
    security: Security = Security()
    multi_tenancy: MultiTenancy | None = None
    performance: Performance = Performance()
    billing: BillingSpec | None = None


class Runtime(StrEnum):
    """Interpreters the generated application can target."""

    PYTHON_312 = "python3.12"
    PYTHON_313 = "python3.13"
    PYTHON_314 = "python3.14"


class Framework(StrEnum):
    """Frameworks that can be generated."""

    FASTAPI = "fastapi"


class Database(StrEnum):
    """Databases the generated application runs on."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


class DeploymentKind(StrEnum):
    """What is generated to deploy with."""

    NONE = "none"
    DOCKER = "docker"
    COMPOSE = "compose"


class TechnicalConstraints(Document):
    """What the application must be built with."""

    target_runtime: Runtime = Runtime.PYTHON_312
    framework: Framework = Framework.FASTAPI
    database: Database = Database.SQLITE
    deployment: DeploymentKind = DeploymentKind.DOCKER


class IntegrationType(StrEnum):
    """What an outside service is for."""

    PAYMENT = "payment"
    EMAIL = "email"
    SMS = "sms"
    STORAGE = "storage"
    WEBHOOK = "webhook"
    QUEUE = "queue"
    SEARCH = "search"
    ANALYTICS = "analytics"
    HTTP = "http"


class IntegrationSpec(Document):
    """An outside service. A value of `config` may be `secret://NAME`, where NAME stands in the intake's `secrets`."""

    name: Name
    type: IntegrationType
    provider: Name
    config: dict[str, Literal] = Field(default_factory=dict, max_length=100)
    depends_on: Many[Name] = ()


class SecretProvider(StrEnum):
    """Where a secret is kept."""

    ENV = "env"
    FILE = "file"
    AWS = "aws"
    VAULT = "vault"


class SecretSpec(Document):
    """A secret by reference: where it is kept, never what it is."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,59}$")]
    provider: SecretProvider = SecretProvider.ENV
    path: Path
    required: bool = True


class Metadata(Document):
    """What the application is called. Times carry their offset from UTC."""

    app_name: Line
    description: Prose = ""
    version: Annotated[
        str,
        StringConstraints(max_length=40, pattern=r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)([-+][0-9A-Za-z.-]+)?$"),
    ] = "0.1.0"
    code: Name | None = None
    created_at: AwareDatetime | None = None
    updated_at: AwareDatetime | None = None
