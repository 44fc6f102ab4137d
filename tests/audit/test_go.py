"""The code of Go's checksum database accepts what we sign and prove, and refuses what was changed."""

import os
import random
import shutil
import subprocess
from base64 import b64encode
from pathlib import Path

import pytest

from remit.adapters.store.keyfile import create_key
from remit.adapters.store.sqlite import SqliteStore
from remit.adapters.store.transaction import ReadTransaction
from remit.audit import Entry, Result, query
from remit.audit.heads import decode_heads
from remit.audit.merkle import root_of
from remit.audit.note import Checkpoint, new_signer, sign_note
from remit.kernel.action import ActorKind, Principal

SOURCE = Path(__file__).parent / "go" / "verify.go"
MODULES = Path("/usr/share/gocode/src/golang.org/x/mod/sumdb")
PROOFS = 1000


def b64(raw: bytes) -> str:
    return b64encode(raw).decode()


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    go = shutil.which("go")
    if go is None or not MODULES.is_dir():
        pytest.skip("no Go with its checksum database's source: apt install golang-go golang-golang-x-mod-dev")
    folder = tmp_path_factory.mktemp("go")
    environment = {
        **os.environ,
        "GO111MODULE": "off",
        "GOPATH": "/usr/share/gocode",
        "GOFLAGS": "",
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "0",
    }
    built = subprocess.run(
        [go, "build", "-o", str(folder / "verify"), str(SOURCE)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    assert built.returncode == 0, built.stderr
    return folder / "verify"


def ask(program: Path, lines: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(program)], input="\n".join(lines) + "\n", capture_output=True, text=True, check=False)


@pytest.mark.timeout(600)
def test_go_accepts_every_checkpoint_and_a_thousand_proofs(program: Path, tmp_path: Path) -> None:
    rand = random.Random(6962)
    signer = create_key(tmp_path / "audit.key")
    actor = Principal(ActorKind.SYSTEM, "remit")
    entry = Entry(actor=actor, action="a.b", domain="test", result=Result.SUCCESS, workspace="w")
    lines = [f"vkey {signer.verifier.vkey}"]
    with SqliteStore(tmp_path / "remit.db", [signer], heads=tmp_path / "heads.log") as store:
        store.migrate()
        for _ in range(30):
            store.write("guard.intent", lambda tx: [tx.append(entry) for _ in range(rand.randrange(1, 70))])
            store.seal()
        heads = decode_heads((tmp_path / "heads.log").read_bytes())
        lines += [f"note {b64((head.note or '').encode())}" for head in heads]

        def prove(tx: ReadTransaction) -> None:
            size = query.size(tx)
            for _ in range(PROOFS):
                new = rand.randrange(1, size + 1)
                old, index = rand.randrange(1, new + 1), rand.randrange(new)
                roots = [root_of(n, lambda level, at: query.read_node(tx, level, at)) for n in (old, new)]
                leaf = query.read_node(tx, 0, index)
                path = ",".join(map(b64, query.prove_inclusion(tx, index, new)))
                lines.append(f"include {new} {index} {b64(roots[1])} {b64(leaf)} {path}")
                path = ",".join(map(b64, query.prove_consistency(tx, old, new)))
                lines.append(f"extend {old} {new} {b64(roots[0])} {b64(roots[1])} {path}")

        store.view(prove)
    done = ask(program, lines)
    assert done.stdout == f"notes 30 includes {PROOFS} extends {PROOFS}\n", done.stdout + done.stderr


def test_go_refuses_what_was_changed(program: Path) -> None:
    rand = random.Random(1)
    signer, stranger = new_signer("log", rand.randbytes), new_signer("log", rand.randbytes)
    text = Checkpoint("log", 1, bytes(32)).text()
    vkey = f"vkey {signer.verifier.vkey}"
    good = sign_note(text, [signer])
    assert ask(program, [vkey, f"note {b64(good.encode())}"]).returncode == 0
    for bad in (good.replace("\n1\n", "\n2\n"), sign_note(text, [stranger])):
        assert ask(program, [vkey, f"note {b64(bad.encode())}"]).returncode == 1
