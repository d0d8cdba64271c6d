# SPDX-License-Identifier: Apache-2.0
"""A MAG and its registrations (RFC 5213 section 6): one test a rule, with the real LMA on the other side where it can be.

docs/conformance/mag.md names them.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Network
from itertools import pairwise

import pytest

from southbound.codec.accessors import find_option, home_network_prefixes
from southbound.codec.binding import ProxyBindingUpdate
from southbound.codec.iana import HandoffIndicator
from southbound.codec.options import (
    AccessTechnologyTypeOption,
    GreKey,
    HandoffIndicatorOption,
    LinkLocalAddress,
    MobileNodeIdentifier,
    MobileNodeLinkLayerIdentifier,
    Timestamp,
)
from tests.scenario.binding_script import (
    ALL_ZERO,
    OWN,
    POOL,
    advertised,
    answer,
    counted,
    pooled,
    running,
    state,
    times,
    updates,
    with_nodes,
)
from tests.scenario.handover_script import MN1, MN2, move, trigger
from tests.support.domain_checks import assert_at_rest
from tests.support.domains import three_mags
from topology.model import Domain

SECOND = IPv6Network("2001:db8:100:9::/64")


def indicator(update: ProxyBindingUpdate) -> HandoffIndicator:
    option = find_option(update, HandoffIndicatorOption)
    assert option is not None
    return option.indicator


# --- what a PBU says (6.9.1.1, 6.9.1.5) -------------------------------------------------------------------------------


def test_initial_registration_has_every_mandatory_option() -> None:
    domain = running()
    (update,) = updates(domain)
    assert (update.acknowledge, update.proxy, update.home) == (True, True, False)
    assert home_network_prefixes(update) == (OWN,)
    assert indicator(update) is HandoffIndicator.UNKNOWN
    assert find_option(update, AccessTechnologyTypeOption) is not None
    assert find_option(update, MobileNodeLinkLayerIdentifier) is not None
    assert find_option(update, Timestamp) is not None
    # The address on the access link is the same everywhere (FixedMAGLinkLocalAddressOnAllAccessLinks).
    assert find_option(update, LinkLocalAddress) is None


def test_known_move_is_indicated_as_between_mags() -> None:
    domain = running()
    trigger(domain)
    domain.run_for(0.2)
    move(domain)
    domain.run_for(1.0)
    assert [indicator(update) for update in updates(domain, "mag2")] == [HandoffIndicator.BETWEEN_MAGS_SAME_INTERFACE]


def test_move_that_nobody_announced_is_indicated_as_unknown() -> None:
    domain = running()
    move(domain)
    domain.run_for(1.0)
    assert [indicator(update) for update in updates(domain, "mag2")] == [HandoffIndicator.UNKNOWN]
    assert domain.bound_at(MN1) == "mag2"


def test_several_prefixes_go_and_come_back_as_one_set() -> None:
    domain = running(with_nodes(
        lambda node: replace(node, home_network_prefixes=(OWN, SECOND)) if node.id == MN1 else node
    ))
    assert home_network_prefixes(updates(domain)[0]) == (OWN, SECOND)
    assert domain.mobile_nodes[MN1].prefixes == {OWN, SECOND}
    trigger(domain)
    domain.run_for(0.2)
    move(domain)
    domain.run_for(1.0)
    assert home_network_prefixes(updates(domain, "mag2")[0]) == (OWN, SECOND)
    domain.run_for(2.0)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_all_zero_prefix_comes_back_assigned_and_is_advertised() -> None:
    domain = running(pooled())
    assert home_network_prefixes(updates(domain)[0]) == (ALL_ZERO,)
    (assigned,) = domain.mobile_nodes[MN1].prefixes
    assert assigned.subnet_of(POOL)
    # A refresh, the next MAG and the de-registration name it (6.9.1.3, 6.9.1.4).
    domain.run_for(250.0)
    assert home_network_prefixes(updates(domain)[-1]) == (assigned,)
    trigger(domain)
    domain.run_for(0.2)
    move(domain)
    domain.run_for(1.0)
    assert home_network_prefixes(updates(domain, "mag2")[0]) == (assigned,)
    assert domain.mobile_nodes[MN1].prefixes == {assigned}
    domain.detach(MN1)
    domain.run_for(1.0)
    assert home_network_prefixes(updates(domain, "mag2", name="PBU 0")[0]) == (assigned,)


def test_prefix_of_the_pool_is_asked_for_anew_after_the_session() -> None:
    domain = running(pooled())
    domain.detach(MN1)
    domain.run_for(30.0)
    domain.attach(MN1, "mag1")
    domain.run_for(1.0)
    assert home_network_prefixes(updates(domain)[-1]) == (ALL_ZERO,)
    assert state(domain) == "bound"


@pytest.mark.parametrize("wanted", ["required", "not-required"])
def test_gre_key_option_is_there_where_the_domain_asks_for_it(wanted: str) -> None:
    domain = running(replace(three_mags(), gre_key_option=wanted))
    option = find_option(updates(domain)[0], GreKey)
    assert option == (GreKey(key=domain.domain.lma_gre_key) if wanted == "required" else None)
    assert state(domain) == "bound"
    assert counted(domain, "binding_gre_key_not_granted") == 0


def test_163_is_asked_once_more_with_the_gre_key() -> None:
    """An LMA of another make insists on the option (RFC 5845)."""
    domain = running()
    domain.detach(MN1)
    domain.run_for(0.1)
    answer(domain, 163)
    domain.attach(MN1, "mag2")
    domain.run_for(1.0)
    assert [find_option(update, GreKey) is not None for update in updates(domain, "mag2")] == [False, True]
    assert state(domain, "mag2") == "bound"


# --- retransmission, rate, order (6.9.4, 5.5) -------------------------------------------------------------------------


def test_retransmission_backs_off_from_1_to_32_seconds_with_fresh_stamps() -> None:
    domain = running()
    domain.transport.lose("PBU", 8, source="mag2")
    move(domain)
    domain.run_for(130.0)
    gaps = [later - earlier for earlier, later in pairwise(times(domain, "mag2"))]
    assert gaps == pytest.approx([1, 2, 4, 8, 16, 32, 32, 32], abs=0.01)
    stamps = [find_option(update, Timestamp) for update in updates(domain, "mag2")]
    units = [stamp.units for stamp in stamps if stamp is not None]
    assert units == sorted(set(units))
    assert len(units) == 9
    assert state(domain, "mag2") == "bound"


def test_nothing_is_retransmitted_for_a_mobile_node_that_has_left() -> None:
    domain = running()
    domain.transport.lose("PBU", 1000, source="mag2")
    move(domain)
    domain.run_for(4.0)
    sent = len(times(domain, "mag2"))
    domain.detach(MN1)
    domain.run_for(100.0)
    assert len(times(domain, "mag2")) == sent
    assert len(updates(domain, "mag2", name="PBU 0")) == 1
    assert state(domain, "mag2") is None


def test_no_more_than_three_updates_a_second_for_a_flapping_link() -> None:
    domain = running()
    domain.run_for(2.0)
    begin = domain.clock.now
    for _ in range(10):
        domain.detach(MN1)
        domain.run_for(0.02)
        domain.attach(MN1, "mag1")
        domain.run_for(0.02)
    domain.run_for(5.0)
    sent = [
        carried.at for name in ("PBU", "PBU 0") for carried in domain.transport.sent(name, "mag1")
        if carried.at > begin and MobileNodeIdentifier(identifier=MN1) in carried.message.options  # type: ignore[union-attr]
    ]
    assert all(sum(at <= other < at + 0.999 for other in sent) <= 3 for at in sent)
    assert counted(domain, "binding_update_deferred") > 0
    assert_at_rest(domain, {MN1: "mag1", MN2: "mag1"})


def by_number() -> Domain:
    return replace(three_mags(), binding_order="sequence-numbers")


def test_sequence_number_scheme_sends_no_timestamp_and_counts_for_each_mobile_node() -> None:
    domain = running(by_number())
    domain.run_for(250.0)
    for mn_id in (MN1, MN2):
        numbers = [update.sequence for update in updates(domain, mn_id=mn_id)]
        assert numbers == [1, 2]
        assert all(find_option(update, Timestamp) is None for update in updates(domain, mn_id=mn_id))
    assert state(domain) == "bound"


def test_135_is_asked_again_at_once_with_the_number_after_the_lmas() -> None:
    """The new MAG does not know the number of the one before: RFC 5949 moves none."""
    domain = running(by_number())
    domain.run_for(700.0)
    last = updates(domain)[-1].sequence
    assert last >= 3
    trigger(domain)
    domain.run_for(0.2)
    move(domain)
    domain.run_for(0.1)
    assert [update.sequence for update in updates(domain, "mag2")] == [1, last + 1]
    assert state(domain, "mag2") == "bound"
    domain.run_for(3.0)
    assert_at_rest(domain, {MN1: "mag2", MN2: "mag1"})


def test_one_mag_may_count_while_the_others_stamp() -> None:
    whole = three_mags()
    mags = tuple(replace(mag, binding_order="sequence-numbers") if mag.id == "mag2" else mag for mag in whole.mags)
    domain = running(replace(whole, mags=mags))
    for target in ("mag2", "mag3", "mag2"):
        trigger(domain, target)
        domain.run_for(0.2)
        move(domain, target)
        domain.run_for(3.0)
        assert_at_rest(domain, {MN1: target, MN2: "mag1"})
    assert all(find_option(update, Timestamp) is None for update in updates(domain, "mag2"))
    assert all(find_option(update, Timestamp) is not None for update in updates(domain, "mag3"))


# --- lifetimes (6.9.1.3, 6.13) ----------------------------------------------------------------------------------------


def test_binding_is_refreshed_before_its_lifetime_ends() -> None:
    domain = running()
    domain.run_for(2000.0)
    sent = [carried.at for carried in domain.transport.sent("PBU", "mag1")]
    assert max(later - earlier for earlier, later in pairwise(sorted(set(sent)))) < 300.0
    assert {indicator(update) for update in updates(domain)[1:]} == {HandoffIndicator.REREGISTRATION}
    assert state(domain) == "bound"


def test_an_entry_has_what_the_session_needs_later() -> None:
    """RFC 5213 section 6.1: the refresh is made of the entry alone, and what the LMA answers goes out at the MN's port."""
    domain = running()
    since = domain.clock.now
    domain.run_for(250.0)
    first, second = (one for one in domain.transport.sent("PBU", "mag1") if one.message in updates(domain))
    assert (first.destination, second.destination) == ("lma", "lma")
    own = next(node for node in domain.domain.mobile_nodes if node.id == MN1)
    for sent in (first, second):
        assert isinstance(sent.message, ProxyBindingUpdate)
        assert home_network_prefixes(sent.message) == own.home_network_prefixes == (OWN,)
        link_layer = find_option(sent.message, MobileNodeLinkLayerIdentifier)
        assert link_layer is not None
        assert link_layer.identifier == own.link_layer_id
        assert sent.message.lifetime_s == 300
    assert second.at - first.at == pytest.approx(240.0, abs=1.0)
    for mn_id in (MN1, MN2):
        node = domain.mobile_nodes[mn_id]
        assert node.prefixes == set(node.profile.home_network_prefixes)
    assert since < second.at
    domain.detach(MN1)
    assert domain.agents["mag1"].core.snapshot().attached == (MN2,)


def test_granted_lifetime_counts_not_the_one_that_was_asked_for() -> None:
    domain = running()
    domain.detach(MN1)
    domain.run_for(0.1)
    answer(domain, 0, lifetime_s=20)
    domain.attach(MN1, "mag2")
    domain.run_for(17.0)
    first, second = times(domain, "mag2")
    assert second - first == pytest.approx(16.0, abs=0.1)


def test_acceptance_for_no_time_at_all_is_no_binding() -> None:
    """Lifetime 0 in the answer to a registration: no service, no storm of PBUs."""
    domain = running()
    domain.detach(MN1)
    domain.run_for(0.1)
    answer(domain, 0, lifetime_s=0)
    since = domain.clock.now
    domain.attach(MN1, "mag2")
    domain.run_for(20.0)
    assert (state(domain, "mag2"), len(times(domain, "mag2"))) == ("refused", 1)
    assert not advertised(domain, since)
    domain.run_for(20.0)
    assert state(domain, "mag2") == "bound"
    assert advertised(domain, since)


def test_lifetime_that_ends_without_an_answer_withdraws_the_prefix() -> None:
    domain = running()
    domain.transport.lose("PBU", 1000, source="mag1")
    domain.run_for(320.0)
    assert state(domain) == "registering"
    assert counted(domain, "binding_lifetime_over") == 2
    assert domain.mobile_nodes[MN1].prefixes == set()
    domain.transport.fates.clear()
    domain.run_for(40.0)
    assert (state(domain), domain.mobile_nodes[MN1].prefixes) == ("bound", {OWN})


# --- going (6.9.1.4) --------------------------------------------------------------------------------------------------


def test_de_registration_names_the_prefixes_and_takes_its_entry_away() -> None:
    domain = running()
    domain.detach(MN1)
    domain.run_for(0.1)
    (update,) = updates(domain, name="PBU 0")
    assert (update.lifetime_s, home_network_prefixes(update), indicator(update)) == (0, (OWN,), HandoffIndicator.UNKNOWN)
    assert state(domain) is None


def test_unanswered_de_registration_is_sent_once_and_forgotten_after_the_timeout() -> None:
    domain = running()
    domain.transport.lose("PBU 0")
    domain.detach(MN1)
    domain.run_for(0.5)
    assert state(domain) == "deregistering"
    domain.run_for(1.0)
    assert (state(domain), len(updates(domain, name="PBU 0"))) == (None, 1)


@pytest.mark.parametrize("status", [128, 135, 154, 156, 157])
def test_refused_de_registration_is_over_too(status: int) -> None:
    domain = running()
    answer(domain, status)
    domain.detach(MN1)
    domain.run_for(10.0)
    assert (state(domain), len(updates(domain, name="PBU 0"))) == (None, 1)


def test_session_waits_min_delay_before_bce_delete_for_its_mobile_node() -> None:
    domain = running(pooled())
    (assigned,) = domain.mobile_nodes[MN1].prefixes
    domain.detach(MN1)
    domain.run_for(9.0)
    assert [binding["state"] for binding in domain.lma.snapshot().bindings if binding["mn_id"] == MN1] == ["pending_delete"]
    domain.attach(MN1, "mag2")
    domain.run_for(20.0)
    assert (domain.bound_at(MN1), domain.mobile_nodes[MN1].prefixes) == ("mag2", {assigned})
    domain.detach(MN1)
    domain.run_for(11.0)
    assert [binding for binding in domain.lma.snapshot().bindings if binding["mn_id"] == MN1] == []
