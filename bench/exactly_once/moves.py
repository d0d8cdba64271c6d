# SPDX-License-Identifier: Apache-2.0
"""One cell in its lab: a stream, and its mobile nodes going back and forth together; everything is recorded."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bench.castover_system import CastoverSystem
from bench.exactly_once.cells import Cell, LeaveAt
from bench.exactly_once.domain import GROUP
from bench.exactly_once.memory import MemorySample, read_memory
from bench.lanes import lanes_named
from bench.settings import PORT
from bench.system import Outcome
from lab.capture import start_captures, stop_captures
from lab.errors import LabError
from lab.mobile_node import MobileNodeHost
from lab.network import Lab
from lab.rest_client import MAY_LEAVE, RestClient
from lab.stream import MeasuredStream, StreamRecords, StreamSettings

_RECEPTION_TIMEOUT_S = 30.0
_SETTLE_S = 0.1
"""Undisturbed stream between the end of one handover and the request for the next."""
_BUSY_S = 0.01
"""The exchange takes some ms: a question would be answered by those who are busy with it."""
_CLONE_POLL_S = 0.001
_SAMPLES = 20

Tell = Callable[[int, int], None]


@dataclass(slots=True, kw_only=True)
class Move:
    """One mobile node's part of a handover; times in ns since 1970."""

    left_ns: int = 0
    """The link to the old MAG went down."""
    arrived_ns: int = 0
    """The link to the new MAG was about to come up."""
    outcome: Outcome = field(default_factory=Outcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """All that moved from one MAG to the other at one time."""

    previous_mag: str
    new_mag: str
    requested_ns: int
    """Just before the first handover was asked for."""
    moves: Mapping[str, Move]
    """By mobile node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRecords:
    """What one cell left."""

    cell: Cell
    handovers: Sequence[Together]
    movers: tuple[str, ...]
    stayers: tuple[str, ...]
    stream: StreamRecords
    start_ns: int
    end_ns: int
    memory: Sequence[MemorySample]
    transport: Path | None
    """Capture of the transport network, where there is one."""
    capture_drops: int


def measure(
    lab: Lab, client: RestClient, cell: Cell, *, captures: Path | None, tell: Tell
) -> CellRecords:
    """Measure a cell in its lab, whose mobile nodes are attached. `captures`: keep the wire's packets there.

    `tell` gets (number of the handover that begins, handovers wanted). Raises LabError.
    """
    names = tuple(node.name for node in lab.domain.mobile_nodes)
    movers = names[: cell.movers]
    running = start_captures(lab, captures) if captures is not None else []
    stream = MeasuredStream(lab, StreamSettings(
        source=lab.domain.sources[0].name, group=GROUP, port=PORT, rate_pps=cell.rate_pps, size=cell.size,
    ), names)
    stream.start()
    _settle(stream, cell, names)
    start_ns = time.time_ns()
    memory = [read_memory(lab, 0)] if cell.memory else []
    handovers: list[Together] = []
    with ExitStack() as stack:
        hosts = {name: stack.enter_context(lab.mobile_node(name)) for name in movers}
        pool = stack.enter_context(ThreadPoolExecutor(max_workers=len(hosts)))
        lane = lanes_named("predictive")[0]
        systems = {
            node.name: CastoverSystem(client, node.id, lane) for node in lab.domain.mobile_nodes if node.name in hosts
        }
        for number in range(1, cell.handovers + 1):
            tell(number, cell.handovers)
            handovers.append(_move(lab, cell, hosts, systems, pool))
            _settle(stream, cell, names)
            for name, move in handovers[-1].moves.items():
                systems[name].read_again(move.outcome)
            if cell.memory and number % max(1, cell.handovers // _SAMPLES) == 0:
                memory.append(read_memory(lab, number))
    end_ns = time.time_ns()
    records = stream.stop()
    results = stop_captures(lab, running)
    return CellRecords(
        cell=cell, handovers=handovers, movers=movers, stayers=names[cell.movers :], stream=records, start_ns=start_ns,
        end_ns=end_ns, memory=memory, transport=results[0].file if results else None,
        capture_drops=sum(result.dropped or 0 for result in results),
    )


def _settle(stream: MeasuredStream, cell: Cell, names: Sequence[str]) -> None:
    for name in names:
        stream.await_reception(name, max(2, round(cell.rate_pps * _SETTLE_S)), _RECEPTION_TIMEOUT_S)


def _move(
    lab: Lab, cell: Cell, hosts: Mapping[str, MobileNodeHost], systems: Mapping[str, CastoverSystem],
    pool: ThreadPoolExecutor,
) -> Together:
    previous, new = _direction(lab, hosts)
    handover = Together(
        previous_mag=previous, new_mag=new, requested_ns=time.time_ns(), moves={name: Move() for name in hosts}
    )
    for name, move in handover.moves.items():
        systems[name].announce(new, move.outcome)
    _wait(cell, handover, systems)
    # The radio does not ask whether the network is ready.
    done = pool.map(lambda host: host.move(new, cell.gap_ms), hosts.values())
    for change, (name, move) in zip(done, handover.moves.items(), strict=True):
        if change.down is None or change.up is None:
            raise LabError(f"{name} was nowhere before the move")
        move.left_ns = round(change.down.called.realtime * 1e9)
        move.arrived_ns = round(change.up.called.realtime * 1e9)
    for name, move in handover.moves.items():
        systems[name].after_move(new, move.outcome)
    return handover


def _direction(lab: Lab, hosts: Mapping[str, MobileNodeHost]) -> tuple[str, str]:
    present = {host.attached_to() for host in hosts.values()}
    first, second = (mag.id for mag in lab.domain.mags)
    if present == {first}:
        return first, second
    if present == {second}:
        return second, first
    raise LabError(f"the mobile nodes are not all at one MAG but at {sorted(map(str, present))}")


def _wait(cell: Cell, handover: Together, systems: Mapping[str, CastoverSystem]) -> None:
    if cell.leave_at is LeaveAt.REQUEST:
        _sleep_until(handover.requested_ns + round(cell.leave_after_ms * 1e6))
        return
    if cell.leave_at is LeaveAt.FORWARDING:
        time.sleep(_BUSY_S)
        until, poll_s = MAY_LEAVE, None
    else:
        until, poll_s = MAY_LEAVE | {"cloned"}, _CLONE_POLL_S
    for name, move in handover.moves.items():
        systems[name].await_state(move.outcome, until, poll_s)
    time.sleep(cell.leave_after_ms / 1000)


def _sleep_until(moment_ns: int) -> None:
    remaining = moment_ns - time.time_ns()
    if remaining > 0:
        time.sleep(remaining / 1e9)
