"""What the command line says never holds the install's own secrets."""

from pathlib import Path

from remit.cli.context import settings_of
from remit.cli.redaction import REDACTOR


def test_the_signing_key_is_masked_from_the_moment_the_home_is_known(tmp_path: Path) -> None:
    key = "PRIVATE+KEY+remit.invalid+4886a114+AbcdefGHIJKLmnopQRSTuvwx0123456789+/abcd="
    (tmp_path / "audit.key").write_text(key + "\n")
    assert key in REDACTOR.mask(f"boom: {key}")
    settings_of(str(tmp_path))
    assert key not in REDACTOR.mask(f"boom: {key}")
