"""What is particular to one backend: errors of its API, sign-in, bounds, files."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from remit.adapters.secrets.cache import CachedSecrets
from remit.adapters.secrets.environment import EnvironmentSecrets
from remit.adapters.secrets.file import MOST_VERSIONS, FileSecrets
from remit.adapters.secrets.several import Route, Several
from remit.adapters.secrets.vault import VaultSecrets
from remit.kernel.clock import SystemClock
from remit.kernel.errors import Conflict, Failed, IntegrityError, NotFound, RemitError, Unavailable, UserError
from remit.kernel.ports import SecretBackend
from remit.kernel.secret_sources import SecretSource, SourceKind
from remit.testing.secret_servers import AwsServer, Fault, VaultServer

from .conftest import KEY, VAULT, aws_backend, some_value, vault_backend


def file_backend(folder: Path, key: bytes = KEY) -> FileSecrets:
    return FileSecrets(folder / "secrets.json", key, clock=SystemClock())


# ------------------------------------------------------------------------------------------------------ what comes back


class Broken:
    """A backend that is not there."""

    name = "broken"
    writable = True

    def __init__(self) -> None:
        self.asked = 0

    def get(self, name: str, *, version: str = "") -> object:
        del name, version
        self.asked += 1
        message = "down"
        raise Unavailable(message)


# ------------------------------------------------------------------------------------------------------------------ AWS


def test_aws_errors_come_back_as_ours_without_what_was_asked(aws: AwsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = aws_backend(aws, monkeypatch)
    backend.set("db", value := some_value())
    cases: list[tuple[Fault, type[RemitError], str]] = [
        (Fault(status=400, code="AccessDeniedException"), Failed, "secrets.backend_refused"),
        (Fault(status=400, code="ExpiredTokenException"), Failed, "secrets.backend_refused"),
        (Fault(status=400, code="DecryptionFailure"), Failed, "secrets.backend_refused"),
        (Fault(status=400, code="ResourceNotFoundException"), NotFound, "secrets.unknown"),
    ]
    for fault, kind, code in cases:
        aws.faults.append(fault)
        with pytest.raises(kind) as caught:
            backend.get("db")
        assert caught.value.code == code
        assert value not in str(caught.value)
    assert backend.get("db").text == value


def test_aws_that_passes_is_tried_again_and_no_more_often_than_it_may(
    aws: AwsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = aws_backend(aws, monkeypatch, tries=3)
    backend.set("db", value := some_value())
    aws.faults += [Fault(status=500), Fault(status=400, code="ThrottlingException")]
    assert backend.get("db").text == value
    for fault in (Fault(status=503), Fault(status=400, code="ThrottlingException"), Fault(cut=True)):
        aws.faults += [fault] * 3
        with pytest.raises(Unavailable) as caught:
            backend.get("db")
        assert caught.value.code == "secrets.unavailable"
        assert not aws.faults, "three tries, and no fourth"
    assert backend.get("db").text == value


def test_aws_that_does_not_answer_is_given_up_in_time(aws: AwsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = aws_backend(aws, monkeypatch, timeout_s=0.2, tries=1)
    aws.faults.append(Fault(delay_s=60.0))
    began = time.monotonic()
    with pytest.raises(Unavailable):
        backend.get("db")
    assert time.monotonic() - began < 30  # it would have answered after 60


def test_aws_versions_have_stages_and_a_deleted_secret_is_not_made_anew(
    aws: AwsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = aws_backend(aws, monkeypatch)
    first, second = some_value(), some_value()
    backend.set("db", first)
    backend.set("db", second)
    assert backend.get("db", version="AWSPREVIOUS").text == first
    assert ("GetSecretValue", "team/db") in aws.seen, "the prefix is put before the name"
    backend.delete("db")
    with pytest.raises(Conflict, match="being deleted"):
        backend.set("db", some_value())
    aws.binary("team/blob", b"\x00\xff")
    with pytest.raises(Failed) as caught:
        backend.get("blob")
    assert caught.value.code == "secrets.binary"


def test_aws_knows_who_asks(aws: AwsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = aws_backend(aws, monkeypatch)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIANOBODY")
    with pytest.raises(Failed) as caught:
        backend.get("db")
    assert caught.value.code == "secrets.backend_refused"
    without = aws_backend(aws, monkeypatch)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(Failed, match="no credentials"):
        without.get("db")


# ---------------------------------------------------------------------------------------------------------------- Vault


def test_vault_errors_come_back_as_ours(vault: VaultServer) -> None:
    backend = vault_backend(vault)
    backend.set("db", value := some_value())
    for status, kind, code in (
        (403, Failed, "secrets.backend_refused"),
        (400, Failed, "secrets.backend_refused"),
        (404, NotFound, "secrets.unknown"),
        (307, Failed, "secrets.backend_refused"),
    ):
        vault.faults.append(Fault(status=status))
        with pytest.raises(kind) as caught:
            backend.get("db")
        assert caught.value.code == code
        assert value not in str(caught.value)
    vault.faults.append(Fault(status=200, body='{"data": "nonsense"}'))
    with pytest.raises(Failed):
        backend.get("db")
    assert backend.get("db").text == value


def test_vault_that_passes_is_tried_again_and_no_more_often_than_it_may(vault: VaultServer) -> None:
    backend = vault_backend(vault, tries=3)
    backend.set("db", value := some_value())
    vault.faults += [Fault(status=503), Fault(cut=True)]
    assert backend.get("db").text == value
    for status in (429, 500, 502, 503, 504):
        vault.faults += [Fault(status=status)] * 3
        with pytest.raises(Unavailable) as caught:
            backend.get("db")
        assert caught.value.code == "secrets.unavailable"
        assert not vault.faults


def test_vault_that_does_not_answer_is_given_up_in_time(vault: VaultServer) -> None:
    backend = vault_backend(vault, timeout_s=0.2, tries=1)
    vault.faults.append(Fault(delay_s=60.0))
    began = time.monotonic()
    with pytest.raises(Unavailable):
        backend.get("db")
    assert time.monotonic() - began < 30  # it would have answered after 60


def test_nobody_listens() -> None:
    with VaultServer() as gone:
        backend = vault_backend(gone, tries=1)
    with pytest.raises(Unavailable):
        backend.get("db")


def test_an_expired_token_is_replaced_by_signing_in_once(vault: VaultServer, tmp_path: Path) -> None:
    (tmp_path / "secret-id").write_text(vault.secret_id + "\n")
    source = replace(VAULT, url=vault.url, role_id="env:ROLE", secret_id=f"file:{tmp_path / 'secret-id'}")
    backend = VaultSecrets(source, environ={"ROLE": vault.role_id})
    backend.set("db", value := some_value())
    assert vault.logins == 1
    vault.expire()
    assert backend.get("db").text == value
    assert vault.logins == 2
    vault.faults += [Fault(status=403)] * 2  # it isn't the token: the right is missing
    with pytest.raises(Failed) as caught:
        backend.get("db")
    assert caught.value.code == "secrets.backend_refused"
    assert not vault.faults


def test_vault_without_a_way_to_sign_in_says_what_is_missing(vault: VaultServer) -> None:
    for source, environ in (
        (replace(VAULT, url=vault.url), {}),
        (replace(VAULT, url=vault.url, role_id="env:A", secret_id="env:B"), {"A": "x"}),
    ):
        with pytest.raises(Failed) as caught:
            VaultSecrets(source, environ=environ).get("db")
        assert caught.value.code == "secrets.sign_in"
    wrong = replace(VAULT, url=vault.url, role_id="env:A", secret_id="env:B")
    with pytest.raises(Failed) as caught:
        VaultSecrets(wrong, environ={"A": vault.role_id, "B": "wrong"}).get("db")
    assert caught.value.code == "secrets.backend_refused"


def test_vault_takes_one_field_of_what_is_kept(vault: VaultServer) -> None:
    backend = vault_backend(vault, field="password")
    backend.set("db", value := some_value())
    assert backend.get("db").text == value
    with pytest.raises(NotFound):
        vault_backend(vault, field="user").get("db")


# ----------------------------------------------------------------------------------------------------------------- file


def test_the_file_holds_no_value_and_is_its_owners(tmp_path: Path) -> None:
    backend = file_backend(tmp_path)
    backend.set("db", value := some_value())
    text = (tmp_path / "secrets.json").read_text()
    assert "db" in text
    assert value not in text
    assert value.encode().hex() not in text
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600
    (tmp_path / "secrets.json").chmod(0o640)
    with pytest.raises(UserError, match="read by others"):
        backend.get("db")


def test_a_changed_file_is_found_out(tmp_path: Path) -> None:
    backend = file_backend(tmp_path)
    backend.set("db", some_value())
    backend.set("mail", some_value())
    path = tmp_path / "secrets.json"
    document = json.loads(path.read_text())
    kept = document["secrets"]
    kept["db"], kept["mail"] = kept["mail"], kept["db"]  # each whole, in the other's place
    path.write_text(json.dumps(document))
    with pytest.raises(IntegrityError):
        backend.get("db")
    with pytest.raises(IntegrityError):
        file_backend(tmp_path, key=os.urandom(32)).get("mail")
    for text in ("{}", "nonsense", '{"v": 1, "secrets": {"db": [{}]}}', '{"v": 2, "secrets": {}}'):
        path.write_text(text)
        with pytest.raises(IntegrityError):
            backend.get("db")


def test_the_file_keeps_the_last_versions(tmp_path: Path) -> None:
    backend = file_backend(tmp_path)
    for _ in range(MOST_VERSIONS + 3):
        backend.set("db", some_value())
    assert backend.versions("db") == [str(number) for number in range(MOST_VERSIONS + 3, 3, -1)]


def test_many_processes_write_one_file(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom remit.adapters.secrets.file import FileSecrets\n"
        "from remit.kernel.clock import SystemClock\n"
        "backend = FileSecrets(Path(sys.argv[1]), bytes(32), clock=SystemClock())\n"
        "for number in range(10): backend.set('shared', f'{sys.argv[2]}-{number:020}')\n"
        "backend.set('own-' + sys.argv[2], 'x' * 20)\n"
    )
    path = tmp_path / "secrets.json"
    began = [subprocess.Popen([sys.executable, "-c", code, str(path), str(number)]) for number in range(3)]
    assert [process.wait(60) for process in began] == [0, 0, 0]
    backend = FileSecrets(path, bytes(32), clock=SystemClock())
    assert backend.names() == ["own-0", "own-1", "own-2", "shared"]
    assert backend.versions("shared")[0] == "30", "no write was lost"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["secrets.json", "secrets.lock"]


# ---------------------------------------------------------------------------------------------- environment and several


def test_a_variable_is_the_secret_of_one_name_only() -> None:
    value = some_value()
    backend = EnvironmentSecrets(environ={"REMIT_SECRET_DB_URL": value, "REMIT_SECRET_EMPTY": "", "REMIT_HOME": "/x"})
    assert backend.get("db_url").text == value
    for name in ("DB_URL", "db-url", "db.url", "db/url", "empty", "home"):
        with pytest.raises(NotFound):
            backend.get(name)
    assert backend.names() == ["db_url"]


def test_the_first_that_has_it_gives_it_and_one_that_is_down_ends_the_search(tmp_path: Path) -> None:
    broken = Broken()
    file = file_backend(tmp_path)
    variables = EnvironmentSecrets(environ={"REMIT_SECRET_DB": "from the environment"})
    backend = Several([Route("*", variables), Route("local/*", file), Route("far/*", broken), Route("*", file)])  # type: ignore[arg-type]
    assert backend.get("db").backend == "env"
    backend.set("local/x", value := some_value())
    assert file.get("local/x").text == value
    with pytest.raises(Conflict):
        backend.set("db", some_value())
    file.set("far/x", some_value())
    with pytest.raises(Unavailable):
        backend.get("far/x")
    with pytest.raises(NotFound):
        Several([Route("a/*", file)]).get("db")


# ---------------------------------------------------------------------------------------------------------------- cache


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


class Switch:
    """A file backend that can be made to be down, and counts."""

    def __init__(self, backend: SecretBackend) -> None:
        self.backend, self.down, self.asked = backend, False, 0

    def __getattr__(self, name: str) -> object:
        return getattr(self.backend, name)

    def get(self, name: str, *, version: str = "") -> object:
        self.asked += 1
        if self.down:
            message = "down"
            raise Unavailable(message)
        return self.backend.get(name, version=version)


def test_the_cache_survives_a_backend_that_is_down_until_what_it_kept_expires(tmp_path: Path) -> None:
    clock, behind = Clock(), Switch(file_backend(tmp_path))
    cache = CachedSecrets(behind, monotonic=clock.monotonic, keep_s=10)  # type: ignore[arg-type]
    cache.set("db", value := some_value())
    for _ in range(5):
        assert cache.get("db").text == value
    assert behind.asked == 1
    assert value not in repr(cache) + repr(vars(cache))
    behind.down = True
    clock.seconds = 9.9
    assert cache.get("db").text == value
    clock.seconds = 10.0
    with pytest.raises(Unavailable):
        cache.get("db")
    behind.down = False
    assert cache.get("db").text == value


def test_a_change_is_seen_at_once_and_one_called_back_is_asked_anew(tmp_path: Path) -> None:
    clock, file = Clock(), file_backend(tmp_path)
    cache = CachedSecrets(file, monotonic=clock.monotonic, keep_s=1e9)
    cache.set("db", some_value())
    cache.get("db")
    cache.set("db", second := some_value())
    assert cache.get("db").text == second
    file.set("db", third := some_value())  # behind its back
    assert cache.get("db").text == second
    cache.invalidate("db")
    assert cache.get("db").text == third
    cache.delete("db")
    with pytest.raises(NotFound):
        cache.get("db")


def test_what_is_called_back_while_it_is_read_is_not_kept(tmp_path: Path) -> None:
    file = file_backend(tmp_path)
    file.set("db", old := some_value())
    late: list[CachedSecrets] = []

    class Slow(Switch):
        def get(self, name: str, *, version: str = "") -> object:
            value = self.backend.get(name, version=version)
            if not self.asked:
                self.asked += 1
                file.set("db", some_value())
                late[0].invalidate("db")
            return value

    late.append(CachedSecrets(Slow(file), monotonic=Clock().monotonic, keep_s=60))  # type: ignore[arg-type]
    assert late[0].get("db").text == old
    assert late[0].get("db").text != old


def test_the_cache_is_bounded_and_can_be_off(tmp_path: Path) -> None:
    behind = Switch(file_backend(tmp_path))
    cache = CachedSecrets(behind, monotonic=Clock().monotonic, keep_s=60, most=2)  # type: ignore[arg-type]
    for name in ("a", "b", "c"):
        cache.set(name, some_value())
        cache.get(name)
    assert "2 kept" in repr(cache)
    asked = behind.asked
    cache.get("c")
    assert behind.asked == asked
    cache.get("a")
    assert behind.asked == asked + 1
    off = CachedSecrets(behind, monotonic=Clock().monotonic, keep_s=0)  # type: ignore[arg-type]
    asked = behind.asked
    off.get("a")
    off.get("a")
    assert behind.asked == asked + 2


def test_a_source_of_the_settings_is_checked() -> None:
    with pytest.raises(UserError, match="https"):
        SecretSource(SourceKind.VAULT, url="http://vault.example.org")
    with pytest.raises(UserError, match="reference"):
        SecretSource(SourceKind.VAULT, url="https://vault.example.org", token="hvs.written-out")
