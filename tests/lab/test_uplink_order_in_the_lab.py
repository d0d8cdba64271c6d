# SPDX-License-Identifier: Apache-2.0
"""The order of what a mobile node sends while it moves, in a lab where one MAG is further from the LMA than the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.capture import start_captures, stop_captures
from lab.requirements import missing_requirement
from tests.lab.test_unicast import (
    MN1,
    REQUEST,
    captured_at_every_port,
    domain_with_unicast,
    echoes,
    eventually,
    hand_over,
    reaches,
)

pytestmark = [
    pytest.mark.lab,
    pytest.mark.timeout(180),
    pytest.mark.skipif(missing_requirement() is not None, reason=str(missing_requirement())),
]


def test_what_the_node_sends_stays_in_order_where_the_way_by_the_previous_mag_is_longer(tmp_path: Path) -> None:
    """20 ms from mag2 to the LMA: what goes straight from mag1 would overtake what has gone back to mag2."""
    delayed = [{"between": ["lma", "mag2"], "delay_ms": 20}]
    with domain_with_unicast(tmp_path, links=delayed) as running:
        mn1 = running.address("mn1")
        with captured_at_every_port(running, tmp_path / "ports.pcap") as ports:
            captures = start_captures(running.lab, tmp_path, [], sources=["source"])
            words = ["ping", "-6", "-q", "-i", "0.001", str(running.source)]
            pinging = running.lab.start_process("mn1", words, name="ping")
            try:
                for _ in range(8):
                    hand_over(running, MN1, "mn1")
                eventually(lambda: reaches(running, "mn1", running.source))
            finally:
                running.lab.stop([pinging])
                eventually(lambda: reaches(running, "source", mn1))
                results = stop_captures(running.lab, captures)
        assert [result.dropped for result in results] == [0] * len(results)
        left = echoes(tmp_path / "ports.pcap", REQUEST, mn1, ports)
        assert len(left) > 1000
        assert echoes(tmp_path / "source.pcap", REQUEST, mn1) == left
