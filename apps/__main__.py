# SPDX-License-Identifier: Apache-2.0
"""The controller process: topology, core, Ryu, agents, REST. `python -m apps --topology topology.yaml`."""

from __future__ import annotations

import gc
import logging
import os
import secrets
import signal
import sys

import apps.ryu_compat  # noqa: F401  (before Ryu)

import eventlet  # isort: skip
from ryu import cfg  # isort: skip
from ryu.base.app_manager import AppManager  # isort: skip

from apps.executor import Executor
from apps.lma_app import LmaApp
from apps.rest.credentials import Credentials, CredentialsError, read_credentials
from apps.rest.server import RestServer
from apps.rest.sockets import RestSocketError
from apps.settings import Settings, SettingsError, read_settings
from controller.lma import LmaCore
from southbound.fact_log import configure_log, log_fact, log_refusal
from southbound.mobility_authentication import MobilityAuthentication
from southbound.mobility_keys import MobilityKeysError, read_mobility_authentication
from southbound.quiet_collector import QuietCollector
from topology.load import load_topology
from topology.model import Domain
from topology.problem import TopologyError

_log = logging.getLogger("castover")
EXIT_CONFIGURATION = 2
YOUNG_OBJECTS_MAX = 10_000
"""How many new objects the collector waits for. At Python's 700 it ran twice in the preparation of each handover."""


def main() -> int:
    """Run until a signal ends it. Exit code 2: topology or environment are wrong, said in full on standard error."""
    try:
        settings = read_settings()
    except SettingsError as error:
        print(error, file=sys.stderr)
        return EXIT_CONFIGURATION
    configure_log(settings.log_level, settings.log_format)
    logging.getLogger("ryu").setLevel(logging.WARNING)
    try:
        domain = load_topology(settings.topology)
        credentials = read_credentials(domain.rest, settings.topology)
        authentication = read_mobility_authentication(domain, domain.lma, settings.topology)
    except (TopologyError, CredentialsError, MobilityKeysError) as error:
        return _refused(error, settings)
    try:
        return _run(domain, settings, credentials, authentication)
    except RestSocketError as error:
        return _refused(error, settings)


def _refused(error: Exception, settings: Settings) -> int:
    log_refusal(_log, "controller_not_started", str(error), settings.log_format)
    return EXIT_CONFIGURATION


def _run(
    domain: Domain, settings: Settings, credentials: Credentials, authentication: MobilityAuthentication | None
) -> int:
    """Raises RestSocketError."""
    cfg.CONF(args=[], project="castover", default_config_files=[])
    cfg.CONF.set_override("ofp_listen_host", str(domain.controller.address))
    cfg.CONF.set_override("ofp_tcp_listen_port", domain.controller.openflow_port)
    dice = secrets.SystemRandom()
    core = LmaCore(domain, random_delay=lambda limit: dice.uniform(0.0, limit))
    executor = Executor(core, tidy=QuietCollector(lambda: core.is_quiet).look)
    manager = AppManager.get_instance()
    manager.load_apps(["apps.lma_app", "ryu.controller.ofp_handler"])
    contexts = manager.create_contexts()
    services = manager.instantiate_apps(
        domain=domain, executor=executor, authentication=authentication, **contexts
    )
    app: LmaApp = manager.applications["LmaApp"]
    rest = RestServer(
        domain=domain, executor=executor, switches=app.datapaths, ask_agents=app.inquiries.ask, credentials=credentials,
        inherited_fd=settings.rest_fd,
    )
    app.agents.on_timed = rest.metrics.called
    runner = eventlet.spawn(executor.run)
    rest.start()
    # What is there by now stays. Every full collection would walk it, and stop the core for a quarter of a second.
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS_MAX)
    log_fact(_log, "controller_started", {
        "rest": rest.url, "process_id": os.getpid(),
        "mobility_authentication": "on" if authentication is not None else "off",
    })
    _await_signal()
    # Nothing is taken back: the switches go on forwarding without a controller.
    rest.stop()
    app.agents.stop()
    runner.kill()
    for service in services:
        service.kill()
    log_fact(_log, "controller_stopped", {})
    return 0


def _await_signal() -> None:
    """Sleep until SIGTERM or SIGINT. Through a pipe, because the hub's poll does not end for a Python signal handler."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    eventlet.hubs.trampoline(reader, read=True)


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    # Ryu's greenlets wait for connections that would keep a normal exit for seconds.
    os._exit(code)
