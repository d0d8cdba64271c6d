# SPDX-License-Identifier: Apache-2.0
"""RFC 5213 section 5.4.1, rule by rule: which mobility session a PBU is about."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network

import pytest

from controller.binding_cache import BindingCache, BindingCacheEntry, BindingState
from controller.refusal import Refusal
from controller.session_lookup import Found, SessionRequest, find_session
from southbound.codec.iana import HandoffIndicator

P1, P2, P3, P4 = (IPv6Network(f"2001:db8:100:{number}::/64") for number in (1, 2, 3, 4))
OLD, NEW = IPv6Address("2001:db8:ff::11"), IPv6Address("2001:db8:ff::12")
MN1, MN2 = "mn1@example.net", "mn2@example.net"
WLAN, LTE = b"\x02\0\0\0\0\x11", b"\x02\0\0\0\0\x22"
ETHERNET, RADIO = 3, 4
NEW_INTERFACE, BETWEEN_INTERFACES, SAME_INTERFACE, UNKNOWN, REREGISTRATION = (HandoffIndicator(n) for n in range(1, 6))


def session(
    *prefixes: IPv6Network, mn_id: str = MN1, link_layer_id: bytes | None = WLAN, technology: int = ETHERNET,
    active: bool = True,
) -> BindingCacheEntry:
    return BindingCacheEntry(
        mn_id=mn_id, home_network_prefixes=prefixes, mag_id="mag1", proxy_care_of_address=OLD,
        link_layer_id=link_layer_id, access_technology_type=technology, sequence=1, timestamp=1.0, lifetime_s=300,
        expires_at=300.0, state=BindingState.ACTIVE if active else BindingState.PENDING_DELETE, multicast=False,
    )  # fmt: skip


def cache(*sessions: BindingCacheEntry) -> BindingCache:
    filled = BindingCache()
    for entry in sessions:
        filled.put(entry)
    return filled


def request(
    *prefixes: IPv6Network, link_layer_id: bytes | None = WLAN, technology: int = ETHERNET,
    handoff: HandoffIndicator = UNKNOWN, source: IPv6Address = NEW,
) -> SessionRequest:
    return SessionRequest(
        mn_id=MN1, prefixes=prefixes, link_layer_id=link_layer_id, technology=technology, handoff=handoff,
        proxy_care_of_address=source,
    )  # fmt: skip


def found(asked: SessionRequest, *sessions: BindingCacheEntry) -> Found:
    return find_session(asked, cache(*sessions)).found


# --- 5.4.1.1: a home network prefix is named ------------------------------------------------------------------------


def test_rule_2_a_prefix_of_no_session_is_a_new_session() -> None:
    assert found(request(P1)) is Found.CREATE
    assert found(request(P1), session(P2)) is Found.CREATE


def test_rule_3_a_prefix_of_another_mn_is_refused_with_155() -> None:
    for prefixes in ((P1,), (P2, P1)):
        with pytest.raises(Refusal) as refused:
            find_session(request(*prefixes), cache(session(P1, mn_id=MN2), session(P2)))
        assert refused.value.status == 155


@pytest.mark.parametrize("asked", [(P1,), (P1, P2, P3), (P1, P1), (P1, P3), (P1, P2, P2)])
def test_rule_4_other_than_exactly_the_prefixes_of_the_session_is_refused_with_159(asked: tuple[IPv6Network, ...]) -> None:
    with pytest.raises(Refusal) as refused:
        find_session(request(*asked), cache(session(P1, P2)))
    assert refused.value.status == 159


def test_rule_4_prefixes_of_two_sessions_are_refused_with_159() -> None:
    with pytest.raises(Refusal) as refused:
        find_session(request(P1, P2), cache(session(P1), session(P2, link_layer_id=LTE)))
    assert refused.value.status == 159


@pytest.mark.parametrize(
    ("asked", "held"),
    [
        # The same interface, wherever it is and whatever the indicator says.
        (request(P2, P1, handoff=UNKNOWN), session(P1, P2)),
        (request(P1, P2, handoff=SAME_INTERFACE), session(P1, P2)),
        # A handover from one interface to another.
        (request(P1, P2, handoff=BETWEEN_INTERFACES, link_layer_id=LTE, technology=RADIO), session(P1, P2)),
        # An interface that neither MAG can name, handed over between MAGs.
        (request(P1, P2, handoff=SAME_INTERFACE, link_layer_id=None), session(P1, P2, link_layer_id=None)),
        # The same MAG and technology.
        (request(P1, P2, handoff=REREGISTRATION, link_layer_id=None, source=OLD), session(P1, P2)),
        (request(P1, P2, handoff=UNKNOWN, link_layer_id=LTE, source=OLD), session(P1, P2)),
    ],
)
def test_rule_5_the_session_is_updated(asked: SessionRequest, held: BindingCacheEntry) -> None:
    lookup = find_session(asked, cache(held))
    assert (lookup.found, lookup.session) == (Found.UPDATE, held)


@pytest.mark.parametrize(
    ("asked", "held"),
    [
        (request(P1, link_layer_id=LTE), session(P1)),
        (request(P1, technology=RADIO), session(P1)),
        (request(P1, link_layer_id=LTE, handoff=SAME_INTERFACE), session(P1)),
        (request(P1, link_layer_id=None, handoff=SAME_INTERFACE), session(P1)),
        (request(P1, link_layer_id=None, handoff=UNKNOWN), session(P1, link_layer_id=None)),
        (request(P1, link_layer_id=None, technology=RADIO, handoff=SAME_INTERFACE), session(P1, link_layer_id=None)),
        (request(P1, technology=RADIO, source=OLD), session(P1)),
    ],
)
def test_rule_6_anything_else_is_a_new_session(asked: SessionRequest, held: BindingCacheEntry) -> None:
    assert found(asked, held) is Found.CREATE


# --- 5.4.1.2: only the interface is named ---------------------------------------------------------------------------


@pytest.mark.parametrize("handoff", [NEW_INTERFACE, BETWEEN_INTERFACES, SAME_INTERFACE, UNKNOWN, REREGISTRATION])
def test_rule_2_the_session_of_the_interface_is_updated(handoff: HandoffIndicator) -> None:
    wlan, lte = session(P1), session(P2, link_layer_id=LTE, technology=RADIO)
    lookup = find_session(request(link_layer_id=LTE, technology=RADIO, handoff=handoff), cache(wlan, lte))
    assert (lookup.found, lookup.session) == (Found.UPDATE, lte)


def test_rule_3_the_only_session_moves_to_another_interface() -> None:
    asked = request(link_layer_id=LTE, handoff=BETWEEN_INTERFACES)
    assert found(asked, session(P1)) is Found.UPDATE
    assert found(asked) is Found.CREATE
    assert found(asked, session(P1), session(P2, link_layer_id=None)) is Found.CREATE, "one and only one"
    assert found(asked, session(P1, mn_id=MN2)) is Found.CREATE


def test_rule_4_perhaps_a_handover_waits_for_the_former_mag() -> None:
    asked = request(link_layer_id=LTE, handoff=UNKNOWN)
    assert found(asked, session(P1)) is Found.WAIT
    assert found(asked, session(P1, active=False)) is Found.UPDATE, "it has de-registered"
    assert found(asked, session(P1), session(P2, link_layer_id=None)) is Found.CREATE


@pytest.mark.parametrize("handoff", [NEW_INTERFACE, SAME_INTERFACE, REREGISTRATION])
def test_rule_5_another_interface_is_a_new_session(handoff: HandoffIndicator) -> None:
    assert found(request(link_layer_id=LTE, handoff=handoff), session(P1)) is Found.CREATE


# --- 5.4.1.3: only the MN is named ----------------------------------------------------------------------------------


@pytest.mark.parametrize("handoff", [BETWEEN_INTERFACES, SAME_INTERFACE])
def test_rule_2_the_only_session_is_updated(handoff: HandoffIndicator) -> None:
    asked = request(link_layer_id=None, handoff=handoff)
    assert found(asked, session(P1)) is Found.UPDATE
    assert found(asked, session(P1), session(P2, link_layer_id=LTE)) is Found.CREATE


def test_rule_3_perhaps_a_handover_of_the_only_session_waits() -> None:
    asked = request(link_layer_id=None, handoff=UNKNOWN)
    assert found(asked, session(P1)) is Found.WAIT
    assert found(asked, session(P1, active=False)) is Found.UPDATE


@pytest.mark.parametrize("handoff", [NEW_INTERFACE, REREGISTRATION])
def test_rule_4_anything_else_is_a_new_session(handoff: HandoffIndicator) -> None:
    assert found(request(link_layer_id=None, handoff=handoff), session(P1)) is Found.CREATE
    assert found(request(link_layer_id=None, handoff=handoff)) is Found.CREATE
