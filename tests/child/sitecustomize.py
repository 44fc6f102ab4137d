"""Spreads the net over every Python process that a test starts; `tests/conftest.py` puts this folder on their path."""

import os
import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location


def _spread() -> None:
    if "PYTEST_NET_REPORT" not in os.environ or find_spec("remit") is None:
        return  # not a test's child, or an environment without Remit
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib costs every child's start
    spec = spec_from_file_location("net_of_remit", os.path.join(os.path.dirname(here), "net.py"))  # noqa: PTH118, PTH120
    if spec is None or spec.loader is None:
        return
    module = module_from_spec(spec)
    sys.modules["net_of_remit"] = module
    spec.loader.exec_module(module)
    module.INSTALLED = module.install()  # a worker of the test run goes on with this one


_spread()
