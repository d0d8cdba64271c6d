# SPDX-License-Identifier: Apache-2.0
"""A lab to look at: streams to every mobile node that may hear them, a radio, and what really arrives."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from castover_client import Castover
from lab.demo_run import await_ready
from lab.demo_settings import PORT, choose_cast
from lab.errors import LabError
from lab.network import Lab, running_lab
from lab.plan import CONTROLLER_NODE
from lab.processes import recorded_processes
from lab.programs import start_programs
from lab.radio import Moved, Radio, RadioThread
from lab.rest_access import check_rest_access
from lab.rest_client import RestClient, lab_errors
from lab.state import load_state
from lab.stream import MeasuredStream, StreamSettings
from lab.traffic_sink import SinkStatus
from lab.view_claim import only_view
from topology.model import Domain

_READY_TIMEOUT_S = 30.0
_RECEPTION_TIMEOUT_S = 30.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewSettings:
    """One `castover view`."""

    topology: Path
    rate_pps: float
    size: int
    """Octets of UDP payload."""
    gap_ms: float
    """How long a mobile node is without a link when it moves."""


class Scene:
    """A lab in which something happens; `url` is where the live view is."""

    def __init__(self, lab: Lab, stream: MeasuredStream, radio: RadioThread, names: tuple[str, ...]) -> None:
        self.lab = lab
        self.url = lab.state.rest_url
        self.names = names
        """Short names of the mobile nodes that listen."""
        self._stream = stream
        self._radio = radio

    def received(self) -> dict[str, SinkStatus]:
        """What each mobile node has got so far. Raises LabError when a part of the scene has ended."""
        if not self._radio.running:
            raise LabError(f"the radio has ended: {self._radio.failure or 'nobody said why'}")
        return {name: self._stream.status(name) for name in self.names}

    def trouble(self) -> str:
        """What is not as it should be although the scene goes on, in words; "" when nothing is."""
        processes = recorded_processes(self.lab.domain.name)
        controller = next((one for one in processes if (one.node, one.name) == (CONTROLLER_NODE, "controller")), None)
        if controller is None or controller.alive:
            return ""
        return (f"the controller (process {controller.pid}) has ended: what flows flows on, and nobody can hand over; "
                f"its log: {controller.log}")


@contextlib.contextmanager
def scene(domain: Domain, settings: ViewSettings, say: Say, told: Callable[[Moved], None]) -> Iterator[Scene]:
    """For the length of a `with`. A lab of this domain that is up is used and stays up; else one is built and taken down.

    Raises LabError.
    """
    # Before anything is built.
    check_rest_access(domain, settings.topology)
    up = load_state(domain.name) is not None
    with _found(domain) if up else _built(domain, settings.topology, say) as lab, only_view(lab.folder, lab.state.rest_url):
        cast = choose_cast(domain)
        nodes = (cast.mover, *cast.others)
        with RestClient(lab.state.rest_url) as client:
            say("waiting for the bindings")
            # Where they are in a lab that is up already is nobody's business here.
            wanted = {} if up else {node.id: node.attached_to for node in nodes}
            await_ready(client, wanted, _READY_TIMEOUT_S)
        say("starting source and sinks")
        names = tuple(node.name for node in nodes)
        stream = MeasuredStream(lab, StreamSettings(
            source=cast.source, group=cast.group, port=PORT, rate_pps=settings.rate_pps, size=settings.size,
        ), names)
        try:
            stream.start()
            for name in names:
                stream.await_reception(name, 2, _RECEPTION_TIMEOUT_S)
            with lab_errors():
                radio = Radio(lab, Castover.from_environment(lab.state.rest_url), gap_ms=settings.gap_ms, told=told)
            with RadioThread(radio) as thread:
                yield Scene(lab, stream, thread, names)
        finally:
            stream.end()


@contextlib.contextmanager
def _built(domain: Domain, topology: Path, say: Say) -> Iterator[Lab]:
    with running_lab(domain, topology=topology, attach=False, say=say) as lab:
        start_programs(lab, topology, say)
        lab.attach_mobile_nodes()
        yield lab


@contextlib.contextmanager
def _found(domain: Domain) -> Iterator[Lab]:
    lab = Lab.find(domain)
    if not lab.state.rest_url:
        raise LabError(f"lab {domain.name!r} has no controller running", "take it down, or bring it up with its programs")
    yield lab
