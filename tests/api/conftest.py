from collections.abc import Iterator

import pytest

from .serving import Api, Client, serving


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One API for a module's tests; each makes what it changes."""
    with serving(tmp_path_factory.mktemp("home") / "home", engine=True) as made:
        yield made


@pytest.fixture
def owner(api: Api) -> Client:
    return api.client("owner")


@pytest.fixture
def nobody(api: Api) -> Client:
    return api.client("nobody")
