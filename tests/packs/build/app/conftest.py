"""Applications of the examples and of the collected pitfalls."""

from pathlib import Path

import pytest

from remit.packs.build.intake import read_intake
from remit.packs.build.ir import Application
from remit.packs.build.ir_build import build_ir

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[3] / "examples" / "intakes"
INTAKES = {path.stem: path for path in (*sorted(EXAMPLES.glob("*.yaml")), HERE / "pitfalls.yaml")}


@pytest.fixture(params=sorted(INTAKES))
def app(request: pytest.FixtureRequest) -> Application:
    """The intermediate representation of one intake."""
    path = INTAKES[str(request.param)]
    return build_ir(read_intake(path.read_bytes(), name=path.name))


@pytest.fixture
def pitfalls() -> Application:
    """The application with every known trap."""
    return build_ir(read_intake(INTAKES["pitfalls"].read_bytes(), name="pitfalls.yaml"))
