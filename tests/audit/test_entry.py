"""An entry's bytes."""

import json
from hashlib import sha256

import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.audit.entry import MAX_INTEGER, Entry, Result, draft, read_header, seal_plain
from remit.kernel.action import ActorKind, Principal

texts = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=40)
names = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=40)
principals = st.builds(Principal, st.sampled_from(ActorKind), names)
entries = st.builds(
    Entry,
    actor=principals,
    action=names,
    domain=names,
    result=st.sampled_from(Result),
    workspace=names,
    on_behalf_of=st.none() | principals,
    reason=texts,
    subject=texts,
    mission=texts,
    step=texts,
    approval_id=texts,
    policy_rev=texts,
)
payloads = st.dictionaries(st.text(max_size=5), st.text(max_size=5) | st.integers(-5, 5) | st.none(), max_size=4)


@given(entries, payloads, st.integers(0, MAX_INTEGER), st.integers(0, MAX_INTEGER), st.binary(min_size=16, max_size=16))
@settings(max_examples=150, deadline=None)
def test_a_header_is_rfc_8785_and_loses_nothing(
    entry: Entry, payload: dict[str, object], seq: int, ts_us: int, salt: bytes
) -> None:
    made = draft(entry, payload, ts_us=ts_us, salt=salt)
    header = seal_plain(made).header(seq)
    fields = json.loads(header)
    assert header == rfc8785.dumps(fields)
    assert fields == read_header(header)
    assert {name: fields[name] for name in entry.fields()} == entry.fields()
    assert (fields["seq"], fields["ts_us"], fields["v"]) == (seq, ts_us, 1)
    assert fields["pd"] == sha256(salt + made.body).hexdigest()
    assert json.loads(made.body) == payload


def test_every_field_of_an_entry_is_in_the_hash() -> None:
    base = {
        "actor": Principal(ActorKind.AGENT, "a"),
        "action": "a",
        "domain": "d",
        "result": Result.SUCCESS,
        "workspace": "w",
    }
    seen = {seal_plain(draft(Entry(**base), {}, ts_us=1, salt=bytes(16))).header(0)}
    changes: dict[str, object] = {
        "actor": Principal(ActorKind.USER, "a"),
        "action": "b",
        "domain": "b",
        "result": Result.FAILURE,
        "workspace": "b",
        "on_behalf_of": Principal(ActorKind.USER, "b"),
        **dict.fromkeys(("reason", "subject", "mission", "step", "approval_id", "policy_rev"), "b"),
    }
    assert set(changes) == {name for name, each in Entry.__dataclass_fields__.items() if each.init}
    for name, value in changes.items():
        seen.add(seal_plain(draft(Entry(**{**base, name: value}), {}, ts_us=1, salt=bytes(16))).header(0))
    assert len(seen) == len(changes) + 1
