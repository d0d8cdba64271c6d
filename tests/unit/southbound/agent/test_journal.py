# SPDX-License-Identifier: Apache-2.0
"""The journal tells the story of a real handover, in both dialects, and bears what others send."""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from southbound.agent.commands import CallController, NotifyController, RecordFact, SendAccessFrame, SendMobilityHeader
from southbound.agent.events import (
    ControllerAnswered,
    LinkDown,
    LinkUp,
    MobilityHeaderReceived,
    StreamObserved,
)
from southbound.agent.handover_acknowledge import acknowledgement
from southbound.agent.handover_exchange import token
from southbound.agent.handover_initiate import completion, context_message
from southbound.agent.journal import NOTES_MAX, Journal
from southbound.codec.authenticator import append_authenticator
from southbound.codec.handover import Dialect
from southbound.codec.iana import HandoverAcknowledgeCode
from southbound.codec.mobility import encode_mobility
from southbound.mld.membership import FilterMode, GroupMembership
from southbound.mobility_authentication import MobilityAuthentication
from southbound.rpc import methods
from tests.support.domains import three_mags

DIALECTS = ("draft", "rfc")
DOMAINS = {dialect: three_mags(dialect) for dialect in DIALECTS}
MN = DOMAINS["rfc"].mobile_nodes[0]
GROUPS = (GroupMembership(group=IPv6Address("ff1e::101"), filter_mode=FilterMode.EXCLUDE),)
HANDOVER = "ho-1"


def journal_of(dialect: str, index: int) -> Journal:
    domain = DOMAINS[dialect]
    return Journal(domain, domain.mags[index])


def context(dialect: str, sequence: int = 7) -> Any:
    return context_message(
        Dialect(dialect), sequence, mn_id=MN.id, handover_id=HANDOVER, prefixes=MN.home_network_prefixes,
        lma_address=DOMAINS[dialect].lma.address, link_layer_id=MN.link_layer_id, memberships=GROUPS,
    )


@pytest.mark.parametrize("dialect", DIALECTS)
def test_messages_of_both_ways_belong_to_their_handover(dialect: str) -> None:
    domain = DOMAINS[dialect]
    mag1, mag2 = domain.mags[0], domain.mags[1]
    request = context(dialect)
    answer = acknowledgement(request, HandoverAcknowledgeCode.CONTEXT_TRANSFER_ACCEPTED)
    sent = encode_mobility(request, mag1.address, mag2.address)
    received = encode_mobility(answer, mag2.address, mag1.address)
    journal = journal_of(dialect, 0)
    journal.note(SendMobilityHeader(header=sent, destination=mag2.address), 1.0)
    journal.note(SendMobilityHeader(header=sent, destination=mag2.address), 1.1)
    journal.note(MobilityHeaderReceived(header=received, source=mag2.address), 1.2)
    journal.write_up()
    told = journal.memory.of(HANDOVER)
    assert [(fact.at, fact.name) for fact in told] == [
        (1.0, "handover_initiate_sent"), (1.1, "handover_initiate_sent"), (1.2, "handover_acknowledge_received"),
    ]
    assert all(fact.fields["handover_id"] == HANDOVER and fact.fields["mn_id"] == MN.id for fact in told)
    assert (told[0].fields["purpose"], told[0].fields["to"], told[0].fields["groups"]) == ("context", mag2.id, 1)
    assert "repeated" not in told[0].fields
    assert told[1].fields["repeated"]
    assert (told[2].fields["code"], told[2].fields["sequence"]) == (5, 7)
    assert journal.messages == {"sent_handover_initiate_context": 2, "received_handover_acknowledge_5": 1}


def test_a_message_without_its_authenticator_is_not_told() -> None:
    """Whoever forges one must not write into the story of a handover either; what is signed is told as ever."""
    domain = DOMAINS["rfc"]
    mag1, mag2 = domain.mags[0], domain.mags[1]
    authentication = MobilityAuthentication(own=mag2.address, keys={mag1.address: (bytes(32),)})
    journal = Journal(domain, mag2, authentication)
    bare = encode_mobility(context("rfc"), mag1.address, mag2.address)
    signed = append_authenticator(bare, mag1.address, mag2.address, bytes(32))
    journal.note(MobilityHeaderReceived(header=bare, source=mag1.address), 1.0)
    assert journal.write_up() == []
    assert journal.messages == {}
    journal.note(MobilityHeaderReceived(header=signed, source=mag1.address), 1.1)
    assert [fact.name for fact in journal.write_up()] == ["handover_initiate_received"]


def test_what_names_only_its_mobile_node_belongs_to_its_latest_handover() -> None:
    journal = journal_of("rfc", 1)
    port = MN.access_port()
    step = methods.StepReached(handover_id=HANDOVER, mn_id=MN.id, step=3, name="HAck", at=1.0, detail="x")
    for at, what in enumerate((
        LinkDown(port=port), NotifyController(call=step), LinkUp(port=port),
        StreamObserved(mn_id=MN.id, what="delivery", detail="3 buffered"),
        RecordFact(name="clone_refused", fields={"mn_id": MN.id, "reason": "no"}),
        methods.BufferReport(handover_id=HANDOVER, mn_id=MN.id, counters={"delivered": 3, "late_dropped": 0}),
    )):
        journal.note(what, float(at))
    told = journal.write_up()
    assert [fact.name for fact in told] == [
        "link_down", "handover_step", "link_up", "delivery_begun", "clone_refused", "buffer_report",
    ]
    assert "handover_id" not in told[0].fields  # nothing was known of a handover yet
    assert [fact.name for fact in journal.memory.of(HANDOVER)] == [fact.name for fact in told[1:]]
    assert told[-1].fields == {"handover_id": HANDOVER, "mn_id": MN.id, "delivered": 3}


def test_calls_are_timed() -> None:
    journal = journal_of("rfc", 1)
    name = token("prepare", MN.id, HANDOVER)
    call = methods.PrepareForwarding(handover_id=HANDOVER, mn_id=MN.id, previous_mag="mag1", memberships=GROUPS)
    journal.note(CallController(token=name, call=call), 5.0)
    journal.note(ControllerAnswered(token=name, error="no switch"), 5.0125)
    asked, answered = journal.write_up()
    assert (asked.name, asked.fields["method"]) == ("controller_asked", "handover.prepare")
    rest = {name: answered.fields[name] for name in ("asked", "took_ms", "error")}
    assert rest == {"asked": "prepare", "took_ms": 12.5, "error": "no switch"}


def test_strangers_and_junk_are_no_part_of_a_story() -> None:
    domain = DOMAINS["rfc"]
    journal = journal_of("rfc", 0)
    good = encode_mobility(context("rfc"), domain.mags[1].address, domain.mags[0].address)
    journal.note(MobilityHeaderReceived(header=good, source=IPv6Address("2001:db8::bad")), 1.0)
    journal.note(MobilityHeaderReceived(header=good[:-1], source=domain.mags[1].address), 1.0)
    journal.note(LinkUp(port="eth7"), 1.0)
    journal.note(SendAccessFrame(port="mn1", frame=b""), 1.0)
    assert journal.write_up() == []
    assert not journal.messages


def test_a_flood_of_notes_is_counted_and_not_kept() -> None:
    journal = journal_of("rfc", 0)
    for _ in range(NOTES_MAX + 5):
        journal.note(LinkUp(port=MN.access_port()), 1.0)
    assert journal.left_out == 5
    told = 0
    while journal.waiting:
        told += len(journal.write_up(100))
    assert told == NOTES_MAX


def test_a_completed_handover_counts_by_purpose() -> None:
    domain = DOMAINS["draft"]
    journal = journal_of("draft", 1)
    message = completion(Dialect.DRAFT, 9, mn_id=MN.id, handover_id=HANDOVER)
    header = encode_mobility(message, domain.mags[0].address, domain.mags[1].address)
    journal.note(MobilityHeaderReceived(header=header, source=domain.mags[0].address), 1.0)
    (fact,) = journal.write_up()
    assert (fact.fields["purpose"], fact.fields["code"]) == ("completed", 3)
    assert journal.messages == {"received_handover_initiate_completed": 1}


@given(header=st.binary(max_size=80), index=st.integers(0, 2), peer=st.integers(0, 3))
def test_any_octets_of_a_peer_are_borne(header: bytes, index: int, peer: int) -> None:
    domain = DOMAINS["rfc"]
    source = domain.lma.address if peer == 3 else domain.mags[peer].address
    journal = journal_of("rfc", index)
    journal.note(MobilityHeaderReceived(header=header, source=source), 1.0)
    journal.write_up()
