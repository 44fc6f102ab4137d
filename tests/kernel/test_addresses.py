"""Which addresses may be reached: the registries, the clouds, and what an operator may open."""

import os
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.kernel.addresses import CLOSED, EMBEDDING, OPENABLE, PLATFORMS, judge_address, read_networks

TRIALS = 3000 if os.environ.get("REMIT_PROVE") == "1" else 300


@given(st.one_of(st.integers(0, 2**32 - 1).map(IPv4Address), st.integers(0, 2**128 - 1).map(IPv6Address)))
@settings(max_examples=TRIALS, deadline=None)
def test_whatever_python_holds_for_private_is_refused(address: IPv4Address | IPv6Address) -> None:
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_link_local:
        assert judge_address(str(address))
    if isinstance(address, IPv6Address) and (address.ipv4_mapped or address.sixtofour or address.teredo):
        assert judge_address(str(address))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450:4001::1", "168.63.129.15"]
)
def test_public_addresses_may_be_reached(address: str) -> None:
    assert judge_address(address) == ""


@pytest.mark.parametrize(
    "text",
    ["", "localhost", "127.1", "0x7f000001", "127.0.0.1/8", "fe80::1%eth0", "2606:4700::1%1", "1.1.1.1 ", "[::1]"],
)
def test_what_is_no_plain_address_is_refused(text: str) -> None:
    assert judge_address(text)


def test_what_is_opened_is_reached_and_nothing_else() -> None:
    opened = read_networks("10.1.2.0/24, fd12:3456::/32, 127.0.0.1, ::1")
    for address in ("10.1.2.3", "fd12:3456::1", "127.0.0.1", "::1"):
        assert judge_address(address, opened) == ""
        assert judge_address(address)
    for address in ("10.1.3.3", "fd12:3457::1", "127.0.0.2", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3", "2002:a01:203::1"):
        assert judge_address(address, opened), address


def test_metadata_and_link_local_addresses_are_never_opened() -> None:
    everything = read_networks(", ".join(OPENABLE))
    for block in (*PLATFORMS, *EMBEDDING, *CLOSED):
        first = str(ip_address(block.partition("/")[0]) + (1 if block == "::/96" else 0))
        if first != "::1":
            assert judge_address(first, everything), block
    assert judge_address("100.100.100.200", everything) == "Alibaba Cloud metadata"
    assert judge_address("fd00:ec2::254", everything) == "AWS metadata"


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0/0",
        "::/0",
        "169.254.0.0/16",
        "8.8.8.8",
        "10.0.0.0/7",
        "fe80::/10",
        "fc00::/6",
        "10.1.2.3/24",
        "ten",
        "224.0.0.0/4",
    ],
)
def test_nothing_public_and_no_typing_error_is_opened(text: str) -> None:
    with pytest.raises(ValueError, match=r"can be opened|does not appear|has host bits"):
        read_networks(text)
