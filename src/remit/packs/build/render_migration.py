"""The tables of the first migration, in an order in which every key points backwards."""

from dataclasses import dataclass

from remit.packs.build import render_names
from remit.packs.build.ir import Application, Entity, Link
from remit.packs.build.render_text import py


@dataclass(frozen=True, slots=True)
class TableSpec:
    """One `op.create_table`: its arguments as expressions, and its indexes as (name, columns)."""

    name: str
    arguments: tuple[str, ...]
    indexes: tuple[tuple[str, tuple[str, ...]], ...]


MOMENT = "sa.DateTime(timezone=True)"


def tables(app: Application) -> list[TableSpec]:
    """Every table of the application."""
    joins = [_join(entity, link) for entity in app.entities for link in entity.links if not link.through]
    audit = [_audit(app)] if app.audit_log else []
    return [_users(app), *audit, *(_entity(app, entity) for entity in app.entities), *joins]


def _column(name: str, kind: str, *, nullable: bool = False) -> str:
    return f"sa.Column({py(name)}, {kind}, nullable={nullable})"


def _key(table: str) -> str:
    return f'sa.PrimaryKeyConstraint("id", name={py(render_names.fit(f"pk_{table}"))})'


def _foreign(name: str, column: str, target: str, on_delete: str) -> str:
    return f"sa.ForeignKeyConstraint([{py(column)}], [{py(target + '.id')}], name={py(name)}, ondelete={py(on_delete)})"


def _unique(name: str, columns: tuple[str, ...]) -> str:
    return f"sa.UniqueConstraint({', '.join(map(py, columns))}, name={py(name)})"


def _choice(name: str, column: str, values: tuple[str, ...]) -> str:
    return f"sa.CheckConstraint(sa.column({py(column)}).in_({list(values)!r}), name=op.f({py(name)}))"


def _stamps() -> list[str]:
    return [_column("created_at", MOMENT), _column("updated_at", MOMENT)]


def _tenant(app: Application) -> list[str]:
    return [_column(app.tenancy.column, "sa.Uuid()")] if app.tenancy else []


def _users(app: Application) -> TableSpec:
    billing = [_column("tier", "sa.String(64)", nullable=True), _column("trial_ends_at", MOMENT, nullable=True)]
    arguments = [
        _column("id", "sa.Uuid()"),
        _column("email", "sa.String(254)"),
        _column("password_hash", "sa.String(255)"),
        _column("role", "sa.String(64)"),
        _column("is_active", "sa.Boolean()"),
        _column("founder", "sa.Boolean()", nullable=True),
        *(billing if app.billing else []),
        *_tenant(app),
        *_stamps(),
        _key("users"),
        _unique("uq_users_email", ("email",)),
        _unique("uq_users_founder", ("founder",)),
        _choice("ck_users_role", "role", tuple(role.name for role in app.roles)),
    ]
    indexes = (("ix_users_tenant", (app.tenancy.column,)),) if app.tenancy else ()
    return TableSpec("users", tuple(arguments), indexes)


def _audit(app: Application) -> TableSpec:
    arguments = [
        _column("id", "sa.Uuid()"),
        _column("user_id", "sa.Uuid()", nullable=True),
        _column("action", "sa.String(16)"),
        _column("subject", "sa.String(63)"),
        _column("subject_id", "sa.Uuid()"),
        _column("fields", "sa.String(4000)"),
        *_tenant(app),
        *_stamps(),
        _key("audit_entries"),
        _foreign("fk_audit_entries_user_id", "user_id", "users", "SET NULL"),
    ]
    indexes = [("ix_audit_entries_subject_id", ("subject_id",)), ("ix_audit_entries_user_id", ("user_id",))]
    if app.tenancy:
        indexes.append(("ix_audit_entries_tenant", (app.tenancy.column,)))
    return TableSpec("audit_entries", tuple(arguments), tuple(indexes))


def _entity(app: Application, entity: Entity) -> TableSpec:
    arguments = [_column("id", "sa.Uuid()")]
    arguments += [_column(ref.column, "sa.Uuid()", nullable=not ref.required) for ref in entity.references]
    arguments += [
        _column(field.column, render_names.stored_type(field, "sa."), nullable=not field.required)
        for field in entity.fields
    ]
    if entity.owned:
        arguments.append(_column("owner_id", "sa.Uuid()"))
    arguments += _tenant(app) if entity.tenant else []
    arguments += [*_stamps(), _key(entity.table)]
    if entity.owned:
        name = render_names.fit(f"fk_{entity.table}_owner_id")
        arguments.append(_foreign(name, "owner_id", "users", "CASCADE"))
    arguments += [
        _foreign(ref.constraint, ref.column, ref.target_table, render_names.on_delete(ref))
        for ref in entity.references
        if not ref.deferred
    ]
    arguments += [_unique(unique.constraint, unique.columns) for unique in entity.uniques]
    arguments += [
        _choice(
            render_names.fit(f"ck_{entity.table}_{field.column}"), field.column, tuple(v.value for v in field.values)
        )
        for field in entity.fields
        if field.values
    ]
    return TableSpec(entity.table, tuple(arguments), tuple((index.name, index.columns) for index in entity.indexes))


def _join(entity: Entity, link: Link) -> TableSpec:
    primary = render_names.fit(f"pk_{link.table}")
    arguments = (
        _column(link.left_column, "sa.Uuid()"),
        _column(link.right_column, "sa.Uuid()"),
        f"sa.PrimaryKeyConstraint({py(link.left_column)}, {py(link.right_column)}, name={py(primary)})",
        _foreign(link.left_constraint, link.left_column, entity.table, "CASCADE"),
        _foreign(link.right_constraint, link.right_column, link.target_table, "CASCADE"),
    )
    return TableSpec(link.table, arguments, ((render_names.link_index(link), (link.right_column,)),))
