# SPDX-License-Identifier: Apache-2.0
"""The reconciler against a simulated switch: what is sent, what is told, and that others' traffic is left alone."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from southbound.openflow.changes import (
    AddFlow,
    AddGroup,
    DeleteFlow,
    DeleteGroup,
    InsertBuckets,
    RemoveBucket,
    ReplaceGroup,
)
from southbound.openflow.compiler import compile_intent
from southbound.openflow.intents import (
    ForwardingIntent,
    LmaTunnel,
    Output,
    PeerTunnel,
    Replication,
    SwitchRole,
    ToAccess,
    ToHandoverBuffer,
    ToMag,
)
from southbound.openflow.reconciler import (
    Batch,
    Confirmed,
    Failed,
    Incomplete,
    Outcome,
    Reconciler,
    ResyncRequired,
    State,
)
from southbound.openflow.rules import (
    FlowRule,
    Group,
    Match,
    OpenFlowInvariantError,
    SwitchRules,
)
from tests.support.switch_simulator import SwitchSimulator

ROLE = SwitchRole(name="mag1", kind="mag", lma_gre_key=1, mag_gre_key=2, access_mac=bytes.fromhex("02ca57ffff01"))
PORTS = {"lma0": 1, "mag0": 2, "hob0": 3, "mn1": 4, "mn2": 5}
GROUPS = [IPv6Address(f"ff1e::{100 + index}") for index in range(1, 4)]
NATIVE = LmaTunnel(IPv6Address("2001:db8:ff::1"))
PEER = PeerTunnel(IPv6Address("2001:db8:ff::12"), 2)
NEW_MAG = ToMag(IPv6Address("2001:db8:ff::13"))


def intent(*outputs: Output, group: IPv6Address = GROUPS[0]) -> ForwardingIntent:
    return ForwardingIntent(
        replications=frozenset(
            {Replication(ingress=NATIVE, source=None, group=group, outputs=frozenset(outputs))}
        )
    )


def compiled(wanted: ForwardingIntent) -> SwitchRules:
    return compile_intent(wanted, ROLE)


def the_batch(outcomes: list[Outcome]) -> Batch:
    [batch] = [outcome for outcome in outcomes if isinstance(outcome, Batch)]
    return batch


def settled(*outputs: Output) -> tuple[Reconciler, SwitchSimulator]:
    """A reconciler whose generation 1 is confirmed, and the switch."""
    reconciler, switch = Reconciler(ROLE), SwitchSimulator()
    reconciler.connected(PORTS, SwitchRules(), 0.0)
    batch = the_batch(reconciler.want(intent(*outputs), 1, 0.0))
    switch.apply_bundle(batch.changes)
    assert reconciler.batch_confirmed(batch.batch_id, 0.1) == [Confirmed(generation=1)]
    return reconciler, switch


class TestWant:
    def test_equal_want_is_confirmed_at_once(self) -> None:
        reconciler, _ = settled(ToAccess("mn1"))
        assert reconciler.want(intent(ToAccess("mn1")), 2, 1.0) == [Confirmed(generation=2)]
        assert reconciler.want(intent(ToAccess("mn1")), 2, 1.0) == []

    def test_first_batch_is_a_bundle_with_groups_before_flows(self) -> None:
        reconciler = Reconciler(ROLE)
        assert reconciler.connected(PORTS, SwitchRules(), 0.0) == []
        batch = the_batch(reconciler.want(intent(ToAccess("mn1")), 1, 0.0))
        assert batch.needs_bundle
        assert [type(change) for change in batch.changes] == [AddGroup, *[AddFlow] * 4]

    def test_one_listener_more_or_less_is_one_bucket_and_no_bundle(self) -> None:
        reconciler, switch = settled(ToAccess("mn1"))
        batch = the_batch(reconciler.want(intent(ToAccess("mn1"), NEW_MAG), 2, 1.0))
        assert not batch.needs_bundle
        [inserted] = batch.changes
        assert isinstance(inserted, InsertBuckets)
        switch.apply_bundle(batch.changes)
        assert reconciler.batch_confirmed(batch.batch_id, 1.1) == [Confirmed(generation=2)]
        [removed] = the_batch(reconciler.want(intent(ToAccess("mn1")), 3, 2.0)).changes
        assert removed == RemoveBucket(group_id=inserted.group_id, bucket_id=inserted.buckets[0].bucket_id)

    def test_who_comes_together_is_placed_by_kind(self) -> None:
        """Buckets into tunnels are the last of their group, whatever came before (`Bucket.place`)."""
        reconciler, _ = settled(ToAccess("mn1"), NEW_MAG)
        others = (ToMag(IPv6Address("2001:db8:ff::14")), ToMag(IPv6Address("2001:db8:ff::15")), ToAccess("mn2"))
        batch = the_batch(reconciler.want(intent(ToAccess("mn1"), NEW_MAG, *others), 2, 1.0))
        kinds = [[bucket.tunnelled for bucket in change.buckets] for change in batch.changes
                 if isinstance(change, InsertBuckets)]
        assert kinds == [[False], [True, True]]

    def test_flows_go_before_their_groups(self) -> None:
        reconciler, _ = settled(ToAccess("mn1"))
        batch = the_batch(reconciler.want(ForwardingIntent(), 2, 1.0))
        assert [type(change) for change in batch.changes] == [DeleteFlow, DeleteFlow, DeleteGroup]

    def test_wants_under_way_coalesce_to_the_newest(self) -> None:
        reconciler, switch = settled(ToAccess("mn1"))
        first = the_batch(reconciler.want(intent(ToAccess("mn1"), NEW_MAG), 2, 1.0))
        assert reconciler.want(intent(ToAccess("mn2"), NEW_MAG), 3, 1.0) == []
        assert reconciler.want(intent(NEW_MAG), 4, 1.0) == []
        switch.apply_bundle(first.changes)
        told, second = reconciler.batch_confirmed(first.batch_id, 1.1)
        assert told == Confirmed(generation=2)
        assert isinstance(second, Batch)
        assert [type(change) for change in second.changes] == [RemoveBucket]
        assert reconciler.batch_confirmed(second.batch_id, 1.2) == [Confirmed(generation=4)]

    def test_want_that_equals_what_is_under_way(self) -> None:
        reconciler, _ = settled(ToAccess("mn1"))
        batch = the_batch(reconciler.want(intent(NEW_MAG), 2, 1.0))
        reconciler.want(intent(NEW_MAG), 3, 1.0)
        assert reconciler.batch_confirmed(batch.batch_id, 1.1) == [Confirmed(generation=2), Confirmed(generation=3)]

    def test_generation_does_not_go_back(self) -> None:
        reconciler, _ = settled()
        with pytest.raises(OpenFlowInvariantError, match="generation 0 after 1"):
            reconciler.want(intent(), 0, 1.0)


class TestConnection:
    def test_want_without_switch_fails_and_is_carried_out_later(self) -> None:
        reconciler = Reconciler(ROLE)
        [failed] = reconciler.want(intent(ToAccess("mn1")), 1, 0.0)
        assert failed == Failed(generation=1, reason="switch is not connected")
        batch = the_batch(reconciler.connected(PORTS, SwitchRules(), 5.0))
        assert reconciler.batch_confirmed(batch.batch_id, 5.1) == [Confirmed(generation=1)]

    def test_before_the_first_want_nothing_is_taken_away(self) -> None:
        reconciler = Reconciler(ROLE)
        serving = compiled(intent(ToAccess("mn1")))
        assert reconciler.connected(PORTS, serving, 0.0) == []
        assert reconciler.want(intent(ToAccess("mn1")), 1, 1.0) == [Confirmed(generation=1)]
        assert reconciler.counters["batches"] == 0

    def test_resync_repairs_only_what_differs(self) -> None:
        reconciler, switch = settled(ToAccess("mn1"), ToAccess("mn2"))
        assert reconciler.disconnected() == []
        wanted = switch.rules()
        [group] = wanted.groups
        lost = min(group.buckets, key=lambda bucket: bucket.bucket_id)
        flow = next(flow for flow in wanted.flows if flow.groups())
        stray_flow = FlowRule(table_id=7, priority=3, match=Match(unknown=(("vlan_vid", 1),)))
        stray_group = Group(group_id=0x80000005)
        observed = SwitchRules(
            flows=wanted.flows - {flow} | {replace(flow, actions=()), stray_flow},
            groups=frozenset({replace(group, buckets=group.buckets - {lost}), stray_group}),
        )
        changes = the_batch(reconciler.connected(PORTS, observed, 10.0)).changes
        assert changes == (
            InsertBuckets(group_id=group.group_id, buckets=(lost,)),
            AddFlow(flow=flow),
            DeleteFlow(flow=stray_flow),
            DeleteGroup(group_id=stray_group.group_id),
        )

    def test_group_of_another_type_is_replaced(self) -> None:
        reconciler, switch = settled(ToAccess("mn1"))
        reconciler.disconnected()
        [group] = switch.rules().groups
        observed = replace(switch.rules(), groups=frozenset({replace(group, type_all=False)}))
        assert the_batch(reconciler.connected(PORTS, observed, 1.0)).changes == (ReplaceGroup(group=group),)

    def test_disconnected_under_way(self) -> None:
        reconciler, switch = settled(ToAccess("mn1"))
        batch = the_batch(reconciler.want(intent(NEW_MAG), 2, 1.0))
        assert reconciler.disconnected() == [Failed(generation=2, reason="switch disconnected")]
        assert reconciler.next_deadline() is None
        assert reconciler.batch_confirmed(batch.batch_id, 1.1) == []
        assert (reconciler.counters["batch_abandoned"], reconciler.counters["late_result"]) == (1, 1)
        switch.apply_bundle(batch.changes)  # it had arrived after all
        assert reconciler.connected(PORTS, switch.rules(), 2.0) == [Confirmed(generation=2)]


class TestFailure:
    def test_refusal_is_told_and_the_switch_is_read_again(self) -> None:
        reconciler, switch = settled(ToAccess("mn1"))
        batch = the_batch(reconciler.want(intent(NEW_MAG), 2, 1.0))
        assert reconciler.batch_failed(batch.batch_id, "GROUP_MOD_FAILED code 3", 1.1) == [
            Failed(generation=2, reason="GROUP_MOD_FAILED code 3"),
            ResyncRequired(reason="GROUP_MOD_FAILED code 3"),
        ]
        again = the_batch(reconciler.connected(PORTS, switch.rules(), 1.2))
        assert again.changes == batch.changes
        assert reconciler.batch_confirmed(again.batch_id, 1.3) == [Confirmed(generation=2)]

    def test_repeated_refusal_waits_longer_each_time_up_to_a_limit(self) -> None:
        reconciler, switch = settled(ToAccess("mn1"))
        batch = the_batch(reconciler.want(intent(NEW_MAG), 2, 0.0))
        now, waits = 0.0, []
        for _ in range(8):
            outcomes = reconciler.batch_failed(batch.batch_id, "full", now)
            if not any(isinstance(outcome, ResyncRequired) for outcome in outcomes):
                deadline = reconciler.next_deadline()
                assert deadline is not None
                assert reconciler.tick(deadline - 0.001) == []
                waits.append(deadline - now)
                now = deadline
                assert reconciler.tick(now) == [ResyncRequired(reason="retry after a refusal")]
            batch = the_batch(reconciler.connected(PORTS, switch.rules(), now))
        assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]

    def test_new_want_ends_the_wait(self) -> None:
        reconciler, switch = settled(ToAccess("mn1"))
        batch = the_batch(reconciler.want(intent(NEW_MAG), 2, 0.0))
        reconciler.batch_failed(batch.batch_id, "full", 0.0)
        batch = the_batch(reconciler.connected(PORTS, switch.rules(), 0.0))
        reconciler.batch_failed(batch.batch_id, "full", 0.0)
        assert reconciler.state is State.DOUBTFUL
        assert reconciler.want(intent(NEW_MAG), 3, 0.1) == []
        [read] = reconciler.want(intent(ToAccess("mn1")), 4, 0.1)
        assert isinstance(read, ResyncRequired)
        assert reconciler.connected(PORTS, switch.rules(), 0.2) == [Confirmed(generation=4)]

    def test_no_barrier_reply(self) -> None:
        reconciler, _ = settled(ToAccess("mn1"))
        batch = the_batch(reconciler.want(intent(NEW_MAG), 2, 1.0))
        assert reconciler.next_deadline() == 3.0
        assert reconciler.tick(2.9) == []
        told, read = reconciler.tick(3.0)
        assert told == Failed(generation=2, reason="no barrier reply within 2.0 s")
        assert isinstance(read, ResyncRequired)
        assert reconciler.batch_confirmed(batch.batch_id, 3.1) == []
        # The reader does not answer either: it is asked again.
        assert reconciler.tick(5.0) == [ResyncRequired(reason="asked again")]


class TestPorts:
    def test_missing_port_is_named_the_rest_goes_in_and_the_port_is_awaited(self) -> None:
        reconciler, switch = Reconciler(ROLE), SwitchSimulator()
        without = {name: number for name, number in PORTS.items() if name != "mn1"}
        reconciler.connected(without, SwitchRules(), 0.0)
        batch = the_batch(reconciler.want(intent(ToAccess("mn1"), ToAccess("mn2")), 1, 0.0))
        switch.apply_bundle(batch.changes)
        [told] = reconciler.batch_confirmed(batch.batch_id, 0.1)
        assert told == Incomplete(generation=1, missing_ports=frozenset({"mn1"}))
        batch = the_batch(reconciler.ports_changed(PORTS, 1.0))
        assert [type(change) for change in batch.changes] == [InsertBuckets]
        switch.apply_bundle(batch.changes)
        assert reconciler.batch_confirmed(batch.batch_id, 1.1) == [Confirmed(generation=1)]
        assert switch.rules() == compiled(intent(ToAccess("mn1"), ToAccess("mn2")))

    def test_missing_ingress_port(self) -> None:
        reconciler = Reconciler(ROLE)
        reconciler.connected({"mn1": 4}, SwitchRules(), 0.0)
        batch = the_batch(reconciler.want(intent(ToAccess("mn1")), 1, 0.0))
        [told] = reconciler.batch_confirmed(batch.batch_id, 0.1)
        assert told == Incomplete(generation=1, missing_ports=frozenset({"lma0"}))
        [added] = the_batch(reconciler.ports_changed(PORTS, 1.0)).changes
        assert isinstance(added, AddFlow)
        assert added.flow.match.in_port == "lma0"

    def test_renumbered_port_gets_a_new_bucket_and_loses_the_old(self) -> None:
        reconciler, _ = settled(ToAccess("mn1"))
        batch = the_batch(reconciler.ports_changed({**PORTS, "mn1": 9}, 1.0))
        assert [type(change) for change in batch.changes] == [RemoveBucket, InsertBuckets]
        assert batch.ports["mn1"] == 9

    def test_vanished_ports_rules_go(self) -> None:
        reconciler, _ = settled(ToAccess("mn1"))
        without = {name: number for name, number in PORTS.items() if name not in {"mn1", "lma0"}}
        batch = the_batch(reconciler.ports_changed(without, 1.0))
        assert [type(change) for change in batch.changes] == [RemoveBucket, DeleteFlow]
        deleted = batch.changes[1]
        assert isinstance(deleted, DeleteFlow)
        assert deleted.flow.match.in_port == "#1"
        [told] = reconciler.batch_confirmed(batch.batch_id, 1.1)
        assert told == Incomplete(generation=1, missing_ports=frozenset({"mn1", "lma0"}))

    def test_port_renumbered_while_a_batch_is_under_way(self) -> None:
        reconciler, _ = settled(ToAccess("mn1"))
        batch = the_batch(reconciler.want(intent(ToAccess("mn1"), ToAccess("mn2")), 2, 1.0))
        assert reconciler.ports_changed({**PORTS, "mn2": 9}, 1.0) == []
        second = the_batch(reconciler.batch_confirmed(batch.batch_id, 1.1))
        assert [type(change) for change in second.changes] == [RemoveBucket, InsertBuckets]
        assert reconciler.batch_confirmed(second.batch_id, 1.2) == [Confirmed(generation=2)]

    def test_other_ports_do_not_matter(self) -> None:
        reconciler, _ = settled(ToAccess("mn1"))
        assert reconciler.ports_changed({**PORTS, "mn9": 77}, 1.0) == []


def test_many_listeners_do_not_make_a_message_too_long() -> None:
    ports = {**PORTS, **{f"mn{index}": 100 + index for index in range(3, 1003)}}
    reconciler, switch = Reconciler(ROLE), SwitchSimulator()
    reconciler.connected(ports, SwitchRules(), 0.0)
    wanted = intent(*(ToAccess(f"mn{index}") for index in range(1, 1003)))
    batch = the_batch(reconciler.want(wanted, 1, 0.0))
    sizes = [len(change.buckets) for change in batch.changes if isinstance(change, InsertBuckets)]
    assert sizes == [256, 256, 234]
    switch.apply_bundle(batch.changes)
    assert switch.rules() == compiled(wanted)


OUTPUTS: st.SearchStrategy[Output] = st.sampled_from(
    [ToAccess("mn1"), ToAccess("mn2"), NEW_MAG, ToHandoverBuffer(), ToMag(PEER.peer)]
)
REPLICATIONS = st.builds(
    Replication,
    ingress=st.sampled_from([NATIVE, PEER]),
    source=st.sampled_from([None, IPv6Address("2001:db8:c0::10")]),
    group=st.sampled_from(GROUPS),
    outputs=st.frozensets(OUTPUTS),
)
INTENTS = st.lists(
    REPLICATIONS, max_size=8, unique_by=lambda entry: (str(entry.ingress), str(entry.source), str(entry.group))
).map(lambda entries: ForwardingIntent(replications=frozenset(entries)))
EVENTS = st.one_of(
    INTENTS,
    st.sampled_from(["confirm", "refuse", "tick", "reconnect", "disconnect"]),
    st.frozensets(st.sampled_from(sorted(PORTS))).map(lambda names: {name: PORTS[name] for name in names}),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(EVENTS, max_size=25))
def test_whatever_happens_the_switch_ends_with_what_is_wanted(events: list[object]) -> None:
    """Wants, refusals, losses of connection and of ports in any order; the simulated switch refuses what is wrong."""
    reconciler, switch = Reconciler(ROLE), SwitchSimulator()
    ports, pending, now, generation = PORTS, [], 0.0, 0
    outcomes: list[Outcome] = reconciler.connected(ports, switch.rules(), now)
    last: ForwardingIntent | None = None

    def take(new: list[Outcome]) -> None:
        outcomes.extend(new)
        pending.extend(outcome for outcome in new if isinstance(outcome, Batch))

    for event in [*events, PORTS, "reconnect", *["confirm"] * 3]:
        now += 0.01
        if isinstance(event, ForwardingIntent):
            generation, last = generation + 1, event
            take(reconciler.want(event, generation, now))
        elif isinstance(event, dict):
            ports = event
            # A simulated switch has names instead of numbers: its rules stay as they are and are read again.
            take(reconciler.connected(ports, switch.rules(), now))
        elif event == "confirm" and pending:
            batch = pending.pop(0)
            if batch is reconciler._batch:
                switch.apply_bundle(batch.changes)
            take(reconciler.batch_confirmed(batch.batch_id, now))
        elif event == "refuse" and pending:
            take(reconciler.batch_failed(pending.pop(0).batch_id, "refused", now))
        elif event == "tick":
            deadline = reconciler.next_deadline()
            now = now if deadline is None else max(now, deadline)
            take(reconciler.tick(now))
        elif event == "disconnect":
            take(reconciler.disconnected())
        elif event == "reconnect":
            pending.clear()
            take(reconciler.connected(ports, switch.rules(), now))
    if last is None:
        assert switch.rules() == SwitchRules()
    else:
        assert switch.rules() == compiled(last)
        assert Confirmed(generation=generation) in outcomes
        assert reconciler.state is State.READY
