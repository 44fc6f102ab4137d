"""The shipped intakes: they plan, they say what they seem to say, and they read the same however they are written."""

import json
from pathlib import Path

import pytest

from remit.packs.build.intake import read_intake
from remit.packs.build.ir import Action, Casing, FieldType, OnDelete
from remit.packs.build.plan import plan_build
from remit.packs.build.schema import Intake
from remit.testing.intakes import synthetic_intake

EXAMPLES = Path(__file__).parents[4] / "examples" / "intakes"
NAMES = ("clinic", "shop", "library")


def _intake(name: str) -> Intake:
    return read_intake((EXAMPLES / f"{name}.yaml").read_bytes(), name=f"{name}.yaml")


@pytest.mark.parametrize("name", NAMES)
def test_plan_is_the_same_twice_and_after_a_round_trip_through_json(name: str) -> None:
    intake = _intake(name)
    again = read_intake(intake.model_dump_json(exclude_none=True).encode(), name=f"{name}.json")
    assert again == intake
    assert plan_build(intake).canonical() == plan_build(again).canonical()


@pytest.mark.parametrize("name", NAMES)
def test_tables_can_be_created_in_their_order(name: str) -> None:
    app = plan_build(_intake(name)).ir
    made = {"users"}
    for entity in app.entities:
        made.add(entity.table)
        for ref in entity.references:
            assert ref.deferred or ref.target_table in made, (entity.name, ref.attribute)


@pytest.mark.parametrize("name", NAMES)
def test_steps_stand_in_an_order_that_can_run(name: str) -> None:
    spec = plan_build(_intake(name)).spec
    done: set[str] = set()
    for step in spec.steps:
        assert set(step.depends_on) <= done
        done.add(step.id)
    ids = [step.id for step in spec.steps]
    assert ids[0] == "skeleton"
    assert ids[-8:] == ["assemble", "format", "lint", "types", "tests", "security", "migrations", "serve"]


def test_every_field_type_and_relation_is_in_the_examples() -> None:
    apps = [plan_build(_intake(name)).ir for name in NAMES]
    entities = [entity for app in apps for entity in app.entities]
    assert {field.type for entity in entities for field in entity.fields} == set(FieldType)
    assert {ref.on_delete for entity in entities for ref in entity.references} == set(OnDelete)
    assert any(link.through for entity in entities for link in entity.links)
    assert any(link.self_reference for entity in entities for link in entity.links)
    assert any(ref.self_reference and ref.unique for entity in entities for ref in entity.references)
    assert any(ref.deferred for entity in entities for ref in entity.references)
    assert all(6 <= len(app.entities) <= 12 for app in apps)


def test_clinic_decides_names_rights_and_personal_data() -> None:
    app = plan_build(_intake("clinic")).ir
    assert app.casing is Casing.CAMEL
    appointment = app.entity("appointment")
    assert (appointment.class_name, appointment.table, appointment.route) == (
        "Appointment",
        "appointments",
        "/appointments",
    )
    patient = next(ref for ref in appointment.references if ref.attribute == "patient")
    assert (patient.column, patient.name, patient.required, patient.inverse) == (
        "patient_id",
        "patientId",
        True,
        "appointments",
    )
    assert [unique.columns for unique in appointment.uniques] == [("practitioner_id", "starts_at")]
    assert appointment.roles_for(Action.DELETE) == ("manager", "admin")
    assert app.entity("patient").roles_for(Action.UPDATE) == ("receptionist", "manager", "admin")
    assert appointment.states is not None
    check_in = next(move for move in appointment.states.transitions if move.name == "check in")
    assert (check_in.function, check_in.segment) == ("check_in", "check-in")
    assert [source.value for source in check_in.sources] == ["booked", "confirmed"]
    assert (check_in.guards[0].attribute, check_in.guards[0].api_name) == ("room_id", "roomId")
    personal = {f"{entity.id}.{field.name}" for entity in app.entities for field in entity.fields if field.pii}
    assert {"patient.email", "patient.dateOfBirth", "encounter.diagnosis", "patient.medicalRecordNumber"} <= personal
    assert "department.name" not in personal


def test_shop_keeps_tenants_tiers_and_reserved_names_apart() -> None:
    plan = plan_build(_intake("shop"))
    app = plan.ir
    assert app.casing is Casing.SNAKE
    variant = app.entity("variant")
    assert [unique.columns for unique in variant.uniques] == [("merchant_id", "sku")]
    metadata = next(field for field in app.entity("product").fields if field.name == "metadata")
    assert (metadata.attribute, metadata.column) == ("metadata_", "metadata")
    assert app.billing is not None
    assert [str(tier.price) for tier in app.billing.tiers] == ["0", "9.9", "29"]
    assert app.billing.gated == {"coupons", "media", "quotes"}
    line = app.entity("order_line")
    assert [(ref.attribute, ref.required, ref.on_delete) for ref in line.references] == [
        ("order", True, OnDelete.CASCADE),
        ("variant", True, OnDelete.RESTRICT),
    ]
    assert app.entity("customer").owned
    assert next(field for field in app.entity("customer").fields if field.name == "api_key").write_only
    assert [setting.secret for setting in app.integrations[0].settings] == [None, "stripe-key", None]
    assert app.secrets[0].environment == "STRIPE_API_KEY"
    returned = app.entity("order").states
    assert returned is not None
    assert [move.function for move in returned.transitions] == ["place", "pay", "ship", "return_", "cancel"]
    assert plan.graph.validation.unreachable_nodes == ("gift-cards",)
    assert "feature gift-cards is not enabled and is left out" in plan.notes
    assert "gift-cards" not in {feature.id for feature in app.features}


def test_library_stands_on_self_references_and_a_knot() -> None:
    app = plan_build(_intake("library")).ir
    category = app.entity("category")
    assert [(ref.attribute, ref.inverse, ref.self_reference) for ref in category.references] == [
        ("parent", "children", True)
    ]
    knot = {(entity.id, ref.column) for entity in app.entities for ref in entity.references if ref.deferred}
    assert knot == {("work", "reference_edition_id")}
    work = app.entity("work")
    link = work.links[0]
    assert (link.through, link.table, link.left_column, link.right_column) == (
        "authorship",
        "authorships",
        "work_id",
        "author_id",
    )
    condition = next(field for field in app.entity("copy").fields if field.name == "condition")
    assert [value.member for value in condition.values] == ["V_1_AS_NEW", "V_2_WORN", "V_3_DAMAGED"]
    language = next(field for field in work.fields if field.name == "language")
    assert "no" in [value.value for value in language.values]


def test_architecture_lists_every_table_and_operation() -> None:
    plan = plan_build(_intake("library"))
    tables = {table.name: table for table in plan.architecture.infrastructure.database.tables}
    assert set(tables) == {"users", "author_influenced_by", *(entity.table for entity in plan.ir.entities)}
    loan = {column.name: column for column in tables["loans"].columns}
    assert loan["member_id"].references is not None
    assert loan["member_id"].references.table == "members"
    assert not loan["member_id"].nullable
    operations = {f"{entry.method} {entry.path}" for entry in plan.architecture.api_contract.endpoints}
    assert {"GET /health", "POST /api/v1/loans", "POST /api/v1/loans/{row_id}/report-lost"} <= operations


def test_one_changed_field_changes_the_keys_of_its_feature_and_of_the_whole_only() -> None:
    data = (EXAMPLES / "clinic.yaml").read_bytes()
    changed = data.replace(b"maxLength: 300, pii: true", b"maxLength: 301, pii: true")
    before = {step.id: step.key for step in plan_build(read_intake(data, name="c.yaml")).spec.steps}
    after = {step.id: step.key for step in plan_build(read_intake(changed, name="c.yaml")).spec.steps}
    same = {name for name, key in before.items() if after[name] == key}
    assert "skeleton" in same
    assert "feature-reporting" in same
    assert "feature-appointments" not in same
    assert not {"assemble", "tests"} & same


def test_snake_case_keys_and_other_spellings_mean_the_same() -> None:
    data = (EXAMPLES / "library.yaml").read_text()
    other = data.replace("maxLength:", "max_length:").replace("onDelete:", "on_delete:").replace("target:", "to:")
    assert read_intake(other.encode(), name="l.yaml") == read_intake(data.encode(), name="l.yaml")


def test_a_byte_order_mark_and_json_are_read_too() -> None:
    data = (EXAMPLES / "clinic.yaml").read_bytes()
    assert read_intake(b"\xef\xbb\xbf" + data, name="c.yaml") == read_intake(data, name="c.yaml")
    tree = json.loads(_intake("clinic").model_dump_json(exclude_none=True))
    assert read_intake(json.dumps(tree, indent=1).encode(), name="c.json") == read_intake(data, name="c.yaml")


def test_synthetic_intakes_are_valid_and_staged() -> None:
    data = synthetic_intake(16, 2)
    assert data == synthetic_intake(16, 2)
    plan = plan_build(read_intake(data, name="s.yaml"))
    assert len(plan.ir.entities) == 32
    assert plan.graph.statistics.stages > 3
    assert plan.graph.validation.critical_path


def test_an_intake_that_states_the_obvious_is_understood() -> None:
    data = b"""
metadata: {appName: Todo}
requirements:
  features:
    - id: todos
      name: Todos
      type: crud
      dataModel:
        entities:
          - name: Project
            fields: [{name: id, type: uuid, required: true, unique: true}, {name: title, type: string}]
            relationships: [{type: 1-n, target: Todo, foreignKey: projectId}]
          - name: Todo
            fields:
              - {name: id, type: uuid, required: true, unique: true}
              - {name: projectId, type: uuid, required: true}
              - {name: title, type: string, required: true}
              - {name: createdAt, type: datetime}
            relationships: [{type: n-1, target: Project, foreignKey: projectId}, {type: n-1, target: User}]
      api:
        endpoints:
          - {method: GET, path: /todos, description: All todos., auth: true}
          - {method: GET, path: "/todos/{todoId}", auth: true}
          - {method: POST, path: "/todos/{todoId}/remind", auth: user}
  security: {authorization: {model: rbac, roles: [user, admin]}}
"""
    plan = plan_build(read_intake(data, name="todo.yaml"))
    todo = plan.ir.entity("todo")
    assert [field.name for field in todo.fields] == ["title"]
    assert [(ref.column, ref.name, ref.required, ref.inverse, ref.target) for ref in todo.references] == [
        ("project_id", "projectId", True, "todos", "project"),
        ("user_id", "userId", False, None, "user"),
    ]
    endpoints = plan.ir.feature("todos").endpoints
    assert [(entry.path, entry.roles) for entry in endpoints] == [("/todos/{todo_id}/remind", ("user", "admin"))]
    assert plan.ir.auth.default == "user"
    assert "2 endpoint(s) of the intake are those that its entities bring anyway" in plan.notes
