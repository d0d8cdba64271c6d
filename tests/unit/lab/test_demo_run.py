# SPDX-License-Identifier: Apache-2.0
"""A demo that is interrupted leaves no handover under way, and one that was killed is waited out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import pytest

from lab import demo_measurement
from lab.demo_measurement import await_bindings
from lab.demo_modes import PREDICTIVE
from lab.demo_run import Stage, run_handovers
from lab.demo_settings import DemoSettings, choose_cast
from lab.errors import LabError
from lab.ground import Ground
from lab.rest_client import RestClient
from lab.stream import MeasuredStream
from tests.support.stand_in import StandIn, handover, stand_in
from topology.load import load_topology

CAST = choose_cast(load_topology(Path(__file__).resolve().parents[3] / "topology.yaml"))
SETTINGS = DemoSettings(
    topology=Path(), handovers=1, rate_pps=1000, gap_ms=50, size=200, modes=(PREDICTIVE,), dialects=("draft",),
    trigger="rest", pcap=None, logs=Path(),
)


class Host:
    """A mobile node during whose move the user loses patience."""

    def __enter__(self) -> Host:
        return self

    def __exit__(self, kind: type | None, value: BaseException | None, traceback: TracebackType | None) -> None:
        """Nothing to give up."""

    def attached_to(self) -> str:
        return "mag1"

    def move(self, mag: str, gap_ms: float = 0.0) -> Any:
        raise KeyboardInterrupt


class Nodes:
    """A ground of such nodes."""

    def mobile_node(self, name: str) -> Host:
        return Host()


@pytest.fixture
def server() -> Iterator[StandIn]:
    with stand_in() as found:
        yield found


def test_a_handover_is_called_off_when_the_demo_is_interrupted(server: StandIn) -> None:
    server.script["POST /v1/handovers"] = [(202, handover("requested"))]
    server.script["GET /v1/handovers/ho-1"] = [(200, handover("forwarding"))]
    cancelled = server.script["DELETE /v1/handovers/ho-1"] = [(200, handover("cancelled")), (409, None)]
    with RestClient(server.url) as client, pytest.raises(KeyboardInterrupt):
        run_handovers(Stage(
            lab=cast(Ground, Nodes()), client=client, stream=cast(MeasuredStream, None), cast=CAST, settings=SETTINGS,
        ), PREDICTIVE, lambda *_: None)
    assert cancelled == [(409, None)]  # asked for once


def test_what_another_demo_has_left_under_way_is_waited_for(server: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = (CAST.mover, *CAST.others)
    server.script["GET /readyz"] = [(200, {"status": "ready"})]
    server.script["GET /v1/bindings"] = [(200, {"bindings": [{"mn_id": node.id, "mag": "mag1"} for node in nodes]})]
    listed = server.script["GET /v1/handovers?limit=1000"] = [
        (200, {"handovers": [handover("forwarding")]}), (200, {"handovers": [handover("failed")]}),
    ]
    with RestClient(server.url) as client:
        await_bindings(client, CAST, lambda _: None, cast(Ground, Nodes()))
        assert len(listed) == 1
        monkeypatch.setattr(demo_measurement, "_READY_TIMEOUT_S", 0.1)
        listed[:] = [(200, {"handovers": [handover("forwarding")]})]
        with pytest.raises(LabError, match="is still forwarding after"):
            await_bindings(client, CAST, lambda _: None, cast(Ground, Nodes()))
        listed[:] = [(200, {"handovers": [{**handover("forwarding"), "mn_id": "mn9@example.net"}]})]
        await_bindings(client, CAST, lambda _: None, cast(Ground, Nodes()))
