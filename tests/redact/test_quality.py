"""What the rules find on the development set, and what they leave alone. ``benchmarks/redaction_quality.py`` counts."""

from pathlib import Path

import pytest

from benchmarks.redaction_quality import covered, flagged, kinds_page, noise, recall
from remit.packs.build.intake import read_intake
from remit.packs.build.ir_build import build_ir
from remit.packs.build.render import render_application
from remit.redact import likely
from remit.redact.names import Says, said
from remit.redact.redactor import Redactor

from . import corpus_benign, corpus_held, corpus_written
from .corpus import Case

ROOT = Path(__file__).resolve().parents[2]
HALVES = {"A": corpus_written, "B": corpus_held}


@pytest.fixture(scope="module")
def redactor() -> Redactor:
    return Redactor(b"tests only: 16 bytes or more")


@pytest.mark.parametrize("half", HALVES)
def test_tokens_of_services_are_covered_whole(half: str, redactor: Redactor) -> None:
    found = recall(HALVES[half].services(times=2), redactor)["*"]
    assert found["tier 1 + assignment"] >= 0.85, found


@pytest.mark.parametrize("half", HALVES)
def test_secrets_in_code_and_configuration_are_covered_whole(half: str, redactor: Redactor) -> None:
    found = recall(HALVES[half].mixed(times=8), redactor)["*"]
    assert found["all"] >= 0.60, found


@pytest.mark.parametrize("half", HALVES)
def test_benign_texts_are_left_alone(half: str, redactor: Redactor) -> None:
    found = flagged(corpus_benign.benign(half, times=2), redactor)["*"]
    assert found["tier 1"] <= 0.10
    assert found["all"] <= 0.25


def test_clean_code_stays_readable(redactor: Redactor) -> None:
    found = noise(redactor, most=250)
    assert found["tier 1"] <= 5
    assert found["tier 2"] <= 60


@pytest.mark.parametrize("name", ["clinic", "library", "shop"])
def test_a_generated_application_holds_no_certain_secret(name: str, redactor: Redactor) -> None:
    intake = read_intake((ROOT / "examples" / "intakes" / f"{name}.yaml").read_bytes(), name=f"{name}.yaml")
    files = render_application(build_ir(intake))
    assert files
    assert redactor.findings(files) == [], "the guard would refuse to write it"


def test_covered_asks_for_every_character(redactor: Redactor) -> None:
    case = corpus_written.services(times=1)[0]
    spans = redactor.scan(case.text)
    assert covered(case, spans)
    assert not covered(Case(case.kind, case.secret, case.text), spans[1:])


def test_what_is_no_token_any_more_costs_nothing(redactor: Redactor) -> None:
    for text in corpus_benign.malformed():
        assert redactor.mask(redactor.mask(text)) == redactor.mask(text)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("dbPassword", Says.PASSWORD),
        ("SPRING_DATASOURCE_PASSWORD_PROD", Says.PASSWORD),
        ("smtp_pass", Says.PASSWORD),
        ("clientSecret", Says.SECRET),
        ("X-Api-Key", Says.SECRET),
        ("secret_id", Says.SECRET),
        ("auth", Says.KEY),
        ("dict_key", None),
        ("public_key", None),
        ("password_field", None),
        ("tokenUrl", None),
        ("monkey", None),
        ("compass", None),
        ("author", None),
    ],
)
def test_what_a_name_says(name: str, says: Says | None) -> None:
    assert said(name) is says


@pytest.mark.parametrize(
    "value", ["changeme", "<your token>", "${TOKEN}", "{{ vault_key }}", "xxxxxxxx", "%s", "YOUR_API_KEY", "********"]
)
def test_what_stands_in_for_a_secret_is_none(value: str) -> None:
    assert likely.placeholder(value)
    assert not likely.password(value, quoted=True)
    assert not likely.secret(value, quoted=True)


def test_words_surprise_less_than_draws() -> None:
    names = ("organization_membership_id", "getAuthenticationToken", "application/x-www-form-urlencoded", "correlation")
    draws = [case.secret for case in corpus_held.mixed(times=4) if case.kind in {"token-letters", "url-token"}]
    assert max(map(likely.surprise, names)) < 4.4 < min(map(likely.surprise, draws))


def test_the_page_of_kinds_lists_what_is_shipped() -> None:
    page = ROOT / "docs" / "redact-kinds.md"
    assert page.read_text("utf-8") == kinds_page(), "write it anew: python -m benchmarks.redaction_quality --kinds"
