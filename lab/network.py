# SPDX-License-Identifier: Apache-2.0
"""A whole lab: build it from a domain, start programs in it, use it, take it down."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv6Address
from pathlib import Path

from pyroute2.netlink.exceptions import NetlinkError

from lab.delay_install import FORWARDER, await_forwarder, install_delays
from lab.delay_plan import delayed_paths
from lab.errors import LabError
from lab.hosts import (
    address_transport_bridge,
    bring_up_switch_ports,
    build_controller_host,
    build_source_host,
    prepare_switch_node,
)
from lab.interruption import Interruption, deferred_signals
from lab.key_check import require_keys
from lab.links import keep_frames_in_order
from lab.mobile_node import MobileNodeHost, build_mobile_node
from lab.namespaces import create_namespace, namespace_exists, run_inside
from lab.neighbours import KEEPER, fill, write_neighbours
from lab.plan import CONTROLLER_NODE, TRANSPORT_NODE, Node, plan_nodes, switch_macs, transport_neighbours
from lab.processes import REPOSITORY, LabProcess, process_start_time, start_process, stop_processes
from lab.requirements import check_requirements
from lab.state import LabState, claim_lab_folder, lab_folder, load_state, remove_lab_folder, save_state
from lab.switch import Switch
from lab.switch_configuration import whole_switch
from lab.switch_plan import lma_switch, mag_switch
from lab.teardown import take_down
from lab.transport import TRANSPORT_NETWORK, build_transport, ports
from lab.typed import typed
from topology.model import Domain

Say = Callable[[str], None]
_POLL_S = 0.05
_SHORT_PROGRAM_S = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """Handle on a lab that is up; holds no open resource, any number may exist."""

    domain: Domain
    nodes: Mapping[str, Node]

    @classmethod
    def find(cls, domain: Domain) -> Lab:
        """The lab of this domain that is up. Raises LabError when there is none, or it has other nodes."""
        state = load_state(domain.name)
        if state is None:
            raise LabError(f"lab {domain.name!r} is not up", f"bring it up: {typed('lab', 'up')}")
        if set(state.nodes) != set(plan_nodes(domain)):
            raise LabError(
                f"lab {domain.name!r} was built from another topology ({state.topology or 'in memory'})",
                f"take it down first: {typed('lab', 'down', '--name', domain.name, with_topology=False)}",
            )
        return cls(domain=domain, nodes={node.name: node for node in state.nodes})

    @property
    def state(self) -> LabState:
        """What is on disk now. Raises LabError when the lab has been taken down."""
        state = load_state(self.domain.name)
        if state is None:
            raise LabError(f"lab {self.domain.name!r} is not up", f"bring it up: {typed('lab', 'up')}")
        return state

    @property
    def folder(self) -> Path:
        """The run directory."""
        return lab_folder(self.domain.name)

    def node(self, name: str) -> Node:
        """The node of this short name. Raises LabError naming those there are."""
        try:
            return self.nodes[name]
        except KeyError:
            raise LabError(f"there is no node {name!r}", f"allowed: {', '.join(self.nodes)}") from None

    def switch(self, name: str) -> Switch:
        """The switch of the LMA or of a MAG. Raises LabError."""
        node = self.node(name)
        if node.kind not in ("lma", "mag"):
            raise LabError(f"{name} has no switch", f"allowed: {', '.join(self.switch_names())}")
        return Switch(self.domain.name, node)

    def switch_names(self) -> list[str]:
        """The LMA's and every MAG's node name."""
        return [node.name for node in self.nodes.values() if node.kind in ("lma", "mag")]

    def mobile_node(self, name: str) -> MobileNodeHost:
        """A handle (to be closed) on a mobile node, by short name or MN-ID. Raises LabError."""
        profile = next((mn for mn in self.domain.mobile_nodes if name in (mn.name, mn.id)), None)
        if profile is None:
            names = ", ".join(mn.name for mn in self.domain.mobile_nodes)
            raise LabError(f"there is no mobile node {name!r}", f"allowed: {names}")
        return MobileNodeHost(self.node(profile.name), tuple(mag.id for mag in self.domain.mags))

    def attach_mobile_nodes(self) -> None:
        """Bring every mobile node that is nowhere to the MAG where its profile wants it first."""
        for profile in self.domain.mobile_nodes:
            with self.mobile_node(profile.name) as host:
                if host.attached_to() is None:
                    host.move(profile.attached_to)

    def start_process(
        self, node: str, argv: Sequence[str], env: Mapping[str, str] | None = None, pass_fds: Sequence[int] = (),
        *, name: str | None = None,
    ) -> LabProcess:
        """Start a program inside a node's namespace, from the root of the repository, logged and recorded."""
        where = self.node(node)
        extra = Switch(self.domain.name, where).environment if where.kind in ("lma", "mag") else {}
        name = name or Path(argv[0]).name
        return start_process(self.domain.name, where, name, argv, env={**extra, **(env or {})}, pass_fds=pass_fds)

    def stop(self, programs: Iterable[LabProcess]) -> None:
        """End programs that `start_process` gave; returns when they have ended."""
        stop_processes(self.domain.name, programs)

    def run_on(self, node: str, argv: Sequence[str]) -> str:
        """Run a short program inside a node's namespace; what it prints. LabError with what it says when it fails."""
        try:
            done: subprocess.CompletedProcess[str] = run_inside(self.node(node).namespace, lambda: subprocess.run(
                argv, cwd=REPOSITORY, capture_output=True, text=True, timeout=_SHORT_PROGRAM_S, check=False,
            ))
        except subprocess.TimeoutExpired:
            raise LabError(f"{argv[0]} on {node} did not end within {_SHORT_PROGRAM_S} s") from None
        if done.returncode != 0:
            raise LabError(done.stderr.strip() or f"{argv[0]} on {node} failed with exit code {done.returncode}")
        return done.stdout


def build_lab(
    domain: Domain, *, topology: Path | None = None, attach: bool = True, say: Say = lambda _: None, owned: bool = False
) -> Lab:
    """Build the network of a domain: namespaces, links, switches, hosts; no controller, no agents.

    `say` is told each phase. `owned`: the caller takes the lab down before it ends, which the record says.

    On any exception, Ctrl-C, SIGTERM and SIGHUP included, everything is taken down again.
    Raises LabError, among others when a lab of that name is up already.
    """
    check_requirements()
    if topology is not None:
        require_keys(domain, topology)
    nodes = plan_nodes(domain)
    with deferred_signals() as interruption:
        claim_lab_folder(domain.name)
        try:
            _refuse_foreign_namespaces(domain.name, nodes)
            # On disk before anything is created: whatever happens next, `down` knows what to look for.
            owner = os.getpid() if owned else 0
            save_state(LabState(
                name=domain.name, topology=str(topology.resolve()) if topology else "", nodes=nodes, owner_pid=owner,
                owner_start_time=process_start_time(owner) or 0 if owned else 0,
            ))
        except BaseException:
            remove_lab_folder(domain.name)
            raise
        try:
            return _build(domain, nodes, attach=attach, say=say, interruption=interruption)
        except NetlinkError as error:
            take_down(domain.name)
            raise LabError(f"the kernel refused a link or an address: {error}") from error
        except BaseException:
            take_down(domain.name)
            raise


@contextlib.contextmanager
def running_lab(
    domain: Domain, *, topology: Path | None = None, attach: bool = True, say: Say = lambda _: None
) -> Iterator[Lab]:
    """A lab for the length of a `with`: it is taken down however the block ends, signals included."""
    with deferred_signals() as interruption:
        lab = build_lab(domain, topology=topology, attach=attach, say=say, owned=True)
        try:
            with interruption.allowed():
                yield lab
        finally:
            take_down(domain.name)


def _refuse_foreign_namespaces(name: str, nodes: tuple[Node, ...]) -> None:
    taken = [node.namespace for node in nodes if namespace_exists(node.namespace)]
    if taken:
        raise LabError(
            f"network namespace {taken[0]} exists and belongs to no lab",
            f"remove the leftovers: {typed('lab', 'down', '--force')}, or give the domain another name than {name!r}",
        )


def _delay_paths(lab: Lab, say: Say, interruption: Interruption) -> None:
    """Slow down what `links` of the topology slows down; nothing at all when it has no delays."""
    paths = delayed_paths(lab.domain)
    if not paths:
        return
    say(f"delaying {len(paths)} paths")
    links_to = [port for port in ports(tuple(lab.nodes.values()), lab.domain) if port.network == TRANSPORT_NETWORK]
    command = install_delays(
        lab.domain.name, lab.nodes[TRANSPORT_NODE], paths, ports={port.node.name: port.name for port in links_to},
        macs=switch_macs(lab.domain),
    )
    await_forwarder(lab.domain.name, lab.start_process(TRANSPORT_NODE, command, name=FORWARDER), interruption.check)


def _build(
    domain: Domain, nodes: tuple[Node, ...], *, attach: bool, say: Say, interruption: Interruption
) -> Lab:
    lab = Lab(domain=domain, nodes={node.name: node for node in nodes})
    say(f"creating {len(nodes)} network namespaces")
    for number, node in enumerate(nodes):
        interruption.check()
        create_namespace(node.namespace)
        run_inside(node.namespace, partial(keep_frames_in_order, number))
        if node.kind in ("lma", "mag"):
            prepare_switch_node(node)
    say("linking them")
    build_transport(lab.nodes[TRANSPORT_NODE], nodes, domain)
    _delay_paths(lab, say, interruption)
    build_controller_host(lab.nodes[CONTROLLER_NODE], domain)
    for source in domain.sources:
        build_source_host(lab.nodes[source.name], source, domain)
    mags = [lab.nodes[mag.id] for mag in domain.mags]
    for mobile_node in domain.mobile_nodes:
        interruption.check()
        access_ports = [mag.switch.on_host(mobile_node.access_port()) for mag in domain.mags]
        build_mobile_node(lab.nodes[mobile_node.name], mobile_node, zip(mags, access_ports, strict=True))
    say(f"starting {1 + len(mags)} switches")
    neighbours = transport_neighbours(domain)
    plans: list[tuple[Node, list[str], IPv6Address, IPv6Address]] = [
        (lab.nodes[domain.lma.id], whole_switch(lma_switch(domain)), domain.lma.address, domain.lma.management_address),
        *(
            (lab.nodes[mag.id], whole_switch(mag_switch(domain, mag)), mag.address, mag.management_address)
            for mag in domain.mags
        ),
    ]

    def start_switch(plan: tuple[Node, list[str], IPv6Address, IPv6Address]) -> None:
        node, configuration, address, management = plan
        bring_up_switch_ports(node, domain, management)
        switch = Switch(domain.name, node)
        switch.start(configuration)
        # Secure bridges begin empty. Cookie 0 and the lowest priority: the controller's own rules lie above it.
        switch.ofctl("add-flow", domain.switch_names(node.name).transport_bridge, "cookie=0,priority=0,actions=NORMAL")
        address_transport_bridge(node, domain, address)
        fill(switch, domain.switch_names(node.name).transport_bridge, neighbours[node.name])

    pool = ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 2))
    try:
        for future in [pool.submit(start_switch, plan) for plan in plans]:
            while not wait([future], timeout=_POLL_S).done:
                interruption.check()
            future.result()
    finally:
        # Nothing may still be starting when the teardown of a failed build begins.
        pool.shutdown(wait=True, cancel_futures=True)
    write_neighbours(domain)
    lab.start_process(TRANSPORT_NODE, [sys.executable, "-m", "lab.neighbours", domain.name], name=KEEPER)
    if attach:
        say("attaching the mobile nodes")
        lab.attach_mobile_nodes()
    interruption.check()
    return lab
