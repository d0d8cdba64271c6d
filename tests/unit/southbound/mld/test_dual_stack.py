# SPDX-License-Identifier: Apache-2.0
"""Both families through one face: what is of which, limits of both together, contexts of both."""

from __future__ import annotations

from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st

from southbound.codec.iana import Mldv2RecordType, MulticastPayload
from southbound.codec.igmp import Igmpv2Leave, Igmpv2Query, Igmpv2Report, Igmpv3Query, Igmpv3Report
from southbound.codec.mld import Mldv2Query, Mldv2Report
from southbound.codec.options import encode_options
from southbound.codec.records import MulticastAddressRecord
from southbound.mld.context import (
    active_multicast_subscriptions,
    memberships_from_records,
    records_from_memberships,
)
from southbound.mld.context_options import context_messages
from southbound.mld.dual_stack import DualStackHost, DualStackRouter
from southbound.mld.effects import MembershipChanged, SendGeneralQuery
from southbound.mld.membership import FilterMode, GroupMembership, group_order
from southbound.mld.parameters import MldParameters

G6, G4 = ip_address("ff1e::101"), ip_address("239.1.1.1")
TO_EX = Mldv2RecordType.CHANGE_TO_EXCLUDE_MODE


def exclude(group: object) -> GroupMembership:
    return GroupMembership(group=ip_address(str(group)), filter_mode=FilterMode.EXCLUDE)


def record(group: str) -> MulticastAddressRecord:
    return MulticastAddressRecord(record_type=TO_EX, group=ip_address(group))


def test_each_family_asks_and_hears_by_itself() -> None:
    router = DualStackRouter(MldParameters())
    assert [(version, type(effect)) for version, effect in router.start(0.0)] == [
        (4, SendGeneralQuery), (6, SendGeneralQuery),
    ]
    changed = router.hear(Igmpv3Report(records=(record("239.1.1.1"),)), 1.0)
    assert changed == [(4, MembershipChanged(memberships=(exclude(G4),)))]
    router.hear(Mldv2Report(records=(record("ff1e::101"),)), 1.0)
    assert router.memberships() == (exclude(G4), exclude(G6))
    assert router.hear(Igmpv3Query(), 1.0) is None
    assert router.hear(Mldv2Query(), 1.0) is None


def test_igmp_version_2_is_what_mldv1_is() -> None:
    router = DualStackRouter(MldParameters())
    router.hear(Igmpv2Report(group=G4), 0.0)  # type: ignore[arg-type]
    assert router.memberships() == (exclude(G4),)
    router.hear(Igmpv2Leave(group=G4), 1.0)  # type: ignore[arg-type]
    router.tick(3.0)
    assert router.memberships() == ()


def test_the_limit_is_of_both_families_together() -> None:
    router = DualStackRouter(MldParameters(groups_max=3))
    router.hear(Igmpv3Report(records=tuple(record(f"239.1.1.{n}") for n in range(1, 4))), 0.0)
    router.hear(Mldv2Report(records=(record("ff1e::1"), record("ff1e::2"))), 0.0)
    assert [str(one.group) for one in router.memberships()] == ["239.1.1.1", "ff1e::1", "ff1e::2"]


def test_a_host_reports_each_group_in_its_protocol() -> None:
    host = DualStackHost(lambda limit: limit / 2, MldParameters())
    assert host.listen("mn", [exclude(G6), exclude(G4)], 0.0) == [
        Igmpv3Report(records=(record("239.1.1.1"),)), Mldv2Report(records=(record("ff1e::101"),)),
    ]
    assert len(host.tick(0.5)) == 2
    host.heard(Igmpv2Query(maximum_response_delay_ms=1000), 1.0)
    assert host.tick(1.5) == [Igmpv2Report(group=G4)]  # type: ignore[arg-type]
    # An older IGMP querier says nothing of MLD.
    assert host.listen("mn", [], 2.0) == [
        Igmpv2Leave(group=G4),  # type: ignore[arg-type]
        Mldv2Report(records=(
            MulticastAddressRecord(record_type=Mldv2RecordType.CHANGE_TO_INCLUDE_MODE, group=G6),
        )),
    ]
    assert host.memberships() == ()


def memberships(groups_from: str, sources_from: str) -> st.SearchStrategy[GroupMembership]:
    source = st.integers(1, 250).map(lambda number: ip_address(sources_from) + number)
    return st.builds(
        GroupMembership,
        group=st.integers(1, 200).map(lambda number: ip_address(groups_from) + number),
        filter_mode=st.just(FilterMode.INCLUDE),
        sources=st.frozensets(source, min_size=1, max_size=40),
    )


CONTEXTS = st.lists(
    memberships("239.1.1.0", "192.0.2.0") | memberships("ff1e::", "2001:db8::"),
    max_size=60, unique_by=lambda one: one.group,
)


@given(CONTEXTS)
def test_a_context_goes_in_messages_that_hold_it_all(wanted: list[GroupMembership]) -> None:
    messages = context_messages(wanted)
    carried = [record for message in messages for option in message for record in option.records]
    read, passed_over = memberships_from_records(carried, groups_max=100)
    assert passed_over == 0
    assert sorted(read, key=group_order) == sorted(wanted, key=group_order)
    for message in messages:
        codes = [option.option_code for option in message]
        assert codes in ([MulticastPayload.MLDV2], [MulticastPayload.IGMPV3],
                         [MulticastPayload.MLDV2, MulticastPayload.IGMPV3])
        # Not longer than one option alone may be, so that the message fits the smallest IPv6 path.
        assert len(encode_options(message, start=12)) <= 1020 + 2 * 16


@given(CONTEXTS)
def test_a_binding_update_names_each_group_by_the_option_of_its_family(wanted: list[GroupMembership]) -> None:
    options = active_multicast_subscriptions(wanted)
    assert {(int(option.TYPE), option.record.group.version) for option in options} <= {(56, 4), (57, 6)}
    records = [option.record for option in options]
    assert {one.group for one in records} == {one.group for one in records_from_memberships(wanted)}
