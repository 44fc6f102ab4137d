"""``remit providers`` and ``remit models`` as a person types them."""

from __future__ import annotations

import asyncio
import json
import secrets
import string
from collections.abc import Callable
from pathlib import Path

import pytest

from remit.bootstrap import open_store
from remit.cli.root import run
from remit.kernel.clock import SystemClock
from remit.models.health import Health
from remit.settings import load

type Remit = Callable[..., tuple[int, str]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def remit(home: Path, capsys: pytest.CaptureFixture[str]) -> Remit:
    def call(line: str, *more: str) -> tuple[int, str]:
        code = run([*line.split(), *more, "--home", str(home)])
        said = capsys.readouterr()
        return code, said.out + said.err

    assert call("init")[0] == 0
    return call


def told(said: tuple[int, str]) -> dict[str, object]:
    assert said[0] == 0, said[1]
    return json.loads(said[1].splitlines()[0])


def test_the_life_of_a_provider_and_its_models(remit: Remit) -> None:
    assert "There are no providers" in remit("providers list")[1]
    assert remit("providers add openai --key secret://openai-key")[0] == 0
    assert remit("providers add house --base-url http://127.0.0.1:8000/v1 --header x-team=search")[0] == 0
    assert "was so already" in remit("providers add openai --key secret://openai-key")[1]
    assert remit("models add smart openai/gpt-4o")[0] == 0
    assert remit("models add smart house/our-70b --order 1 --can chat,tools --quality 60 --context 8192")[0] == 0
    assert remit("models alias default smart")[0] == 0
    assert remit("models fallback smart openai/gpt-4o-mini")[0] == 0
    listed = told(remit("models list --json"))
    models = listed["models"]
    assert isinstance(models, list)
    assert [(each["name"], each["model"], each["quality"]) for each in models] == [
        ("smart", "gpt-4o", 68),
        ("smart", "our-70b", 60),
    ]
    assert models[0]["price"]["tokens_in"] == "2.5"
    assert models[1]["price"] is None
    text = remit("models list")[1]
    assert "default means smart" in text
    assert "after smart come openai/gpt-4o-mini" in text
    code, said = remit("models route --explain --need tools")
    assert code == 0
    assert "1. openai/gpt-4o (smart): at most $0.0125" in said
    assert "2. house/our-70b (smart): nobody knows its price" in said
    assert told(remit("models route smart --left 0.001 --json"))["candidates"] == [
        "house/our-70b",
        "openai/gpt-4o-mini",
    ]
    assert remit("models route smart --allow nothing")[0] == 3
    assert remit("models route nobody")[0] == 2
    assert remit("providers pause house --reason maintenance")[0] == 0
    assert told(remit("models route smart --json"))["candidates"] == ["openai/gpt-4o", "openai/gpt-4o-mini"]
    assert remit("providers resume house --reason over")[0] == 0
    assert "nobody knows its price" in remit("models price house/our-70b")[1]
    assert "free" in remit("models price house/our-70b --input 0 --output 0")[1]
    assert told(remit("models price house/our-70b --json"))["whose"] == "own"
    assert remit("models price house/our-70b --remove")[0] == 0
    assert remit("models price house/our-70b --input 1")[0] == 2
    assert remit("providers remove house")[0] == 1  # models are listed there
    assert remit("models remove smart house/our-70b")[0] == 0
    assert remit("providers remove house")[0] == 0
    assert remit("models fallback smart --clear")[0] == 0
    assert remit("models alias default --remove")[0] == 0
    assert remit("models remove smart")[0] == 0
    providers = told(remit("providers list --json"))["providers"]
    assert isinstance(providers, list)
    assert [(each["provider"], each["key"]) for each in providers] == [("openai", "secret://openai-key")]
    assert "models.provider.set" in remit("audit show --json")[1]


def test_a_literal_key_is_refused_and_not_repeated(remit: Remit, home: Path) -> None:
    literal = "sk-" + "".join(secrets.choice(string.ascii_letters) for _ in range(40))
    for words in (("--key", literal), ("--base-url", f"https://{literal}@host/v1"), ("--header", f"x-tag={literal}")):
        code, said = remit("providers add openai", *words)
        assert code == 2
        assert literal not in said
    code, said = remit("providers add openai", "--key", literal)
    assert "remit secrets set openai-key" in said
    assert all(literal.encode() not in path.read_bytes() for path in home.rglob("*") if path.is_file())


def test_health_shows_what_processes_wrote_and_open_circuits_which_a_person_resets(remit: Remit, home: Path) -> None:
    assert "No model was asked" in remit("models health")[1]
    remit("providers add house --base-url http://127.0.0.1:8000/v1")
    remit("models add m house/our-70b")
    settings, _ = load(flags={"home": str(home)})
    with open_store(settings) as store:
        health = Health(SystemClock(), process="gateway-1")
        for _ in range(30):
            health.observe(settings.workspace, "house/our-70b", 0.25, 1.0)
        health.observe(settings.workspace, "house/our-70b", None, 5.0, "timeout")
        asyncio.run(health.flush(store, closing=True))
    (seen,) = told(remit("models health --json"))["health"]  # type: ignore[misc]
    assert (seen["target"], seen["calls"], seen["errors"], seen["circuit"]) == ("house/our-70b", 31, 1, "closed")
    assert seen["first_byte_s"]["p50"] == pytest.approx(0.25, rel=0.06)
    assert "house/our-70b" in remit("models health")[1]
    assert remit("breakers open model house/our-70b --reason outage")[0] == 0
    (seen,) = told(remit("models health --json"))["health"]  # type: ignore[misc]
    assert (seen["circuit"], seen["why"]) == ("open", "outage")
    code, said = remit("models route m")
    assert (code, "circuit is open" in said) == (5, True)
    assert remit("models reset house/our-70b --reason back")[0] == 0
    assert remit("models reset house/our-70b --reason back")[0] == 1
    assert remit("models route m")[0] == 0


def test_an_import_is_told_and_a_dry_run_changes_nothing(remit: Remit, tmp_path: Path) -> None:
    literal = "sk-" + "".join(secrets.choice(string.ascii_letters) for _ in range(40))
    file = tmp_path / "litellm.yaml"
    file.write_text(
        "model_list:\n  - model_name: smart\n    litellm_params:\n      model: openai/gpt-4o\n"
        f"      api_key: {literal}\n  - model_name: bed\n    litellm_params: {{model: bedrock/x}}\n"
        "  - model_name: eu\n    litellm_params: {model: azure/gpt-eu, api_base: https://a.openai.azure.com}\n"
        "    model_info: {base_model: azure/gpt-4o}\n"
        "general_settings: {master_key: abc}\n",
        encoding="utf-8",
    )
    code, said = remit("models import litellm", str(file), "--dry-run")
    assert code == 0
    assert "dry run" in said
    assert f"{file}:4: taken: smart: asks openai/gpt-4o" in said
    assert literal not in said
    assert "There are no providers" in remit("providers list")[1]
    assert f"{file}:10: left out: eu: base_model: whose price it has" in said
    made = told(remit("models import litellm", str(file), "--json"))
    assert sorted(made["changed"]) == ["azure", "eu", "openai", "smart"]
    assert made["unpriced"] == ["azure/gpt-eu"]
    assert told(remit("models import litellm", str(file), "--json"))["changed"] == []
    assert "remit models price azure/gpt-eu --input" in remit("models import litellm", str(file))[1]
    assert remit("models import litellm", str(tmp_path / "nothing.yaml"))[0] == 2
    (tmp_path / "large.yaml").write_bytes(b"#" * (300 << 10))
    assert "larger than" in remit("models import litellm", str(tmp_path / "large.yaml"))[1]
