"""Every endpoint, asked by everybody: the table says who reaches it, and this asks whether that is so."""

from __future__ import annotations

from types import ModuleType

import pytest
from fastapi import APIRouter

from remit.accounts.roles import NONE, ROLE_RIGHTS, may
from remit.kernel.errors import InternalError
from remit.serve.api.access import Access, Elsewhere, Who
from remit.serve.api.app import NOUNS, api_of, endpoints

from .samples import Sample, every_sample
from .serving import PEOPLE, Api, Client, Reply

ROWS = [row for noun in NOUNS for row in noun.ACCESS]
SAMPLES = every_sample()
REFUSED = 403


def test_every_endpoint_has_a_row_and_every_row_an_endpoint_and_a_sample() -> None:
    assert endpoints() == {row.key for row in ROWS}
    missing = {row.key for row in ROWS} - SAMPLES.keys()
    assert not missing, f"add these to tests/api/samples_NOUN.py: {sorted(missing)}"
    assert not SAMPLES.keys() - {row.key for row in ROWS}


def test_an_endpoint_without_a_row_keeps_the_api_from_starting(api: Api) -> None:
    noun = ModuleType("noun")
    noun.ROUTES = APIRouter()
    noun.ACCESS = ()

    @noun.ROUTES.get("/api/v1/forgotten")
    async def forgotten() -> None: ...

    with pytest.raises(InternalError, match="No access row for GET /api/v1/forgotten"):
        api_of(api.runtime, nouns=(*NOUNS, noun))
    noun.ROUTES = APIRouter()
    noun.ACCESS = (Access("GET", "/api/v1/gone"),)
    with pytest.raises(InternalError, match="row without its endpoint: GET /api/v1/gone"):
        api_of(api.runtime, nouns=(*NOUNS, noun))


def ask(api: Api, client: Client, row: Access, sample: Sample) -> tuple[Reply, dict[str, str]]:
    """Ask about something made for this try alone."""
    made = api.do(lambda: sample.make(api))
    body = None if sample.body is None else sample.body(made)
    path = row.path.format(**made) + sample.query.format(**made)
    return client.ask(row.method, path, body, **sample.headers), made


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.method} {row.path}")
def test_everybody_gets_what_the_table_says(api: Api, row: Access) -> None:
    sample = SAMPLES[row.key]
    for who, role in PEOPLE.items():
        reply, made = ask(api, api.client(who), row, sample)
        rights = NONE if role is None else ROLE_RIGHTS[role]
        if row.who is not Who.PERMITTED or may(rights, row.permission, row.resource):
            assert reply.status in sample.ok, f"{who}: {reply}"
        elif role is not None:
            own = row.own and made.get("user") == who
            assert reply.status in (sample.ok if own else {REFUSED}), f"{who}: {reply}"
        else:
            _elsewhere(row, reply, made, sample)


def _elsewhere(row: Access, reply: Reply, made: dict[str, str], sample: Sample) -> None:
    match row.elsewhere:
        case Elsewhere.REFUSED:
            assert reply.status == REFUSED, reply
        case Elsewhere.HIDDEN:
            assert reply.status == 404, reply
        case Elsewhere.EMPTY:
            assert reply.status == 200, reply
            assert not any(value in str(reply.json["items"]) for value in made.values()), reply
        case Elsewhere.SAME:
            assert reply.status in sample.ok, reply


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.method} {row.path}")
def test_nobody_and_agents_administer_nothing(api: Api, row: Access) -> None:
    sample = SAMPLES[row.key]
    nobody, _ = ask(api, api.client("nobody"), row, sample)
    agent, _ = ask(api, api.client("agent"), row, sample)
    if row.who is Who.ANYBODY:
        assert nobody.status in sample.ok, nobody
        assert agent.status in sample.ok, agent
    else:
        assert nobody.status == 401, nobody
        assert nobody.json["code"] == "api.credential"
        assert nobody.headers["www-authenticate"].startswith("Bearer")
        assert agent.status in (sample.ok | {REFUSED} if row.who is Who.KNOWN else {REFUSED}), agent


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.method} {row.path}")
def test_a_key_opens_only_what_its_scopes_say(api: Api, row: Access) -> None:
    if row.who is not Who.PERMITTED:
        return
    others = [word for word in ("read", "write", "delete", "approve", "admin") if word != row.permission.value]
    reply, _ = ask(api, api.limited("owner", *others), row, SAMPLES[row.key])
    assert (reply.status, reply.json["code"]) == (REFUSED, "api.scope"), reply


def test_a_token_that_does_not_count_is_nobodys(api: Api) -> None:
    reply = api.open("rmt_live_" + "0" * 49).get("/api/v1/teams")
    assert (reply.status, reply.json["code"]) == (401, "api.credential")
    assert api.open(authorization="Basic b3duZXI6").get("/api/v1/teams").status == 401
