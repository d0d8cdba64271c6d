# SPDX-License-Identifier: Apache-2.0
"""The containers of ordinary hosts: a mobile node with its radio, and a source."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Mapping
from dataclasses import asdict
from ipaddress import IPv6Network
from typing import Any

from pyroute2 import IPRoute

from containers.interfaces import interface_on, write_own_checksums
from containers.server import Handler
from containers.wire import Answer, ask, network_namespace
from lab import links
from lab.errors import LabError
from lab.mobile_node import MobileNodeHost, build_radio, plug_in, unplug
from lab.plan import SOURCE_PORT, Node
from topology.model import LMA_LINK_LOCAL_ADDRESS, Domain, MobileNode, Source


class MobileNodeContainer:
    """A mobile node. Its container is on no network of the engine: it plugs a link into each MAG's container itself.

    A MAG whose container was made anew has lost its end, and so has the mobile node: it is plugged in again.
    """

    def __init__(self, domain: Domain, profile: MobileNode, node: Node) -> None:
        self._domain, self._profile = domain, profile
        self._mags = tuple(mag.id for mag in domain.mags)
        self._node = node
        self._place: str | None = profile.attached_to
        self._host: MobileNodeHost | None = None
        self._moving = threading.Lock()

    def handlers(self) -> Mapping[str, Handler]:
        """The requests that this kind of node answers."""
        return {"move": self._move, "attached": self._attached}

    def start(self) -> None:
        """Make this the mobile node's host, in reach of no MAG yet."""
        build_radio(self._profile)
        self._host = MobileNodeHost(self._node, self._mags, inside=lambda job: job())
        self.still_well()

    def still_well(self) -> None:
        """Plug in what is not plugged in, and be where the node belongs."""
        with self._moving:
            for number, mag in enumerate(self._mags, start=1):
                if mag not in self._plugged():
                    # Not there yet, or just gone: the next round tries again.
                    with contextlib.suppress(LabError):
                        self._plug_in(mag, number)
            self._be_in_place()

    def stop(self) -> None:
        """Leave: the links go with the container."""
        if self._host is not None:
            self._host.close()

    def _plugged(self) -> set[str]:
        return {name for _, name in socket.if_nameindex()} & set(self._mags)

    def _plug_in(self, mag: str, number: int) -> None:
        port = self._domain.switch_names(mag).on_host(self._profile.access_port())
        with network_namespace(self._domain.name, mag) as namespace:
            plug_in(mag, number, port, namespace)
        try:
            ask(self._domain.name, mag, "adopt", port=port)
        except LabError:
            unplug(mag)  # both ends, so that the next round begins anew
            raise

    def _be_in_place(self) -> None:
        if self._place is not None and len(self._plugged()) == len(self._mags) and self._present() is None:
            self._hands().move(self._place)

    def _hands(self) -> MobileNodeHost:
        if self._host is None:
            raise LabError(f"{self._profile.name} is not built yet")
        return self._host

    def _present(self) -> str | None:
        with links.control_socket() as control:
            return next((mag for mag in sorted(self._plugged()) if links.is_up(control, mag)), None)

    def _move(self, request: Mapping[str, Any]) -> Answer:
        mag, gap_ms = str(request["mag"]), float(request["gap_ms"])
        with self._moving:
            missing = [name for name in self._mags if name not in self._plugged()]
            if missing:
                raise LabError(f"{self._profile.name} has no link to {', '.join(missing)} yet")
            moved = self._hands().move(mag, gap_ms)
            self._place = mag
        return Answer(value=asdict(moved))

    def _attached(self, _: Mapping[str, Any]) -> Answer:
        with self._moving:
            return Answer(value={"mag": self._present()})


class SourceContainer:
    """A source: an ordinary host on the multicast network, whose router is the LMA."""

    def __init__(self, domain: Domain, source: Source) -> None:
        self._domain, self._source = domain, source

    def handlers(self) -> Mapping[str, Handler]:
        """None of its own."""
        return {}

    def start(self) -> None:
        """Raises LabError when the container is not on the network."""
        interface = interface_on(IPv6Network(self._source.address))
        if interface != SOURCE_PORT:
            raise LabError(f"the source's interface is {interface}", f"give the container one network: {SOURCE_PORT}")
        write_own_checksums(interface)
        with IPRoute() as netlink:
            # The way to the mobile nodes; the source knows what fits into the LMA's tunnels.
            links.add_default_route(
                netlink, interface, gateway=LMA_LINK_LOCAL_ADDRESS, mtu=self._domain.access_mtu
            )

    def still_well(self) -> None:
        """A host has nothing to look after."""

    def stop(self) -> None:
        """Nor to end."""
