# SPDX-License-Identifier: Apache-2.0
"""The whole demo: for each dialect a lab with controller and agents, in it one run for each mode, and the accounts."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from lab.capture import start_captures, stop_captures
from lab.capture_hints import capture_folder
from lab.demo_measurement import Say, await_bindings, measure_mode
from lab.demo_modes import MODES
from lab.demo_result import RunResult
from lab.demo_settings import Cast, DemoSettings, choose_cast, write_demo_topology
from lab.errors import LabError
from lab.interruption import deferred_signals
from lab.inventory import labs_on_record
from lab.logs import copy_logs
from lab.network import Lab, running_lab
from lab.processes import last_log_lines, recorded_processes
from lab.programs import start_programs
from lab.rest_client import RestClient
from lab.teardown import take_down
from topology.load import load_topology


def run_demo(settings: DemoSettings, say: Say, finished: Callable[[RunResult], None]) -> None:
    """All runs; `finished` gets each as it is done. Raises LabError, TopologyError; the lab is gone in every case."""
    with tempfile.TemporaryDirectory(prefix="castover-demo-") as folder:
        for dialect, attach_mode, modes in _labs(settings):
            topology = write_demo_topology(settings.topology, Path(folder), dialect, attach_mode)
            domain = load_topology(topology)
            cast = choose_cast(domain)
            label = f"dialect {dialect}: "

            def phase(what: str, label: str = label) -> None:
                say(label + what)

            phase("building the lab")
            with running_lab(domain, topology=topology, attach=False, say=phase) as lab, _logs_kept(lab, settings.logs):
                start_programs(lab, topology, phase)
                with RestClient(lab.state.rest_url) as client:
                    lab.attach_mobile_nodes()
                    await_bindings(client, cast, phase, lab)
                    for mode in modes:
                        result = _run(lab, client, cast, settings, dialect, mode, phase)
                        if result.completed < len(result.runs) or result.leftovers:
                            copy_logs(lab, settings.logs / f"{dialect}-{mode}")
                        finished(result)
            phase("lab taken down")


def remove_abandoned_demos(say: Say) -> None:
    """Take down what demos that were killed have left: nobody else does, and their names never come again."""
    for found in labs_on_record():
        if found.is_demo and found.abandoned:
            say(f"removing lab {found.name}, which a demo that was killed (process {found.owner_pid}) has left")
            with deferred_signals():
                take_down(found.name)


def _labs(settings: DemoSettings) -> list[tuple[str, str | None, list[str]]]:
    """(dialect, attach mode, modes) of each lab to build: modes that want the same domain share one."""
    modes: dict[str | None, list[str]] = {}
    for mode in settings.modes:
        modes.setdefault(MODES[mode].attach_mode, []).append(mode)
    return [(dialect, attach_mode, names) for dialect in settings.dialects for attach_mode, names in modes.items()]


def _run(
    lab: Lab, client: RestClient, cast: Cast, settings: DemoSettings, dialect: str, mode: str, say: Say
) -> RunResult:
    """One run, captured where captures are wanted."""
    captures = []
    if settings.pcap is not None:
        names = [node.name for node in (cast.mover, *cast.others)]
        captures = start_captures(lab, capture_folder(settings.pcap, dialect, mode), names)
    result = measure_mode(lab, client, cast, settings, dialect, mode, say)
    for captured in stop_captures(lab, captures):
        if captured.dropped:
            say(f"{mode}: the capture {captured.file.name} lacks {captured.dropped} packets")
    return result


@contextlib.contextmanager
def _logs_kept(lab: Lab, folder: Path) -> Iterator[None]:
    """On an exception: copy the nodes' logs out of the lab before it is taken down, and say who has died."""
    try:
        yield
    except LabError as error:
        dead = [process for process in recorded_processes(lab.domain.name) if not process.alive]
        words = [
            f"{process.name} on {process.node} has ended: {last_log_lines(process)}"
            for process in dead if f"{process.name} on {process.node} ended" not in error.problem
        ]
        copy_logs(lab, folder)
        raise LabError("\n".join([error.problem, *words]), error.mend or f"logs: {folder}") from error
    except Exception:
        copy_logs(lab, folder)
        raise
