# SPDX-License-Identifier: Apache-2.0
"""A mobile node: an unmodified host with one interface, `wlan0`, that is in reach of at most one MAG at a time.

`wlan0` is a bridge with one veth to each MAG, named after the MAG; the veth that is up is where the node is. The
bridge keeps its address and its sockets' multicast joins while no veth is up: the host has lost its radio, no more.
Address and default route are the host's own doing, from the router advertisements of its first MAG (RFC 4862).
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute

from lab import links
from lab.errors import LabError
from lab.links import VethPair
from lab.namespaces import namespace_path, run_inside
from lab.plan import RADIO_BRIDGE, Node
from topology.model import MobileNode


@dataclass(frozen=True, slots=True, kw_only=True)
class Instant:
    """One moment on both clocks, in seconds."""

    monotonic: float
    """CLOCK_MONOTONIC: the same in every namespace of the machine."""
    realtime: float
    """Since 1970."""

    @classmethod
    def now(cls) -> Instant:
        """The present moment."""
        return cls(monotonic=time.monotonic(), realtime=time.time())


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkChange:
    """One system call that set a port up or down."""

    mag: str
    called: Instant
    """Just before the call. A port that goes down receives nothing from about here on."""
    returned: Instant
    """Just after it. A port that comes up can receive from between the two on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What a move did. `down` is None when the node was nowhere, `up` when it was only detached."""

    mobile_node: str
    down: LinkChange | None
    up: LinkChange | None

    @property
    def gap_ms(self) -> float | None:
        """From the call that took the old link down to the call that brought the new one up; None without both."""
        if self.down is None or self.up is None:
            return None
        return (self.up.called.monotonic - self.down.called.monotonic) * 1000


def build_mobile_node(node: Node, mobile_node: MobileNode, mags: Iterable[tuple[Node, str]]) -> None:
    """Build the host with its link to every MAG, all of them down; `mags` with the name of its access port there."""

    def build() -> None:
        build_radio(mobile_node)
        for number, (mag, access_port) in enumerate(mags, start=1):
            plug_in(mag.name, number, access_port, namespace_path(mag.namespace))

    run_inside(node.namespace, build)


def build_radio(mobile_node: MobileNode) -> None:
    """Make the calling thread's namespace the mobile node's host: wlan0, in reach of no MAG."""
    with links.control_socket() as control, IPRoute() as netlink:
        links.add_bridge(netlink, RADIO_BRIDGE, address=mobile_node.link_layer_id.hex(":"))
        links.disable_transmit_checksum_offload(control, RADIO_BRIDGE)
        links.bring_up(netlink, "lo", RADIO_BRIDGE)
        if mobile_node.ipv4_home_address is not None:
            links.add_address(netlink, RADIO_BRIDGE, mobile_node.ipv4_home_address)
            links.add_ipv4_default_route(netlink, RADIO_BRIDGE)


def plug_in(mag: str, number: int, access_port: str, namespace: Path) -> None:
    """Give wlan0 a link to a MAG, down: its other end is `access_port` in the MAG's namespace.

    `number` is another one for each MAG. The caller needs CAP_NET_ADMIN over both namespaces, and to enter none.
    """
    with links.control_socket() as control, IPRoute() as netlink:
        links.add_veth(netlink, VethPair(name=mag, peer_name=access_port, peer_namespace=namespace, number=number))
        # The veth is the radio, not an interface of the host: it must not speak IPv6 with a MAC of its own.
        links.disable_ipv6(mag)
        links.disable_transmit_checksum_offload(control, mag)
        netlink.link("set", index=links.interface_index(mag), master=links.interface_index(RADIO_BRIDGE))


def unplug(mag: str) -> None:
    """Remove the link to a MAG, both ends of it."""
    with IPRoute() as netlink:
        netlink.link("del", index=links.interface_index(mag))


class MobileNodeHost:
    """Handle on a mobile node that is built; close it, or use it as a context manager.

    `inside` carries out a job where the node's interfaces are; by default in the node's namespace.
    """

    def __init__(
        self, node: Node, mags: tuple[str, ...], inside: Callable[[Callable[[], Any]], Any] | None = None
    ) -> None:
        self.node = node
        self._mags = mags
        self._inside = inside or (lambda job: run_inside(node.namespace, job))
        self._control: socket.socket = self._inside(links.control_socket)

    def __enter__(self) -> MobileNodeHost:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the handle up; the mobile node stays as it is."""
        self._control.close()

    def attached_to(self) -> str | None:
        """The MAG whose link is up, or None."""
        return next((mag for mag in self._mags if links.is_up(self._control, mag)), None)

    def receives(self, mag: str) -> bool:
        """Whether frames from this MAG reach wlan0 now: the port is up and the bridge forwards from it."""
        state = bool(self._inside(lambda: links.bridge_port_forwards(mag)))
        return links.is_running(self._control, mag) and state

    def detach(self) -> Move:
        """Leave the present MAG."""
        present = self.attached_to()
        return Move(mobile_node=self.node.name, down=self._change(present, up=False) if present else None, up=None)

    def move(self, mag: str, gap_ms: float = 0.0) -> Move:
        """Leave the present MAG, and arrive at `mag` `gap_ms` after that (at once when 0 or less).

        The gap counts from the moment the old link goes down, which is when the node goes deaf: taking an interface
        down lasts some milliseconds itself, and only what is left of the gap after it is waited for. The MAG may be the
        present one. Raises LabError when there is no such MAG; the node then stays where it is.
        """
        if mag not in self._mags:
            raise LabError(f"{self.node.name} has no link to {mag!r}", f"allowed: {', '.join(self._mags)}")
        present = self.attached_to()
        down = self._change(present, up=False) if present else None
        if down is not None:
            remaining = down.called.monotonic + gap_ms / 1000 - time.monotonic()
            if remaining > 0:
                time.sleep(remaining)
        return Move(mobile_node=self.node.name, down=down, up=self._change(mag, up=True))

    def _change(self, mag: str, *, up: bool) -> LinkChange:
        called = Instant.now()
        links.set_up(self._control, mag, up)
        return LinkChange(mag=mag, called=called, returned=Instant.now())
