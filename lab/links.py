# SPDX-License-Identifier: Apache-2.0
"""Links and addresses through netlink. Every function acts in the calling thread's namespace (`run_inside`)."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import socket
import struct
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Address, IPv6Interface
from pathlib import Path

from pyroute2 import IPRoute

from lab.namespaces import write_setting

_IFA_F_NODAD = 0x02
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _SIOCETHTOOL = 0x8913, 0x8914, 0x8946
_ETHTOOL_GTXCSUM, _ETHTOOL_STXCSUM = 0x16, 0x17
_IFF_UP, _IFF_RUNNING = 0x1, 0x40
_FIRST_INDEX = 1000
_LAST_RESORT = 10_000
_IN6_ADDR_GEN_MODE_NONE = 1
_BR_STATE_FORWARDING = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class VethPair:
    """A veth: one end here, the other in another namespace."""

    name: str
    peer_name: str
    peer_namespace: Path
    """A file that is that namespace: where it is bound, or /proc/self/fd/N."""
    number: int
    """Distinct per veth of this namespace; gives this end its interface index."""
    mtu: int = 1500


def add_veth(netlink: IPRoute, pair: VethPair) -> None:
    """Create the pair, both ends down.

    The two ends never have the same interface index. The kernel takes a veth whose peer has its own index for a
    device without a lower link, and may then report a change of carrier up to one second late
    (linkwatch_urgent_event in net/core/link_watch.c).
    """
    netlink.link(
        "add", kind="veth", ifname=pair.name, index=_FIRST_INDEX + pair.number, mtu=pair.mtu,
        peer={"ifname": pair.peer_name, "mtu": pair.mtu, "net_ns_fd": str(pair.peer_namespace)},
    )


def keep_frames_in_order(number: int) -> None:
    """Let one processor receive for all interfaces that this namespace will get: a wire is first in, first out.

    A veth hands each frame to the processor that sent it. Of two frames sent one after the other by two processors, or
    by a thread that moved from one to the other between them, the second may be received first. `number` spreads the
    namespaces over the processors. A kernel without the setting (before 6.4), or a container where it cannot be
    written, stays as it is.
    """
    processors = sorted(os.sched_getaffinity(0))
    try:
        write_setting("core/rps_default_mask", f"{1 << processors[number % len(processors)]:x}")
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EROFS, errno.EACCES):
            raise


def add_bridge(netlink: IPRoute, name: str, *, address: str | None = None, mtu: int = 1500) -> int:
    """A plain Linux bridge that forwards at once: no spanning tree, no forward delay, no snooping. Its index."""
    extra = {} if address is None else {"address": address}
    netlink.link(
        "add", kind="bridge", ifname=name, mtu=mtu, br_stp_state=0, br_forward_delay=0, br_mcast_snooping=0, **extra
    )
    return interface_index(name)


def interface_index(name: str) -> int:
    """The interface's index; OSError when there is none of this name."""
    return socket.if_nametoindex(name)


def bring_up(netlink: IPRoute, *names: str) -> None:
    """Set interfaces administratively up."""
    for name in names:
        netlink.link("set", index=interface_index(name), state="up")


def add_address(netlink: IPRoute, name: str, address: IPv4Interface | IPv6Interface) -> None:
    """Add an address that is usable at once (no duplicate address detection)."""
    ipv6 = isinstance(address, IPv6Interface)
    netlink.addr(
        "add", index=interface_index(name), family=socket.AF_INET6 if ipv6 else socket.AF_INET, address=str(address.ip),
        prefixlen=address.network.prefixlen, **({"flags": _IFA_F_NODAD} if ipv6 else {}),
    )


def add_ipv4_default_route(netlink: IPRoute, name: str) -> None:
    """The same for IPv4, behind any other: with reverse path filtering a host hears no source that it has no route to."""
    netlink.route(
        "add", family=socket.AF_INET, dst="0.0.0.0/0", oif=interface_index(name), scope="link", priority=_LAST_RESORT
    )


def add_default_route(netlink: IPRoute, name: str, *, gateway: IPv6Address, mtu: int) -> None:
    """Everything that has no other route goes to this router, in packets of at most this size."""
    netlink.route(
        "replace",  # a container may have been given one
        family=socket.AF_INET6, dst="::/0", oif=interface_index(name), gateway=str(gateway),
        metrics={"attrs": [("RTAX_MTU", mtu)]},
    )


def disable_ipv6(name: str) -> None:
    """Keep the kernel's own IPv6 stack off an interface: it must neither answer nor speak there.

    In a container, where /proc/sys cannot be written, the interface gets no link-local address instead: what has no
    address sends nothing, and answers to nobody.
    """
    try:
        write_setting(f"ipv6/conf/{name}/disable_ipv6", 1)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        with IPRoute() as netlink:
            netlink.link("set", index=interface_index(name), IFLA_AF_SPEC={
                "attrs": [("AF_INET6", {"attrs": [("IFLA_INET6_ADDR_GEN_MODE", _IN6_ADDR_GEN_MODE_NONE)]})],
            })


def disable_transmit_checksum_offload(control: socket.socket, *names: str) -> None:
    """Let the kernel write checksums itself: a frame in a userspace switch never meets the hardware that would."""
    for name in names:
        value = ctypes.create_string_buffer(struct.pack("II", _ETHTOOL_STXCSUM, 0), 8)
        request = struct.pack("16sP16x", name.encode("ascii"), ctypes.addressof(value))
        fcntl.ioctl(control, _SIOCETHTOOL, request)


def checksums_transmitted(control: socket.socket, name: str) -> bool:
    """Whether the kernel leaves checksums to the interface."""
    value = ctypes.create_string_buffer(struct.pack("II", _ETHTOOL_GTXCSUM, 0), 8)
    try:
        fcntl.ioctl(control, _SIOCETHTOOL, struct.pack("16sP16x", name.encode("ascii"), ctypes.addressof(value)))
    except OSError:
        return False  # an interface without this setting writes them itself
    return bool(struct.unpack("II", value.raw)[1])


def set_up(control: socket.socket, name: str, up: bool) -> None:
    """Set one interface up or down by ioctl: one system call, so that the caller's clock readings lie close to it."""
    flags = _flags(control, name)
    flags = flags | _IFF_UP if up else flags & ~_IFF_UP
    fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH22x", name.encode("ascii"), flags))


def is_up(control: socket.socket, name: str) -> bool:
    """Whether the interface is administratively up."""
    return bool(_flags(control, name) & _IFF_UP)


def is_running(control: socket.socket, name: str) -> bool:
    """Whether the interface is operationally up (carrier, and the kernel has acted on it)."""
    return bool(_flags(control, name) & _IFF_RUNNING)


def _flags(control: socket.socket, name: str) -> int:
    answer = fcntl.ioctl(control, _SIOCGIFFLAGS, struct.pack("16sH22x", name.encode("ascii"), 0))
    return int(struct.unpack_from("16sH", answer)[1])


def bridge_port_forwards(name: str) -> bool:
    """Whether the bridge that this interface is a port of lets frames in and out through it."""
    with IPRoute() as netlink:
        port = netlink.get_links(interface_index(name))[0]
    data = port.get_nested("IFLA_LINKINFO", "IFLA_INFO_SLAVE_DATA")
    return data is not None and data.get_attr("IFLA_BRPORT_STATE") == _BR_STATE_FORWARDING


def control_socket() -> socket.socket:
    """A socket for the ioctls above; it acts on the namespace in which it was opened, from any thread."""
    return socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
