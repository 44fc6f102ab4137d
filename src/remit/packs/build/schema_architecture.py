"""The architecture as a document: services, tables, contract, security, deployment and what can be observed."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from remit.packs.build.cycles import find_cycles
from remit.packs.build.ir import OnDelete
from remit.packs.build.schema_document import Document, Line, Many, Name, Path, Prose
from remit.packs.build.schema_feature import Method
from remit.packs.build.schema_security import AuthMethod, Isolation, Standard

type Identifier = Annotated[str, Field(min_length=1, max_length=63)]


class ServiceType(StrEnum):
    """What a service is."""

    API = "api"
    DATABASE = "database"
    EXTERNAL = "external"


class Overview(Document):
    """How the application is cut."""

    patterns: Many[Line]
    layers: Many[Line]


class Resources(Document):
    """What a service is given."""

    cpus: Annotated[float, Field(gt=0)]
    memory_mb: Annotated[int, Field(gt=0)]
    replicas: Annotated[int, Field(ge=1)] = 1


class Service(Document):
    """A process or an outside service; `consumedAPIs` are those of its dependencies that it calls."""

    id: Name
    type: ServiceType
    responsibilities: Annotated[Many[Prose], Field(min_length=1)]
    dependencies: Many[Name] = ()
    exposed_apis: Annotated[Many[Line], Field(alias="exposedAPIs")] = ()
    consumed_apis: Annotated[Many[Line], Field(alias="consumedAPIs")] = ()
    resources: Resources | None = None


class ColumnReference(Document):
    """What a foreign key points at."""

    table: Identifier
    column: Identifier
    on_delete: OnDelete


class Column(Document):
    """One column; `type` as the field type with its parameters, such as `decimal(10,2)`."""

    name: Identifier
    type: Line
    nullable: bool
    pk: bool = False
    unique: bool = False
    index: bool = False
    references: ColumnReference | None = None


class TableIndex(Document):
    """An index over columns of one table."""

    name: Identifier
    columns: Annotated[Many[Identifier], Field(min_length=1)]
    unique: bool = False


class Table(Document):
    """A table with at least one column and a primary key."""

    name: Identifier
    columns: Annotated[Many[Column], Field(min_length=1)]
    indexes: Many[TableIndex] = ()


class DatabaseSpec(Document):
    """Tables in an order in which they can be created, deferred keys left aside."""

    engine: Name
    tables: Annotated[Many[Table], Field(min_length=1)]
    migrations: Line = "alembic"


class Infrastructure(Document):
    """What runs. None stands for what the application does not need."""

    services: Annotated[Many[Service], Field(min_length=1)]
    database: DatabaseSpec
    cache: Name | None = None
    message_queue: Name | None = None
    storage: Name | None = None


class Contract(Document):
    """One operation; `request` and `response` name schemas, `errors` lists statuses besides the successful one."""

    path: Path
    method: Method
    request: Name | None = None
    response: Name | None = None
    status: Annotated[int, Field(ge=200, le=299)]
    errors: Many[Annotated[int, Field(ge=400, le=599)]] = ()
    authentication: bool
    roles: Many[Name] = ()
    rate_limit: Annotated[int, Field(ge=1)] | None = None


class ApiContract(Document):
    """Every operation the application answers."""

    prefix: Path
    endpoints: Annotated[Many[Contract], Field(min_length=1)]


class SecurityArchitecture(Document):
    """How the application protects itself."""

    authentication: Annotated[Many[AuthMethod], Field(min_length=1)]
    roles: Annotated[Many[Name], Field(min_length=1)]
    tenancy: Isolation | None = None
    pii_columns: Many[Line] = ()
    secret_columns: Many[Line] = ()
    audit_log: bool = False
    retention_days: int | None = None
    standards: Many[Standard] = ()


class DeploymentArchitecture(Document):
    """How the application is shipped."""

    kind: Name
    runtime: Name
    command: Annotated[Many[Line], Field(min_length=1)]
    environment: Many[Name] = ()
    health_path: Path


class Observability(Document):
    """What the application says about itself."""

    health: Path
    logs: Line
    metrics: Many[Line] = ()
    response_time_ms: int | None = None


class Architecture(Document):
    """The whole; services have no cycle, foreign keys resolve, no operation stands twice."""

    overview: Overview
    infrastructure: Infrastructure
    api_contract: ApiContract
    security: SecurityArchitecture
    deployment: DeploymentArchitecture
    observability: Observability

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = [
            *_service_problems(self.infrastructure.services),
            *_table_problems(self.infrastructure.database.tables),
            *_contract_problems(self.api_contract.endpoints),
        ]
        if problems:
            raise ValueError("; ".join(problems))
        return self


def _service_problems(services: tuple[Service, ...]) -> list[str]:
    edges = {service.id: service.dependencies for service in services}
    problems = [f"service {name} stands twice" for name in _twice([service.id for service in services])]
    problems += [
        f"service {service.id} depends on {name}, which is no service"
        for service in services
        for name in service.dependencies
        if name not in edges
    ]
    return problems + [f"services form a cycle: {' -> '.join(cycle)}" for cycle in find_cycles(edges)]


def _table_problems(tables: tuple[Table, ...]) -> list[str]:
    problems = [f"table {name} stands twice" for name in _twice([table.name for table in tables])]
    keys = {(table.name, column.name) for table in tables for column in table.columns if column.pk or column.unique}
    for table in tables:
        names = [column.name for column in table.columns]
        problems += [f"column {table.name}.{name} stands twice" for name in _twice(names)]
        if not any(column.pk for column in table.columns):
            problems.append(f"table {table.name} has no primary key")
        for column in table.columns:
            ref = column.references
            if ref is None:
                continue
            if (ref.table, ref.column) not in keys:
                problems.append(f"{table.name}.{column.name} references {ref.table}.{ref.column}, which is no key")
            if ref.on_delete is OnDelete.SET_NULL and not column.nullable:
                problems.append(f"{table.name}.{column.name} can't be set to null")
        for index in table.indexes:
            problems += [f"index {index.name} names no column {name}" for name in index.columns if name not in names]
    return problems


def _contract_problems(endpoints: tuple[Contract, ...]) -> list[str]:
    return [f"operation {name} stands twice" for name in _twice([f"{e.method} {e.path}" for e in endpoints])]


def _twice(names: list[str]) -> list[str]:
    seen: set[str] = set()
    twice: list[str] = []
    for name in names:
        if name in seen:
            twice.append(name)
        seen.add(name)
    return twice
