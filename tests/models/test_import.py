"""Import of a LiteLLM proxy's configuration: told line by line, no key copied, the same again changes nothing."""

from __future__ import annotations

import os
import secrets
import string
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.adapters.store.sqlite import SqliteStore
from remit.kernel.clock import SystemClock
from remit.kernel.errors import InvalidInput, RemitError
from remit.models.catalogue import Catalogue, ProviderKind, read_catalogue
from remit.models.import_litellm import Import, Verdict, read_litellm
from remit.models.orders import SetProvider
from remit.models.prices import Rates, rate_of
from remit.models.router import Want

from ..guard.fakes import make_store  # noqa: TID252 - tests are no package to name
from .fakes_catalogue import OPENAI, WORKSPACE, give, own, router

RATES = Rates(SystemClock())
EXAMPLES = 2000 if os.environ.get("REMIT_PROVE") == "1" else 80
EMPTY = Catalogue(WORKSPACE)
LITERAL = "sk-" + "".join(secrets.choice(string.ascii_letters) for _ in range(40))
SECOND = "sk-" + "".join(secrets.choice(string.ascii_letters) for _ in range(40))

#: As teams have them: several regions, two makers, a machine of one's own, names, limits, and all the rest.
CONFIG = f"""\
model_list:
  - model_name: gpt-4o
    litellm_params:
      model: azure/gpt-4o-eu
      api_base: https://our-eu.openai.azure.com/
      api_key: os.environ/AZURE_API_KEY_EU
      api_version: "2025-02-01-preview"
      rpm: 600
  - model_name: gpt-4o
    litellm_params:
      model: openai/gpt-4o
      api_key: os.environ/OPENAI_API_KEY
      rpm: 300
      temperature: 0.2
  - model_name: claude
    litellm_params:
      model: anthropic/claude-sonnet-4-5
      api_key: {LITERAL}
      weight: 3
      order: 2
  - model_name: claude
    litellm_params:
      model: claude-sonnet-4-5
      api_key: {SECOND}
  - model_name: local
    litellm_params:
      model: ollama_chat/our-own-7b
      api_key: none
      input_cost_per_token: 0
      output_cost_per_token: 0
    model_info:
      supports_function_calling: true
      max_input_tokens: 8192
  - model_name: house
    litellm_params:
      model: hosted_vllm/house-70b
      api_base: http://127.0.0.1:8000/v1
      input_cost_per_token: 0.0000004
      output_cost_per_token: 1.5e-06
  - model_name: vectors
    litellm_params:
      model: openai/our-embedder
      api_base: https://vectors.example.org/v1
      api_key: os.environ/VECTORS_KEY
      extra_headers:
        x-team: search
        x-api-key: plain-text
    model_info:
      mode: embedding
  - model_name: fast
    litellm_params:
      model: groq/llama-3.3-70b-versatile
  - model_name: bed
    litellm_params:
      model: bedrock/anthropic.claude-3
      aws_access_key_id: os.environ/AWS
  - model_name: everything/*
    litellm_params:
      model: openai/*
      api_key: os.environ/OPENAI_API_KEY
  - model_name: hidden
    litellm_params:
      model: openai/x
      api_base: os.environ/SOMEWHERE
  - model_name: odd name
    litellm_params:
      model: openai/gpt-4o-mini
      api_key: os.environ/OPENAI_API_KEY
  - model_name: openai/gpt-4.1
    litellm_params:
      model: openai/gpt-4.1
      api_key: os.environ/OPENAI_API_KEY
  - nonsense
litellm_settings:
  num_retries: 3
  drop_params: true
  callbacks: [langfuse]
  fallbacks: [{{"claude": ["gpt-4o", "nobody"]}}]
router_settings:
  routing_strategy: latency-based-routing
  model_group_alias:
    gpt-4: gpt-4o
    other:
      model: claude
      hidden: true
    lost: nobody
  fallbacks:
    - gpt-4o: [claude, local]
general_settings:
  master_key: {LITERAL}
  database_url: os.environ/DATABASE_URL
  invented: 1
environment_variables:
  OPENAI_API_KEY: {LITERAL}
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    made = make_store(tmp_path)
    yield made
    made.close()


def shelf(store: SqliteStore) -> Catalogue:
    return store.view(lambda tx: read_catalogue(tx, WORKSPACE, rates=RATES))


def line_of(text: str, nth: int = 1) -> int:
    found = [number for number, line in enumerate(CONFIG.splitlines(), 1) if text in line]
    return found[nth - 1]


def verdicts(found: Import, line: int) -> set[str]:
    return {note.verdict for note in found.notes if note.line == line}


async def test_a_whole_configuration_is_taken_over_and_told_line_by_line(store: SqliteStore) -> None:
    await own(store)
    found = read_litellm(CONFIG, EMPTY)
    assert await give(store, *found.changes)
    made = shelf(store)
    providers = {name: (each.kind, each.base_url, each.key) for name, each in made.providers.items()}
    assert providers == {
        "azure": (ProviderKind.COMPATIBLE, "https://our-eu.openai.azure.com/openai/v1", "secret://azure_api_key_eu"),
        "openai": (ProviderKind.OPENAI, "https://api.openai.com/v1", "secret://openai_api_key"),
        "openai-2": (ProviderKind.COMPATIBLE, "https://vectors.example.org/v1", "secret://vectors_key"),
        "anthropic": (ProviderKind.ANTHROPIC, "https://api.anthropic.com/v1", "secret://anthropic_api_key"),
        "anthropic-2": (ProviderKind.ANTHROPIC, "https://api.anthropic.com/v1", "secret://anthropic_api_key_2"),
        "ollama-chat": (ProviderKind.COMPATIBLE, "http://127.0.0.1:11434/v1", ""),
        "hosted-vllm": (ProviderKind.COMPATIBLE, "http://127.0.0.1:8000/v1", ""),
        "groq": (ProviderKind.COMPATIBLE, "https://api.groq.com/openai/v1", "secret://groq_api_key"),
    }
    assert made.providers["openai-2"].headers == (("x-team", "search"),)
    listed = {(each.name, each.target): (each.weight, each.order) for each in made.listed()}
    assert listed == {
        ("gpt-4o", "azure/gpt-4o-eu"): (600, 0),
        ("gpt-4o", "openai/gpt-4o"): (300, 0),
        ("claude", "anthropic/claude-sonnet-4-5"): (3, 2),
        ("claude", "anthropic-2/claude-sonnet-4-5"): (1, 0),
        ("local", "ollama-chat/our-own-7b"): (1, 0),
        ("house", "hosted-vllm/house-70b"): (1, 0),
        ("vectors", "openai-2/our-embedder"): (1, 0),
        ("fast", "groq/llama-3.3-70b-versatile"): (1, 0),
    }
    (local,), (house,), (vectors,) = (made.deployments[name] for name in ("local", "house", "vectors"))
    assert (local.capabilities, local.context, local.rate) == ({"chat", "streaming", "tools"}, 8192, rate_of("0", "0"))
    assert house.rate == rate_of("0.4", "1.5")
    assert vectors.capabilities == {"embeddings"}
    assert made.aliases == {"gpt-4": "gpt-4o", "other": "claude"}
    assert made.fallbacks == {"claude": ("gpt-4o",), "gpt-4o": ("claude", "local")}
    route = router().route(made, Want("gpt-4", frozenset({"tools"})))
    assert {each.name for each in route.candidates} == {"gpt-4o", "claude", "local"}
    for text, verdict in (
        ("model: azure/gpt-4o-eu", Verdict.TAKEN),
        ("AZURE_API_KEY_EU", Verdict.CHANGED),
        ("api_version", Verdict.LEFT_OUT),
        ("rpm: 600", Verdict.CHANGED),
        ("temperature", Verdict.LEFT_OUT),
        (f"api_key: {LITERAL}", Verdict.CHANGED),
        ("x-api-key: plain-text", Verdict.LEFT_OUT),
        ("model_name: bed", Verdict.LEFT_OUT),
        ("model_name: hidden", Verdict.LEFT_OUT),
        ("model: openai/gpt-4o-mini", Verdict.LEFT_OUT),
        ("model: openai/gpt-4.1", Verdict.TAKEN),
        ("- nonsense", Verdict.LEFT_OUT),
        ("num_retries", Verdict.CHANGED),
        ("drop_params", Verdict.LEFT_OUT),
        ("callbacks", Verdict.LEFT_OUT),
        ("gpt-4: gpt-4o", Verdict.TAKEN),
        ("lost: nobody", Verdict.LEFT_OUT),
        ("- gpt-4o: [claude, local]", Verdict.TAKEN),
        ("master_key", Verdict.LEFT_OUT),
        ("invented", Verdict.LEFT_OUT),
        ("environment_variables", Verdict.LEFT_OUT),
    ):
        assert verdict in verdicts(found, line_of(text)), text
    assert [note.line for note in found.notes] == sorted(note.line for note in found.notes)


async def test_no_key_is_copied_nor_shown(store: SqliteStore, tmp_path: Path) -> None:
    await own(store)
    found = read_litellm(CONFIG, EMPTY)
    told = "\n".join(note.text for note in found.notes) + repr(found)
    for literal in (LITERAL, SECOND):
        assert literal not in told
    assert "NOT copied" in told
    assert "printenv OPENAI_API_KEY | remit secrets set openai_api_key" in told
    assert set(found.secrets) >= {"openai_api_key", "azure_api_key_eu", "anthropic_api_key", "anthropic_api_key_2"}
    await give(store, *found.changes)
    store.seal()
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert LITERAL.encode() not in path.read_bytes()


async def test_the_same_file_again_changes_nothing(store: SqliteStore) -> None:
    await own(store)
    await give(store, *read_litellm(CONFIG, EMPTY).changes)
    before = shelf(store)
    again = read_litellm(CONFIG, before)
    assert await give(store, *again.changes) == ()
    assert shelf(store) == before


async def test_what_is_there_already_stays_and_is_told(store: SqliteStore) -> None:
    await own(store)
    await give(store, SetProvider(OPENAI))  # with another key than the file's
    found = read_litellm(CONFIG, shelf(store))
    await give(store, *found.changes)
    made = shelf(store)
    assert made.providers["openai"] == OPENAI
    assert made.providers["openai-2"].key == "secret://openai_api_key"
    changed = CONFIG.replace("gpt-4: gpt-4o", "gpt-4: local").replace("gpt-4o: [claude, local]", "gpt-4o: [local]")
    found = read_litellm(changed, made)
    lines = [note.text for note in found.notes if note.verdict is Verdict.LEFT_OUT]
    assert any("means gpt-4o here already" in line for line in lines)
    assert any("has other fallbacks here already: claude, local" in line for line in lines)
    await give(store, *found.changes)
    assert shelf(store).aliases == made.aliases


async def test_a_key_never_goes_over_plain_http_by_way_of_an_import(store: SqliteStore) -> None:
    await own(store)
    text = (
        "model_list:\n  - model_name: m\n    litellm_params:\n      model: openai/m\n"
        "      api_base: http://models.example.org/v1\n      api_key: os.environ/KEY\n"
    )
    found = read_litellm(text, EMPTY)
    assert not found.changes
    assert "unencrypted" in found.notes[0].text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("- a\n- b\n", "model_list"),
        ("model_list: 7\n", "model_list"),
        ("model_list: [\n", "can't be read"),
        ("a: &x [1]\nmodel_list: *x\n", "anchors"),
        ("model_list: !!python/object/apply:os.system ['true']\n", "tags"),
        ("model_list:\n" + "  - a\n" * 30_000, "20000|20,000|KiB"),
        ("[" * 50, "levels"),
        ("model_list: []\nmodel_list: []\n", "twice"),
    ],
)
def test_what_is_no_configuration_is_refused(text: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as refused:
        read_litellm(text, EMPTY)
    assert refused.value.code == "models.import"


WORDS = st.sampled_from(
    ["a", "b", "gpt-4o", "openai/gpt-4o", "anthropic/x", "ollama/y", "azure/z", "*", "auto", "default", "", "é", "a b"]
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    entries=st.lists(
        st.tuples(WORDS, WORDS, st.sampled_from(["", "https://h.example/v1", "http://x", "::"])), max_size=6
    ),
    aliases=st.dictionaries(WORDS.filter(bool), WORDS, max_size=3),
    fallbacks=st.dictionaries(WORDS.filter(bool), st.lists(WORDS, max_size=3), max_size=3),
)
def test_whatever_it_says_what_is_taken_holds_together_and_comes_to_nothing_new(
    entries: list[tuple[str, str, str]], aliases: dict[str, str], fallbacks: dict[str, list[str]]
) -> None:
    import json

    from remit.models.catalogue import Deployment
    from remit.models.orders import check_whole
    from remit.models.orders_listing import SetAlias, SetDeployment, SetFallbacks

    config = {
        "model_list": [
            {"model_name": name, "litellm_params": {"model": model, "api_base": base, "api_key": "os.environ/K"}}
            for name, model, base in entries
        ],
        "router_settings": {"model_group_alias": aliases, "fallbacks": [{name: to} for name, to in fallbacks.items()]},
    }
    found = read_litellm(json.dumps(config), EMPTY)
    providers = {change.provider.name: change.provider for change in found.changes if isinstance(change, SetProvider)}
    groups: dict[str, tuple[Deployment, ...]] = {}
    for change in found.changes:
        if isinstance(change, SetDeployment):
            made = Deployment(WORKSPACE, change.name, change.provider, change.model)
            groups[change.name] = (*groups.get(change.name, ()), made)
    whole = Catalogue(
        WORKSPACE,
        providers,
        groups,
        {change.name: change.target for change in found.changes if isinstance(change, SetAlias)},
        {change.name: change.targets for change in found.changes if isinstance(change, SetFallbacks)},
    )
    check_whole(whole)
    again = read_litellm(json.dumps(config), whole)
    assert not [
        change for change in again.changes if isinstance(change, SetProvider) and change.subject not in providers
    ]


def test_a_secret_in_a_name_is_told_by_no_error() -> None:
    text = f"model_list:\n  - model_name: m\n    litellm_params:\n      model: openai/m\n      api_base: https://{LITERAL}@h/v1\n"
    found = read_litellm(text, EMPTY)
    assert LITERAL not in repr(found.notes)
    with pytest.raises(RemitError) as refused:
        read_litellm(f"model_list: [{LITERAL}\n", EMPTY)
    assert LITERAL not in refused.value.message
