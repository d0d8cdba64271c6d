# SPDX-License-Identifier: Apache-2.0
"""Messages of peers that do more than this domain: what is answered, and that nothing else comes of it.

docs/conformance names each.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network
from typing import Any

import pytest

from southbound.codec.accessors import find_option, home_network_prefixes
from southbound.codec.binding import ProxyBindingAcknowledgement, ProxyBindingUpdate
from southbound.codec.binding_error import BindingError
from southbound.codec.handover import HandoverInitiate
from southbound.codec.iana import BindingErrorStatus, BindingStatus, HandoffIndicator, MobilityHeaderType, OptionType
from southbound.codec.mobility import UnknownMobilityMessage, encode_mobility
from southbound.codec.options import GreKey, HandoffIndicatorOption, LinkLocalAddress, Timestamp, UnknownOption
from tests.scenario.handover_script import MN1, MN2, begun, move, outcome, trigger
from tests.support.domain_checks import SOURCE, assert_at_rest
from tests.support.domains import three_mags
from tests.support.plain_mag import PlainMag
from tests.support.simulated_agent import WALL_OFFSET
from tests.support.simulated_domain import SimulatedDomain
from tests.support.switch_simulator import Packet
from topology.model import LMA_SOURCE_MAC, MAG_LINK_LOCAL_ADDRESS
from topology.switch_names import LMA_SOURCE_PORT

ALL_ZERO = IPv6Network("::/0")
POOL = IPv6Network("2001:db8:200::/56")
OWN = IPv6Network("2001:db8:100:1::/64")
OTHER_INTERFACE = bytes.fromhex("020000000077")
IPV4_HOME_ADDRESS_REQUEST, IPV4_HOME_ADDRESS_REPLY, IPV4_DEFAULT_ROUTER = 36, 37, 38
"""RFC 5844 section 3.3."""
IPV4_HOME_ADDRESS = 29
"""RFC 5555 section 3.1.1."""
ANY_IPV4_ADDRESS = UnknownOption(option_type=OptionType(IPV4_HOME_ADDRESS_REQUEST), data=bytes(6))


def running() -> SimulatedDomain:
    """Both mobile nodes at mag1."""
    whole = three_mags("rfc")
    return begun(SimulatedDomain(replace(whole, lma=replace(whole.lma, home_network_prefix_pool=(POOL,)))))


def answers(domain: SimulatedDomain, mag_id: str) -> list[ProxyBindingAcknowledgement]:
    """The PBAs that it was sent."""
    sent = [carried.message for carried in domain.transport.sent("PBA") if carried.destination == mag_id]
    return [message for message in sent if isinstance(message, ProxyBindingAcknowledgement)]


def sessions(domain: SimulatedDomain, mn_id: str) -> dict[str, list[str]]:
    """MAG -> home network prefixes that are bound there."""
    bindings = [one for one in domain.lma.snapshot().bindings if one["mn_id"] == mn_id and one["state"] == "active"]
    return {one["mag"]: one["home_network_prefixes"] for one in bindings}


# --- handoff indicators -----------------------------------------------------------------------------------------------


def test_a_mag_of_another_make_says_what_our_mags_cannot_know() -> None:
    """Indicators 1 and 2 (RFC 5213 sections 5.4.1.2 and 8.4): an interface more, and then a move from one to the other."""
    domain = running()
    mag = PlainMag(domain, "mag3")
    mag.register(MN1, indicator=HandoffIndicator.NEW_INTERFACE, prefixes=(ALL_ZERO,), link_layer_id=OTHER_INTERFACE)
    domain.run_for(0.1)
    (first,) = answers(domain, "mag3")
    assert first.status == BindingStatus.ACCEPTED
    (assigned,) = home_network_prefixes(first)
    assert assigned.subnet_of(POOL)
    assert sessions(domain, MN1) == {"mag1": [str(OWN)], "mag3": [str(assigned)]}
    mag.register(MN1, 0, indicator=HandoffIndicator.UNKNOWN, prefixes=(assigned,), link_layer_id=OTHER_INTERFACE)
    domain.run_for(20.0)
    mag.register(MN1, indicator=HandoffIndicator.BETWEEN_INTERFACES, prefixes=(OWN,), link_layer_id=OTHER_INTERFACE)
    domain.run_for(0.1)
    assert answers(domain, "mag3")[-1].status == BindingStatus.ACCEPTED
    assert sessions(domain, MN1) == {"mag3": [str(OWN)]}


def test_our_mags_never_say_that_there_is_another_interface() -> None:
    """An MN is known by one link-layer address, so neither case can be determined (RFC 5213 section 6.9.1.1 rules 4, 5)."""
    domain = running()
    trigger(domain)
    domain.run_for(0.2)
    move(domain)
    domain.run_for(2.0)
    move(domain, "mag3", mn_id=MN2)
    domain.run_for(400.0)
    domain.detach(MN1)
    domain.run_for(20.0)
    updates = [*domain.transport.sent("PBU"), *domain.transport.sent("PBU 0")]
    said = [find_option(one.message, HandoffIndicatorOption) for one in updates]  # type: ignore[arg-type]
    assert {option.indicator for option in said if option is not None} == {
        HandoffIndicator.BETWEEN_MAGS_SAME_INTERFACE, HandoffIndicator.UNKNOWN, HandoffIndicator.REREGISTRATION,
    }
    assert None not in said


# --- timestamps, keys, addresses ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("registered", "status"), [
    (False, BindingStatus.TIMESTAMP_MISMATCH), (True, BindingStatus.TIMESTAMP_LOWER_THAN_PREV_ACCEPTED),
])
def test_a_timestamp_of_a_mobile_nodes_own_clock_is_judged_as_any_other(
    registered: bool, status: BindingStatus
) -> None:
    """MobileNodeGeneratedTimestampInUse is at its default, 0 (RFC 5213 section 9.3): the answer has the LMA's time."""
    domain = running()
    if not registered:
        domain.detach(MN1)
        domain.run_for(20.0)
    mag = PlainMag(domain, "mag3")
    before = sessions(domain, MN1)
    assert bool(before) is registered
    since_it_was_switched_on = 4711.0
    mag.register(MN1, stamp=since_it_was_switched_on)
    domain.run_for(0.1)
    (answer,) = answers(domain, "mag3")
    assert answer.status == status
    stamp = find_option(answer, Timestamp)
    assert stamp is not None
    assert abs(stamp.seconds - domain.clock.now - WALL_OFFSET) < 0.2
    assert sessions(domain, MN1) == before


def test_every_binding_has_the_domains_gre_key() -> None:
    """A MAG that would like one for each (RFC 5845 section 3) is told that none is needed (2), and whose packet it is the
    addresses say."""
    domain = running()
    mag = PlainMag(domain, "mag3")
    for number, mn_id in enumerate((MN1, MN2), start=1):
        mag.register(mn_id, more=(GreKey(key=number),))
    domain.run_for(0.1)
    given = answers(domain, "mag3")
    assert [answer.status for answer in given] == [BindingStatus.GRE_KEY_OPTION_NOT_REQUIRED] * 2
    assert [find_option(answer, GreKey) for answer in given] == [None, None]
    for mn_id in (MN1, MN2):
        home = domain.mobile_nodes[mn_id].profile.home_network_prefixes[0].network_address + 5
        packet = Packet(
            in_port=LMA_SOURCE_PORT, eth_destination=LMA_SOURCE_MAC, ipv6_source=SOURCE, ipv6_destination=home
        )
        ((_, copy),) = domain.switches["lma"].inject(packet)
        assert (copy.tunnel_destination, copy.tunnel_key) == (mag.mag.address, domain.domain.lma_gre_key)


def test_a_link_local_address_of_the_lmas_does_not_take_the_place_of_the_fixed_one() -> None:
    """RFC 5213 section 6.9.1.2 rule 15 is for domains that have no fixed one (section 6.8)."""
    domain = SimulatedDomain(three_mags())
    other = LinkLocalAddress(address=IPv6Address("fe80::1:2:3:4"))
    domain.transport.change("PBA", lambda message: replace(message, options=(*message.options, other)))
    domain.start()
    domain.attach(MN1, "mag1")
    domain.run_for(20.0)
    assert domain.agents["mag1"].core.snapshot().bindings[MN1] == "bound"
    assert domain.mobile_nodes[MN1].default_router == MAG_LINK_LOCAL_ADDRESS


# --- IPv4 -----------------------------------------------------------------------------------------------------------------


def test_who_asks_for_an_ipv4_home_address_is_bound_without_one() -> None:
    """RFC 5844 section 3.1: no reply option is the word that there is none; the session is one of IPv6."""
    domain = running()
    mag = PlainMag(domain, "mag3")
    mag.register(MN1, indicator=HandoffIndicator.BETWEEN_MAGS_SAME_INTERFACE, more=(ANY_IPV4_ADDRESS,))
    domain.run_for(0.1)
    (answer,) = answers(domain, "mag3")
    assert answer.status == BindingStatus.ACCEPTED
    kinds = {int(option.option_type) for option in answer.options if isinstance(option, UnknownOption)}
    assert kinds.isdisjoint({IPV4_HOME_ADDRESS_REQUEST, IPV4_HOME_ADDRESS_REPLY, IPV4_DEFAULT_ROUTER})
    assert sessions(domain, MN1) == {"mag3": [str(OWN)]}


def test_an_ipv4_home_address_in_a_context_does_not_keep_the_rest_from_moving() -> None:
    """RFC 5949 section 4.3."""
    domain = running()
    address = UnknownOption(option_type=OptionType(IPV4_HOME_ADDRESS), data=bytes.fromhex("8000c0000201"))

    def with_address(message: Any) -> HandoverInitiate:
        return replace(message, options=(*message.options, address))

    domain.transport.change("HI context", with_address)
    handover_id = trigger(domain)
    domain.run_for(0.2)
    move(domain)
    domain.run_for(25.0)
    assert outcome(domain, handover_id) == ("completed", None)
    updates = [carried.message for carried in domain.transport.sent("PBU", "mag2")]
    assert all(isinstance(one, ProxyBindingUpdate) and home_network_prefixes(one) == (OWN,) for one in updates)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


# --- subscription queries ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [MobilityHeaderType.SUBSCRIPTION_QUERY, MobilityHeaderType.SUBSCRIPTION_RESPONSE])
@pytest.mark.parametrize(("source", "target"), [("lma", "mag1"), ("mag2", "mag1"), ("mag1", "lma")])
def test_a_subscription_query_is_answered_as_any_unknown_type(source: str, target: str, kind: MobilityHeaderType) -> None:
    """RFC 7161 section 4.4 is a MAY: the p-MAG hands the state over itself. RFC 6275 section 9.2: a Binding Error."""
    domain = running()
    addresses = {mag.id: mag.address for mag in domain.domain.mags} | {"lma": domain.domain.lma.address}
    picture = domain.agents["mag1"].core.snapshot()
    message = UnknownMobilityMessage(message_type=kind, data=bytes(10))
    domain.transport.send(source, addresses[target], encode_mobility(message, addresses[source], addresses[target]))
    domain.run_for(0.5)
    errors = [carried for carried in domain.transport.carried if isinstance(carried.message, BindingError)]
    assert [(carried.source, carried.destination) for carried in errors] == [(target, source)]
    assert errors[0].message.status == BindingErrorStatus.UNRECOGNIZED_MH_TYPE  # type: ignore[union-attr]
    assert domain.agents["mag1"].core.snapshot() == picture
    assert_at_rest(domain, {MN1: "mag1", MN2: "mag1"})
