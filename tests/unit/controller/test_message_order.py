# SPDX-License-Identifier: Apache-2.0
"""The order of PBUs, by timestamps and by sequence numbers, and de-registration (RFC 5213 sections 5.5 and 5.3.5)."""

from __future__ import annotations

from ipaddress import IPv6Network

import pytest

from controller.binding_cache import BindingState
from southbound.codec.accessors import find_option
from southbound.codec.iana import HandoffIndicator
from southbound.codec.options import Timestamp
from tests.unit.controller.registration_script import MAG1, MAG2, MN1, NOW, OTHER_INTERFACE, WALL, Lma, answer_of, update

# --- order of messages ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sequence", "status"), [(0, 135), (15, 135), (16, 0), (32782, 0), (32783, 135), (65535, 135)]
)
def test_sequence_window_without_timestamps(sequence: int, status: int) -> None:
    """RFC 6275 section 9.5.1 with 15 as the last one accepted."""
    lma = Lma()
    assert lma.judge(update(sequence=15, stamp=None)).status == 0
    answer = answer_of(lma.judge(update(sequence=sequence, stamp=None)))
    assert answer.status == status
    assert answer.sequence == (15 if status else sequence)
    assert find_option(answer, Timestamp) is None


def test_sequence_numbers_are_those_of_a_session() -> None:
    """RFC 5213 section 5.5: maintained on a per mobility session basis."""
    lma = Lma()
    lma.judge(update(sequence=500, stamp=None))
    new = update(link_layer_id=OTHER_INTERFACE, prefix=IPv6Network("::/0"), handoff=HandoffIndicator.NEW_INTERFACE,
                 sequence=3, stamp=None)
    assert answer_of(lma.judge(new, MAG2)).status == 0
    answer = answer_of(lma.judge(update(sequence=400, stamp=None), MAG2))
    assert (answer.status, answer.sequence) == (135, 500)
    assert answer_of(lma.judge(update(sequence=501, stamp=None), MAG2)).status == 0


def test_timestamp_makes_the_sequence_number_irrelevant() -> None:
    lma = Lma()
    lma.judge(update(sequence=15))
    answer = answer_of(lma.judge(update(sequence=3, stamp=WALL + 1), at=WALL + 1))
    assert (answer.status, answer.sequence) == (0, 3)


@pytest.mark.parametrize(("offset_s", "status"), [(-0.31, 156), (-0.29, 0), (0.0, 0), (0.3, 0), (0.31, 156)])
def test_timestamp_validity_window(offset_s: float, status: int) -> None:
    answer = answer_of(Lma().judge(update(stamp=WALL + offset_s), at=WALL))
    assert answer.status == status
    if status:
        stamp = find_option(answer, Timestamp)
        assert stamp is not None
        assert stamp.seconds == WALL, "156 carries the LMA's own time"


def test_timestamp_lower_than_the_last_is_157_with_the_lmas_time() -> None:
    lma = Lma()
    lma.judge(update(stamp=WALL + 0.2))
    answer = answer_of(lma.judge(update(sequence=8, stamp=WALL + 0.1), MAG2, at=WALL + 0.15))
    assert answer.status == 157
    stamp = find_option(answer, Timestamp)
    assert stamp is not None
    assert stamp.units == Timestamp.from_seconds(WALL + 0.15).units
    entry = lma.cache.of_own_interface(MN1.id)
    assert entry is not None
    assert entry.mag_id == "mag1"


def test_a_repeated_pbu_gets_the_same_answer_and_changes_nothing() -> None:
    lma = Lma()
    first = lma.judge(update())
    before = lma.cache.of_own_interface(MN1.id)
    again = lma.judge(update(), at=WALL + 0.2)
    assert again.replayed
    assert again.entry is None
    assert again.acknowledgement == first.acknowledgement
    assert lma.cache.of_own_interface(MN1.id) is before


def test_an_equal_timestamp_in_another_pbu_is_156() -> None:
    lma = Lma()
    lma.judge(update())
    assert answer_of(lma.judge(update(sequence=8))).status == 156
    assert answer_of(lma.judge(update(), MAG2)).status == 156


# --- de-registration ------------------------------------------------------------------------------------------------


def test_de_registration_waits_before_it_deletes() -> None:
    lma = Lma()
    lma.judge(update())
    answer = answer_of(lma.judge(update(lifetime_s=0, stamp=WALL + 1), at=WALL + 1))
    assert (answer.status, answer.lifetime_s) == (0, 0)
    entry = lma.cache.of_own_interface(MN1.id)
    assert entry is not None
    assert (entry.state, entry.expires_at) == (BindingState.PENDING_DELETE, NOW + 1 + 10)
    assert lma.cache.serving_mag(MN1.id) is None
    assert lma.cache.expire(NOW + 10.9) == []
    assert [gone.mn_id for gone in lma.cache.expire(NOW + 11)] == [MN1.id]


def test_registration_during_the_wait_cancels_it() -> None:
    lma = Lma()
    lma.judge(update())
    lma.judge(update(lifetime_s=0, stamp=WALL + 1), at=WALL + 1)
    lma.judge(update(stamp=WALL + 2), MAG2, at=WALL + 2)
    assert lma.cache.serving_mag(MN1.id) == "mag2"


@pytest.mark.parametrize("stamp", [WALL - 1, WALL + 0.5, WALL + 1.1])
def test_de_registration_by_a_former_mag_is_not_answered(stamp: float) -> None:
    """RFC 5213 section 5.3.5: whatever its timestamp."""
    lma = Lma()
    lma.judge(update())
    lma.judge(update(stamp=WALL + 1), MAG2, at=WALL + 1)
    verdict = lma.judge(update(lifetime_s=0, stamp=stamp), MAG1, at=WALL + 1.1)
    assert (verdict.acknowledgement, verdict.entry) == (None, None)
    assert lma.cache.serving_mag(MN1.id) == "mag2"


@pytest.mark.parametrize("named", [MN1.home_network_prefixes[0], IPv6Network("::/0")])
def test_de_registration_of_nothing_is_silently_ignored(named: IPv6Network) -> None:
    """RFC 5213 sections 5.4.1.1 rule 6 and 5.4.1.2 rule 5."""
    lma = Lma()
    verdict = lma.judge(update(lifetime_s=0, prefix=named))
    assert (verdict.acknowledgement, verdict.entry) == (None, None)
    assert len(lma.cache) == 0
