# SPDX-License-Identifier: Apache-2.0
"""The MAG agent's process. `python -m southbound.agent --topology topology.yaml --mag mag1`, on the MAG's node, as root."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys

from southbound.agent.adapters.errors import AdapterError
from southbound.agent.adapters.mag_process import MagProcess
from southbound.agent.settings import argument_parser
from southbound.fact_log import configure_log, log_fact, log_refusal
from southbound.mobility_authentication import MobilityAuthentication
from southbound.mobility_keys import MobilityKeysError, read_mobility_authentication
from southbound.version import VERSION
from topology.load import load_topology
from topology.model import Domain, Mag
from topology.problem import TopologyError

_log = logging.getLogger("castover.mag")
EXIT_CONFIGURATION = 2
EXIT_SOCKETS = 3
YOUNG_OBJECTS_MAX = 10_000
"""How many new objects the collector waits for: at Python's 700 it runs in the middle of handovers."""


def main() -> int:
    """Run until a signal ends it. Exit code 2: the topology is wrong; 3: a socket could not be had."""
    arguments = argument_parser().parse_args()
    configure_log(arguments.log_level, arguments.log_format)
    try:
        domain = load_topology(arguments.topology)
    except TopologyError as error:
        return _refused(str(error), arguments.log_format)
    mag = domain.mag(arguments.mag)
    if mag is None:
        allowed = ", ".join(known.id for known in domain.mags)
        return _refused(f"--mag: found {arguments.mag!r}, allowed: {allowed}", arguments.log_format)
    try:
        authentication = read_mobility_authentication(domain, mag, arguments.topology)
    except MobilityKeysError as error:
        return _refused(str(error), arguments.log_format)
    _go_first()
    # What is there by now stays: the collector need not walk it in the middle of a handover.
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS_MAX)
    try:
        asyncio.run(_run(domain, mag, authentication))
    except AdapterError as error:
        reason = f"cannot start: {error} (run as root on the MAG's node)"
        return _refused(reason, arguments.log_format, EXIT_SOCKETS)
    return 0


def _refused(reason: str, log_format: str, code: int = EXIT_CONFIGURATION) -> int:
    log_refusal(_log, "agent_not_started", reason, log_format)
    return code


def _go_first() -> None:
    """Ask for real-time scheduling: while a stream is joined its packets pass through this process.

    A packet that waits for the processor here can be overtaken by the first one that the switch delivers itself.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError as error:
        reason = error.strerror
        log_fact(_log, "no_realtime_scheduling", {"reason": reason}, level=logging.WARNING)


async def _run(domain: Domain, mag: Mag, authentication: MobilityAuthentication | None) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    process = MagProcess(domain, mag, version=VERSION, authentication=authentication)
    process.start()
    try:
        await stopped.wait()
    finally:
        await process.close()


if __name__ == "__main__":
    sys.exit(main())
