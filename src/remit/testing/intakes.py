"""Intakes of any size, for measuring: the same arguments always give the same bytes."""

_FIELDS = (
    "{name: code, type: string, maxLength: 40, required: true, unique: true}",
    "{name: title, type: string, maxLength: 200, required: true, indexed: true}",
    "{name: notes, type: text}",
    "{name: amount, type: decimal, precision: 12, scale: 2, required: true, min: 0, default: 0}",
    "{name: quantity, type: int, min: 0, max: 1000000}",
    "{name: contact, type: email, example: ada@example.org}",
    "{name: dueOn, type: date}",
    "{name: status, type: enum, values: [open, active, closed], required: true, default: open}",
)


def synthetic_intake(features: int, entities_per_feature: int) -> bytes:
    """A valid YAML intake: 8 fields an entity, a chain of relations inside each feature and one to an earlier feature.

    Every third feature is a workflow with states; features form about eight dependency stages.

    Args:
        features: How many features, at least 1.
        entities_per_feature: How many entities each brings, at least 1.
    """
    lines = [
        "metadata: {appName: Synthetic, description: Made for measuring.}",
        "technicalConstraints: {database: postgresql}",
        "requirements:",
        "  features:",
    ]
    for feature in range(features):
        flows = feature % 3 == 2  # noqa: PLR2004 - every third
        before = feature - (features // 8 + 1)
        lines += [
            f"    - id: feature-{feature}",
            f"      name: Feature {feature}",
            f"      type: {'workflow' if flows else 'crud'}",
            f"      priority: {feature % 11}",
        ]
        if before >= 0:
            lines.append(f"      dependencies: [feature-{before}]")
        lines += ["      dataModel:", "        entities:"]
        for entity in range(entities_per_feature):
            lines += _entity(feature, entity, before=before, flows=flows and entity == 0)
    return ("\n".join(lines) + "\n").encode()


def _entity(feature: int, entity: int, *, before: int, flows: bool) -> list[str]:
    lines = [f"          - name: Thing{feature}x{entity}", "            fields:"]
    lines += [f"              - {field}" for field in _FIELDS]
    relations: list[str] = []
    if entity > 0:
        relations.append(f"{{type: n-1, target: Thing{feature}x{entity - 1}, required: true, onDelete: cascade}}")
    if entity == 0 and before >= 0:
        relations.append(f"{{type: n-1, target: Thing{before}x0, onDelete: set_null}}")
    if relations:
        lines += ["            relationships:", *(f"              - {relation}" for relation in relations)]
    if flows:
        lines += [
            "            states:",
            "              field: status",
            "              transitions:",
            "                - {name: activate, from: open, to: active}",
            "                - {name: close, from: [open, active], to: closed}",
        ]
    return lines
