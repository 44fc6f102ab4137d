"""The architecture of an application, derived from its intermediate representation; nothing in it is a guess."""

from typing import TYPE_CHECKING

from remit.packs.build.ir import Action, Application, Entity, Field, FieldType, OnDelete, Reference
from remit.packs.build.schema_architecture import (
    ApiContract,
    Architecture,
    Column,
    ColumnReference,
    Contract,
    DatabaseSpec,
    DeploymentArchitecture,
    Infrastructure,
    Observability,
    Overview,
    Resources,
    SecurityArchitecture,
    Service,
    ServiceType,
    Table,
    TableIndex,
)
from remit.packs.build.schema_feature import IntegrationType, Method
from remit.packs.build.schema_security import Isolation

if TYPE_CHECKING:
    from remit.packs.build.schema import Intake

HEALTH = "/health"
_READ_ERRORS = (401, 403, 404, 422)
_USERS_PER_REPLICA = 500
"""Concurrent users one process of the generated application is planned for."""


def architecture(intake: "Intake", app: Application) -> Architecture:
    """The architecture of the application `app` that `intake` describes, validated."""
    compliance, tenancy = intake.requirements.security.compliance, intake.requirements.multi_tenancy
    kinds = {entry.type: entry.name for entry in intake.integrations}
    return Architecture(
        overview=Overview(
            patterns=("modular monolith", "one module per entity", "seams for hand-written code"),
            layers=("routes", "schemas", "models", "database"),
        ),
        infrastructure=Infrastructure(
            services=_services(intake, app),
            database=DatabaseSpec(engine=app.database, tables=tables(app)),
            message_queue=kinds.get(IntegrationType.QUEUE),
            storage=kinds.get(IntegrationType.STORAGE),
        ),
        api_contract=ApiContract(prefix=app.api_prefix, endpoints=tuple(_contracts(app))),
        security=SecurityArchitecture(
            authentication=intake.requirements.security.authentication.methods,
            roles=tuple(role.name for role in app.roles),
            tenancy=Isolation.ROW if tenancy else None,
            pii_columns=tuple(f"{e.table}.{f.column}" for e in app.entities for f in e.fields if f.pii),
            secret_columns=tuple(f"{e.table}.{f.column}" for e in app.entities for f in e.fields if f.secret),
            audit_log=app.audit_log,
            retention_days=app.retention_days,
            standards=compliance.standards,
        ),
        deployment=DeploymentArchitecture(
            kind=app.deployment,
            runtime=f"python{app.python}",
            command=("uvicorn", "app.main:app", "--host", "0.0.0.0", "--port", "8000"),  # noqa: S104 - in its container
            environment=tuple(dict.fromkeys(secret.environment for secret in app.secrets)),
            health_path=HEALTH,
        ),
        observability=Observability(
            health=HEALTH,
            logs="one line per request on standard output",
            response_time_ms=intake.requirements.performance.response_time_ms,
        ),
    )


def _services(intake: "Intake", app: Application) -> tuple[Service, ...]:
    users = intake.requirements.performance.concurrent_users or 1
    api = Service(
        id="api",
        type=ServiceType.API,
        responsibilities=tuple(f"{feature.name} ({feature.id})" for feature in app.features),
        dependencies=("database", *(entry.name for entry in app.integrations)),
        exposed_apis=(app.api_prefix, HEALTH),
        consumed_apis=tuple(f"{entry.type}:{entry.provider}" for entry in app.integrations),
        resources=Resources(cpus=1.0, memory_mb=512, replicas=-(-users // _USERS_PER_REPLICA)),
    )
    database = Service(
        id="database", type=ServiceType.DATABASE, responsibilities=(f"keeps all rows in {app.database}",)
    )
    outside = (
        Service(
            id=entry.name,
            type=ServiceType.EXTERNAL,
            responsibilities=(f"{entry.type} by {entry.provider}",),
            dependencies=entry.depends_on,
        )
        for entry in app.integrations
    )
    return (api, database, *outside)


def tables(app: Application) -> tuple[Table, ...]:
    """All tables: accounts first, entities in the order of the representation, then link tables."""
    found = [_users(app), *(_table(entity, app) for entity in app.entities)]
    for entity in app.entities:
        for link in entity.links:
            if link.through is None:
                ends = ((link.left_column, entity.table), (link.right_column, link.target_table))
                columns = tuple(
                    Column(
                        name=name,
                        type="uuid",
                        nullable=False,
                        pk=True,
                        references=ColumnReference(table=table, column="id", on_delete=OnDelete.CASCADE),
                    )
                    for name, table in ends
                )
                found.append(Table(name=link.table, columns=columns))
    return tuple(found)


def _own_columns(app: Application, *, tenant: bool) -> list[Column]:
    columns = [Column(name="id", type="uuid", nullable=False, pk=True, unique=True)]
    if tenant and app.tenancy:
        columns.append(Column(name=app.tenancy.column, type="uuid", nullable=False, index=True))
    columns.append(Column(name="created_at", type="datetime", nullable=False))
    columns.append(Column(name="updated_at", type="datetime", nullable=False))
    return columns


def _users(app: Application) -> Table:
    own = [
        Column(name="email", type="email(254)", nullable=False, unique=True),
        Column(name="password_hash", type="string(255)", nullable=False),
        Column(name="role", type="string(64)", nullable=False),
        Column(name="is_active", type="bool", nullable=False),
    ]
    if app.billing:
        own.append(Column(name="tier", type="string(64)", nullable=True))
    return Table(name="users", columns=(*_own_columns(app, tenant=True), *own))


def _table(entity: Entity, app: Application) -> Table:
    columns = _own_columns(app, tenant=entity.tenant)
    if entity.owned:
        owner = ColumnReference(table="users", column="id", on_delete=OnDelete.CASCADE)
        columns.append(Column(name="owner_id", type="uuid", nullable=False, index=True, references=owner))
    alone = {unique.columns for unique in entity.uniques if len(unique.columns) == 1}
    columns += [_field_column(field, unique=(field.column,) in alone) for field in entity.fields]
    columns += [_key_column(ref, unique=(ref.column,) in alone) for ref in entity.references]
    indexes = [TableIndex(name=index.name, columns=index.columns) for index in entity.indexes]
    indexes += [TableIndex(name=group.constraint, columns=group.columns, unique=True) for group in entity.uniques]
    return Table(name=entity.table, columns=tuple(columns), indexes=tuple(indexes))


def _field_column(field: Field, *, unique: bool) -> Column:
    return Column(name=field.column, type=_type(field), nullable=not field.required, unique=unique, index=field.indexed)


def _key_column(ref: Reference, *, unique: bool) -> Column:
    target = ColumnReference(table=ref.target_table, column="id", on_delete=ref.on_delete)
    return Column(
        name=ref.column,
        type="uuid",
        nullable=not ref.required,
        unique=unique,
        index=ref.indexed,
        references=target,
    )


def _type(field: Field) -> str:
    if field.type is FieldType.DECIMAL:
        return f"decimal({field.precision},{field.scale})"
    return f"{field.type}({field.max_length})" if field.max_length is not None else field.type.value


def _contracts(app: Application) -> list[Contract]:
    limit = app.rate_limit_per_minute
    found = [
        Contract(path=HEALTH, method=Method.GET, response="Health", status=200, authentication=False),
        *(_sign_in(app, limit)),
    ]
    for feature in app.features:
        found += [
            Contract(
                path=f"{app.api_prefix}{endpoint.path}",
                method=Method(endpoint.method),
                request=endpoint.request_class,
                response=endpoint.response_class,
                status=endpoint.response_status,
                errors=(422, 501) if endpoint.public else (401, 403, 422, 501),
                authentication=not endpoint.public,
                roles=endpoint.roles,
                rate_limit=limit,
            )
            for endpoint in feature.endpoints
        ]
    for entity in app.entities:
        found += _entity_contracts(entity, app, limit)
    return found


def _sign_in(app: Application, limit: int | None) -> list[Contract]:
    prefix = app.api_prefix
    found = [
        Contract(
            path=f"{prefix}/auth/login",
            method=Method.POST,
            request="Login",
            response="Token",
            status=200,
            errors=(401, 422),
            authentication=False,
            rate_limit=limit,
        ),
        Contract(
            path=f"{prefix}/auth/me",
            method=Method.GET,
            response="Account",
            status=200,
            errors=(401,),
            authentication=True,
            rate_limit=limit,
        ),
    ]
    users = f"{prefix}/users"
    accounts: tuple[tuple[Method, str, str | None, str, int, tuple[int, ...]], ...] = (
        (Method.GET, users, None, "AccountPage", 200, (401, 403, 422)),
        (Method.POST, users, "Registration", "Account", 201, (401, 403, 409, 422)),
        (Method.PATCH, f"{users}/{{row_id}}", "AccountUpdate", "Account", 200, (*_READ_ERRORS, 409)),
    )
    found += [
        Contract(
            path=path,
            method=method,
            request=request,
            response=response,
            status=status,
            errors=errors,
            authentication=True,
            roles=(app.auth.admin,),
            rate_limit=limit,
        )
        for method, path, request, response, status, errors in accounts
    ]
    if app.auth.registration:
        found.append(
            Contract(
                path=f"{prefix}/auth/register",
                method=Method.POST,
                request="Registration",
                response="Account",
                status=201,
                errors=(409, 422),
                authentication=False,
                rate_limit=limit,
            )
        )
    return found


def _entity_contracts(entity: Entity, app: Application, limit: int | None) -> list[Contract]:
    base, cls = f"{app.api_prefix}{entity.route}", entity.class_name
    one = f"{base}/{{row_id}}"
    rows: list[tuple[Method, str, str | None, str | None, int, tuple[int, ...], tuple[str, ...]]] = [
        (Method.GET, base, None, f"{cls}Page", 200, (401, 403, 422), entity.roles_for(Action.READ)),
        (Method.POST, base, f"{cls}Create", f"{cls}Read", 201, (*_READ_ERRORS, 409), entity.roles_for(Action.CREATE)),
        (Method.GET, one, None, f"{cls}Read", 200, _READ_ERRORS, entity.roles_for(Action.READ)),
        (Method.PATCH, one, f"{cls}Update", f"{cls}Read", 200, (*_READ_ERRORS, 409), entity.roles_for(Action.UPDATE)),
        (Method.DELETE, one, None, None, 204, (*_READ_ERRORS, 409), entity.roles_for(Action.DELETE)),
    ]
    if entity.states:
        rows += [
            (Method.POST, f"{one}/{move.segment}", None, f"{cls}Read", 200, (*_READ_ERRORS, 409), move.roles)
            for move in entity.states.transitions
        ]
    return [
        Contract(
            path=path,
            method=method,
            request=request,
            response=response,
            status=status,
            errors=errors,
            authentication=True,
            roles=roles,
            rate_limit=limit,
        )
        for method, path, request, response, status, errors, roles in rows
    ]
