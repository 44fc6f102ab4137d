"""Channels as the owner writes them: one meaning, secrets by reference, mistakes named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from remit.kernel.channels import ChannelKind, read_channels
from remit.kernel.errors import InvalidInput
from remit.settings import load, quorums

TOML = """
approval_quorum = "1, deploy=2"

[[notify]]
name = "ops"
kind = "webhook"
url = "https://ops.example.org/remit"
secret = "env:OPS_KEY"

[[notify]]
name = "desk"
kind = "console"
approvals = false
"""
OPS = {"name": "ops", "kind": "webhook", "url": "https://ops.example.org/remit", "secret": "env:OPS_KEY"}


def test_tables_and_the_environment_mean_the_same(tmp_path: Path) -> None:
    (tmp_path / "remit.toml").write_text(TOML, encoding="utf-8")
    none = tmp_path / "none.toml"
    settings, origin = load(environ={}, folder=tmp_path, user_file=none)
    assert [(one.name, one.kind, one.approvals) for one in settings.notify] == [
        ("ops", ChannelKind.WEBHOOK, True),
        ("desk", ChannelKind.CONSOLE, False),
    ]
    assert origin["notify"] == str(tmp_path / "remit.toml")
    assert quorums(settings.approval_quorum) == {"": 1, "deploy": 2}
    text = json.dumps([OPS, {"name": "desk", "kind": "console", "approvals": False}])
    other, origin = load(environ={"REMIT_NOTIFY": text}, folder=tmp_path / "x", user_file=none)
    assert other.notify == settings.notify
    assert origin["notify"] == "REMIT_NOTIFY"
    assert load(environ={}, folder=tmp_path / "x", user_file=none)[0].notify == ()


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ("[", "JSON list"),
        ('{"name": "a"}', "a list of channels"),
        (["a"], "must be a table"),
        ([{"name": "a"}], "lacks kind"),
        ([{"name": "a", "kind": "fax"}], "one of console, webhook, email, slack"),
        ([{**OPS, "secrt": "x"}], "did you mean 'secret'"),
        ([{**OPS, "port": "25"}], "must be int"),
        ([OPS, OPS], "two channels are called 'ops'"),
        ([{**OPS, "name": "Ops Team"}], "lower-case word"),
        ([{**OPS, "secret": "topsecretvalue"}], "secret must be a reference"),
        ([{**OPS, "secret": ""}], "needs a secret"),
        ([{**OPS, "url": "ftp://x"}], "http"),
        ([{**OPS, "url": "https://user:pw@x/"}], "http"),
        ([{"name": "c", "kind": "slack", "url": "https://hooks.example.org/T/B/x"}], "its url is a secret"),
        ([{"name": "m", "kind": "email", "to": "a@b.c", "sender": "no mailbox", "host": "h"}], "is no mailbox"),
        ([{"name": "m", "kind": "email", "to": "", "sender": "a@b.c", "host": "h"}], "somebody to write to"),
        (
            [
                {
                    "name": "m",
                    "kind": "email",
                    "to": "a@b.c",
                    "sender": "a@b.c",
                    "host": "h",
                    "user": "u",
                    "password": "env:P",
                    "starttls": False,
                }
            ],
            "encrypted",
        ),
    ],
)
def test_a_mistake_is_named_and_no_value_of_a_secret_is(raw: object, told: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_channels(raw)
    assert told in caught.value.message
    assert "topsecretvalue" not in caught.value.message


def test_a_bad_channel_in_a_file_shows_no_value(tmp_path: Path) -> None:
    bad = tmp_path / "remit.toml"
    bad.write_text('[[notify]]\nname = "a"\nkind = "webhook"\nsecret = "topsecretvalue"\n', encoding="utf-8")
    with pytest.raises(InvalidInput) as caught:
        load(environ={}, folder=tmp_path, user_file=tmp_path / "none")
    assert "topsecretvalue" not in caught.value.message


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("approval_hours", "0"),
        ("approval_hours", "90000"),
        ("approval_over_usd", "-1"),
        ("approval_domains", "https://example.org"),
        ("approval_quorum", "0"),
        ("approval_quorum", "deployy=2"),
        ("approval_quorum", ""),
        ("approval_separation", "perhaps"),
        ("notify_allow", "127.0.0.1"),
        ("notify_allow", "http://127.0.0.1:80*"),
        ("notify_allow", "http://a@b/"),
        ("notify_allow", "http://*.example.org/"),
    ],
)
def test_settings_out_of_their_bounds_are_refused(tmp_path: Path, key: str, value: str) -> None:
    with pytest.raises(InvalidInput, match=key):
        load(environ={f"REMIT_{key.upper()}": value}, folder=tmp_path, user_file=tmp_path / "none")
