# SPDX-License-Identifier: Apache-2.0
"""A release is asked until it is done, or until the controller's guard must have done it."""

from __future__ import annotations

from southbound.agent.commands import CallController, ReleaseBuffer
from southbound.agent.releases import RETRIES_MAX, RETRY_AFTER_S, Releases
from southbound.rpc.methods import ReleaseForwarding

CALL = ReleaseForwarding(handover_id="ho1", mn_id="mn1@example.net", outcome="completed")
FREE = ReleaseBuffer(mn_id="mn1@example.net", handover_id="ho1")
NAME = "released mn1@example.net ho1"


def test_done_at_once() -> None:
    releases = Releases()
    assert releases.ask(CALL, FREE) == CallController(token=NAME, call=CALL)
    assert releases.next_deadline() is None
    assert releases.answered(NAME, None, 0.0) == [FREE]
    assert releases.answered(NAME, None, 0.0) == []
    assert releases.names() == ()


def test_asked_again_after_an_error() -> None:
    releases = Releases()
    releases.ask(CALL, FREE)
    assert releases.answered(NAME, "away", 10.0) == []
    assert releases.next_deadline() == 10.0 + RETRY_AFTER_S
    assert releases.tick(10.5) == []
    assert releases.tick(10.0 + RETRY_AFTER_S) == [CallController(token=NAME, call=CALL)]
    assert releases.tick(20.0) == [], "an answer is awaited"
    assert releases.answered(NAME, None, 20.0) == [FREE]


def test_given_up_in_the_end() -> None:
    releases = Releases()
    releases.ask(CALL, FREE)
    now = 0.0
    for _ in range(RETRIES_MAX):
        assert releases.answered(NAME, "away", now) == []
        now += RETRY_AFTER_S
        assert len(releases.tick(now)) == 1
    assert releases.answered(NAME, "away", now) == [FREE]
    assert releases.next_deadline() is None
