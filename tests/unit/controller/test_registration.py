# SPDX-License-Identifier: Apache-2.0
"""Judging a PBU (RFC 5213 section 5.3): each fault has its status, and the answer says what it must."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network
from typing import Any

import pytest

from controller.binding_cache import BindingCache, BindingState
from controller.registration import Registrar
from southbound.codec.accessors import find_option, find_options
from southbound.codec.binding import ProxyBindingAcknowledgement
from southbound.codec.iana import Mldv2RecordType
from southbound.codec.mobility import encode_mobility
from southbound.codec.options import (
    AccessTechnologyTypeOption,
    ActiveMulticastSubscription,
    AlternateCareOfAddress,
    GreKey,
    HandoffIndicatorOption,
    HomeNetworkPrefix,
    LinkLocalAddress,
    MobileNodeIdentifier,
    MobileNodeLinkLayerIdentifier,
    MobilityOption,
    Timestamp,
)
from southbound.codec.records import MulticastAddressRecord
from tests.unit.controller.registration_script import (
    DOMAIN,
    MAG1,
    MAG2,
    MN1,
    MN2,
    NOW,
    UNSERVED,
    WALL,
    Lma,
    answer_of,
    update,
)
from topology.model import MAG_LINK_LOCAL_ADDRESS
from topology.policy_store import PolicyStore


def test_accepted() -> None:
    lma = Lma()
    verdict = lma.judge(update())
    answer = answer_of(verdict)
    assert (answer.status, answer.sequence, answer.lifetime_s, answer.proxy) == (0, 7, 300, True)
    assert [type(option) for option in answer.options] == [
        MobileNodeIdentifier, HomeNetworkPrefix, HandoffIndicatorOption, AccessTechnologyTypeOption,
        MobileNodeLinkLayerIdentifier, Timestamp,
    ]  # fmt: skip
    entry = lma.cache.of_own_interface(MN1.id)
    assert entry is not None
    assert (entry.mag_id, entry.state, entry.expires_at) == ("mag1", BindingState.ACTIVE, NOW + 300)
    assert entry.link_layer_id == MN1.link_layer_id


def test_a_pbu_without_the_flag_a_is_acknowledged_all_the_same() -> None:
    """A is the MAG's to set (8.1, 6.9.1.5); no check of section 5.3 asks for it, and every one of them ends in a PBA."""
    lma = Lma()
    assert answer_of(lma.judge(replace(update(), acknowledge=False))).status == 0
    assert lma.cache.of_own_interface(MN1.id) is not None
    refused = replace(update(without=(HandoffIndicatorOption,), stamp=WALL + 1), acknowledge=False)
    assert answer_of(lma.judge(refused, at=WALL + 1)).status == 161


def test_an_entry_has_what_the_pbu_said() -> None:
    """Field by field of RFC 5213 section 5.1; the link-local address and the GRE key only where they were asked for."""
    lma = Lma()
    lma.judge(update(sequence=8, stamp=WALL + 0.25, lifetime_s=240, technology=5), at=WALL + 0.25)
    entry = lma.cache.of_own_interface(MN1.id)
    assert entry is not None
    assert (entry.mn_id, entry.link_layer_id, entry.access_technology_type) == (MN1.id, MN1.link_layer_id, 5)
    assert entry.home_network_prefixes == MN1.home_network_prefixes
    assert (entry.proxy_care_of_address, entry.mag_id) == (MAG1, "mag1")
    assert (entry.sequence, entry.timestamp) == (8, WALL + 0.25)
    assert (entry.lifetime_s, entry.expires_at) == (240, NOW + 240.25)
    assert (entry.link_local_address, entry.gre_key) == (None, None)


@pytest.mark.parametrize(("changed", "status"), [({"handoff": 0}, 161), ({"technology": 0}, 162)])
def test_a_reserved_value_is_none(changed: dict[str, int], status: int) -> None:
    """0 is what a PBA has where the PBU had no such option (RFC 5213 sections 5.3.6, 8.4, 8.5)."""
    lma = Lma()
    for lifetime_s in (300, 0):
        answer = answer_of(lma.judge(update(lifetime_s=lifetime_s, **changed)))
        assert answer.status == status
    assert lma.cache.sessions(MN1.id) == ()
    lma.judge(update())
    before = lma.cache.sessions(MN1.id)
    assert answer_of(lma.judge(update(sequence=8, stamp=WALL + 1, **changed), MAG2, WALL + 1)).status == status
    assert lma.cache.sessions(MN1.id) == before


@pytest.mark.parametrize("handoff", [6, 9, 255])
def test_a_handoff_indicator_without_a_name_says_that_it_is_unknown(handoff: int) -> None:
    """Neither a handover nor a new interface is guessed: what is asked for by it waits as with 4, and it comes back."""
    lma = Lma()
    lma.judge(update())
    zero = {"prefix": IPv6Network("::/0"), "link_layer_id": bytes(6)}
    for indicator in (handoff, 4):
        verdict = lma.judge(update(sequence=9, stamp=WALL + 1, handoff=indicator, **zero), MAG2, WALL + 1)
        assert verdict.held
    fresh = answer_of(Lma().judge(update(handoff=handoff)))
    assert fresh.status == 0
    assert [option.indicator for option in fresh.options if isinstance(option, HandoffIndicatorOption)] == [handoff]


def test_an_access_technology_without_a_name_is_taken() -> None:
    answer = answer_of(Lma().judge(update(technology=200)))
    assert answer.status == 0
    assert [int(o.technology) for o in answer.options if isinstance(o, AccessTechnologyTypeOption)] == [200]


def test_a_zero_prefix_beside_a_named_one() -> None:
    """A new session: at least one that is all zero has the LMA choose (RFC 5213 section 5.3.2 rule 1). A session that is
    there: it is found by the named one (5.4.1.1), and the zero asks for nothing more."""
    both = (HomeNetworkPrefix(prefix=IPv6Network("::/0")),)
    lma = Lma()
    stranger = IPv6Network("2001:db8:9999::/64")
    answer = answer_of(lma.judge(update(prefix=stranger, more=both)))
    assert answer.status == 0
    assert _prefixes(answer) == list(MN1.home_network_prefixes)
    again = answer_of(lma.judge(update(sequence=8, stamp=WALL + 1, more=both), at=WALL + 1))
    assert (again.status, _prefixes(again)) == (0, list(MN1.home_network_prefixes))
    assert [session.home_network_prefixes for session in lma.cache.sessions(MN1.id)] == [MN1.home_network_prefixes]


def _prefixes(answer: ProxyBindingAcknowledgement) -> list[IPv6Network]:
    return [option.prefix for option in answer.options if isinstance(option, HomeNetworkPrefix)]


ORDER: list[tuple[int, dict[str, Any], IPv6Address]] = [
    (160, {"without": (MobileNodeIdentifier,)}, MAG1),
    (154, {}, IPv6Address("2001:db8:ff::99")),
    (153, {"mn_id": "stranger@example.net"}, MAG1),
    (152, {"mn_id": UNSERVED.id}, MAG1),
    (156, {"stamp": WALL - 5}, MAG1),
    (158, {"without": (HomeNetworkPrefix,)}, MAG1),
    (161, {"without": (HandoffIndicatorOption,)}, MAG1),
    (162, {"without": (AccessTechnologyTypeOption,)}, MAG1),
    (155, {"prefix": IPv6Network("2001:db8:9999::/64")}, MAG1),
]


@pytest.mark.parametrize(("status", "fault", "source"), ORDER, ids=lambda value: str(value))
def test_each_fault_has_its_status(status: int, fault: dict[str, Any], source: IPv6Address) -> None:
    lma = Lma()
    verdict = lma.judge(update(**fault), source)
    answer = answer_of(verdict)
    assert answer.status == status
    assert verdict.entry is None
    assert len(lma.cache) == 0
    # RFC 5213 section 8.2: these are in every PBA.
    for kind in (MobileNodeIdentifier, HomeNetworkPrefix, HandoffIndicatorOption, AccessTechnologyTypeOption):
        assert find_option(answer, kind) is not None


@pytest.mark.parametrize("first", range(len(ORDER)))
@pytest.mark.parametrize("second", range(len(ORDER)))
def test_of_two_faults_the_earlier_check_answers(first: int, second: int) -> None:
    if first >= second:
        return
    (status, fault, source), (_, other, other_source) = ORDER[first], ORDER[second]
    merged = {**other, **fault, "without": (*other.get("without", ()), *fault.get("without", ()))}
    source = source if source != MAG1 else other_source
    assert answer_of(Lma().judge(update(**merged), source)).status == status


def test_mag_that_may_not_register_this_mobile_node() -> None:
    nodes = tuple(replace(node, mags=("mag2",)) for node in DOMAIN.mobile_nodes)
    registrar = Registrar(cache=BindingCache(), domain=DOMAIN, policy=PolicyStore(nodes))
    verdict = registrar.judge(update(), MAG1, received_at=WALL, now=NOW)
    assert verdict.status == 154


@pytest.mark.parametrize(("address", "status"), [(MAG1, 0), (MAG2, 154), (IPv6Address("2001:db8:ff::99"), 154)])
def test_a_mag_registers_at_its_own_address_only(address: IPv6Address, status: int) -> None:
    verdict = Lma().judge(update(more=(AlternateCareOfAddress(address=address),)))
    assert verdict.status == status


def test_a_mag_may_register_only_the_prefixes_that_it_may_host() -> None:
    """RFC 5213 section 4: combinations of MAG and prefix."""
    allowed = tuple(replace(mag, allowed_prefixes=(IPv6Network("2001:db8:100:2::/63"),)) for mag in DOMAIN.mags)
    lma = Lma(replace(DOMAIN, mags=allowed))
    assert answer_of(lma.judge(update())).status == 154
    assert answer_of(lma.judge(update(prefix=IPv6Network("::/0")))).status == 154
    granted = update(mn_id=MN2.id, prefix=MN2.home_network_prefixes[0], link_layer_id=MN2.link_layer_id)
    assert answer_of(lma.judge(granted)).status == 0


def test_a_prefix_that_another_mn_has_at_this_moment_is_155_after_the_order_of_messages() -> None:
    lma = Lma()
    lma.judge(update(mn_id=MN2.id, prefix=MN2.home_network_prefixes[0], link_layer_id=MN2.link_layer_id))
    assert answer_of(lma.judge(update(prefix=MN2.home_network_prefixes[0]))).status == 155
    assert answer_of(lma.judge(update(prefix=MN2.home_network_prefixes[0], stamp=WALL - 5))).status == 156


def test_empty_mn_identifier_is_a_missing_one() -> None:
    assert answer_of(Lma().judge(update(mn_id=""))).status == 160


def test_all_zero_prefix_asks_for_one() -> None:
    answer = answer_of(Lma().judge(update(prefix=IPv6Network("::/0"))))
    assert answer.status == 0
    assert [option.prefix for option in find_options(answer, HomeNetworkPrefix)] == list(MN1.home_network_prefixes)


def test_refusal_without_prefix_says_all_zero() -> None:
    answer = answer_of(Lma().judge(update(without=(HomeNetworkPrefix,))))
    assert [option.prefix for option in find_options(answer, HomeNetworkPrefix)] == [IPv6Network("::/0")]


def test_lifetime_is_granted_up_to_that_of_the_domain() -> None:
    assert answer_of(Lma().judge(update(lifetime_s=262_140))).lifetime_s == 300
    assert answer_of(Lma().judge(update(lifetime_s=4))).lifetime_s == 4


def test_echoes_only_what_the_pbu_had() -> None:
    plain = answer_of(Lma().judge(update(without=(MobileNodeLinkLayerIdentifier, Timestamp))))
    assert find_option(plain, MobileNodeLinkLayerIdentifier) is None
    assert find_option(plain, Timestamp) is None
    local = LinkLocalAddress(address=IPv6Address("fe80::1"))
    assert local in answer_of(Lma().judge(update(more=(local,)))).options


# --- what a MAG may ask besides -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "tlv", "status", "answered"),
    [
        (GreKey(key=DOMAIN.lma_gre_key), False, 0, GreKey(key=DOMAIN.lma_gre_key)),
        (GreKey(key=DOMAIN.lma_gre_key), True, 3, GreKey(key=DOMAIN.lma_gre_key)),
        (GreKey(key=7), False, 2, None),
        (GreKey(key=None), False, 2, None),
    ],
)
def test_gre_key_option(option: GreKey, tlv: bool, status: int, answered: GreKey | None) -> None:
    """RFC 5845 section 5.2: the tunnels have one key, and whoever names it is right."""
    lma = Lma()
    answer = answer_of(lma.judge(replace(update(more=(option,)), tlv=tlv)))
    assert (answer.status, find_option(answer, GreKey)) == (status, answered)
    assert answer.accepted
    assert [entry.gre_key for entry in lma.cache] == [answered.key if answered is not None else None]


def test_gre_key_required() -> None:
    lma = Lma(replace(DOMAIN, gre_key_option="required"))
    assert answer_of(lma.judge(update())).status == 163
    assert answer_of(lma.judge(update(more=(GreKey(key=DOMAIN.lma_gre_key),)))).status == 0
    # Section 4.2: none in a de-registration.
    assert answer_of(lma.judge(update(lifetime_s=0, stamp=WALL + 1), at=WALL + 1)).status == 0


def test_link_local_address_of_the_mag() -> None:
    """RFC 5213 section 5.3.6: the LMA's choice, then what the session has, then what a MAG tells it."""
    lma, asked = Lma(), LinkLocalAddress(address=IPv6Address("::"))

    def answered(option: LinkLocalAddress, seconds: int, source: IPv6Address) -> LinkLocalAddress | None:
        message = update(stamp=WALL + seconds, more=(option,))
        return find_option(answer_of(lma.judge(message, source, at=WALL + seconds)), LinkLocalAddress)

    assert answered(asked, 0, MAG1) == LinkLocalAddress(address=MAG_LINK_LOCAL_ADDRESS)
    own = LinkLocalAddress(address=IPv6Address("fe80::1"))
    assert answered(own, 1, MAG1) == own
    assert answered(asked, 2, MAG2) == own
    refused = answer_of(Lma().judge(update(stamp=WALL - 5, more=(asked,))))
    assert (refused.status, find_option(refused, LinkLocalAddress)) == (156, asked)


# --- PBU-M ----------------------------------------------------------------------------------------------------------


def subscription(group: str, *sources: str) -> ActiveMulticastSubscription:
    kind = Mldv2RecordType.MODE_IS_INCLUDE if sources else Mldv2RecordType.MODE_IS_EXCLUDE
    addresses = tuple(IPv6Address(source) for source in sources)
    record = MulticastAddressRecord(record_type=kind, group=IPv6Address(group), sources=addresses)
    return ActiveMulticastSubscription(record=record)


def test_multicast_state_of_a_pbu_m() -> None:
    state = (subscription("ff1e::101"), subscription("ff3e::8000:1", "2001:db8:c0::10"), subscription("ff02::fb"))
    verdict = Lma().judge(update(multicast=True, more=state))
    assert verdict.memberships is not None
    assert [str(membership.group) for membership in verdict.memberships] == ["ff1e::101", "ff3e::8000:1"]
    assert answer_of(verdict).multicast


def test_without_the_s_flag_there_is_no_word_on_multicast() -> None:
    verdict = Lma().judge(update(more=(subscription("ff1e::101"),)))
    assert verdict.memberships is None
    assert not answer_of(verdict).multicast


def test_groups_that_are_not_allowed_are_left_out() -> None:
    nodes = tuple(replace(node, allowed_groups=(IPv6Network("ff3e::/16"),)) for node in DOMAIN.mobile_nodes)
    state = (subscription("ff1e::101"), subscription("ff3e::8000:1", "2001:db8:c0::10"))
    registrar = Registrar(cache=BindingCache(), domain=DOMAIN, policy=PolicyStore(nodes))
    verdict = registrar.judge(update(multicast=True, more=state), MAG1, received_at=WALL, now=NOW)
    assert verdict.memberships is not None
    assert [str(membership.group) for membership in verdict.memberships] == ["ff3e::8000:1"]


def test_the_longest_pbu_can_be_answered() -> None:
    """What a PBA repeats must fit one, whatever a MAG has put into its PBU."""
    more: tuple[MobilityOption, ...] = (
        MobileNodeLinkLayerIdentifier(identifier=bytes(250)),
        LinkLocalAddress(address=IPv6Address("fe80::1")),
        *(HomeNetworkPrefix(prefix=IPv6Network((index << 64, 64))) for index in range(1, 55)),
    )
    without = (MobileNodeLinkLayerIdentifier, HandoffIndicatorOption, AccessTechnologyTypeOption)
    message = update(mn_id="x" * 200 + "@example.net", more=more, without=without)
    assert len(encode_mobility(message, MAG1, DOMAIN.lma.address)) <= 2048
    answer_of(Lma().judge(message))
