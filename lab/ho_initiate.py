# SPDX-License-Identifier: Apache-2.0
"""The mobile node's own trigger: `python -m lab.ho_initiate --mn-id mn1@example.net --new-mag mag2`, inside its host.

Sends the draft's HO-Initiate (step 1 of its Figure 2) on the access link: a Mobility Header message of the experimental
type 11 (RFC 5096) to all routers of the link.
"""

from __future__ import annotations

import argparse
import errno
import secrets
import socket
import sys
import time
from ipaddress import IPv6Address

from southbound.codec.binding_options import MobileNodeIdentifier
from southbound.codec.castover_options import NewMagIdentifier
from southbound.codec.errors import EncodeError
from southbound.codec.handover import HandoverIndication
from southbound.codec.mobility import encode_mobility

ALL_ROUTERS = IPv6Address("ff02::2")
_PROTOCOL_MOBILITY = 135
_DISCARD_PORT = 9
_ADDRESS_WITHIN_S = 5.0
"""Duplicate address detection takes a host one to two seconds after its link has come up first (RFC 4862 section 5.4)."""
_POLL_S = 0.02


def encode_ho_initiate(mn_id: str, new_mag: str, sequence: int, source: IPv6Address) -> bytes:
    """The whole Mobility Header. Raises EncodeError."""
    message = HandoverIndication(
        sequence=sequence,
        options=(MobileNodeIdentifier(identifier=mn_id), NewMagIdentifier(identifier=new_mag)),
    )
    return encode_mobility(message, source, ALL_ROUTERS)


def send_ho_initiate(mn_id: str, new_mag: str, interface: str, sequence: int) -> None:
    """Send it once on the interface, from the calling thread's namespace. Raises OSError, EncodeError."""
    scope = socket.if_nametoindex(interface)
    target = (str(ALL_ROUTERS), 0, 0, scope)
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, _PROTOCOL_MOBILITY) as raw:
        raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, scope)
        # The checksum covers the source address: the kernel's choice of it has to be known before.
        raw.sendto(encode_ho_initiate(mn_id, new_mag, sequence, _source_address(scope)), target)


def _source_address(scope: int) -> IPv6Address:
    deadline = time.monotonic() + _ADDRESS_WITHIN_S
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        while True:
            try:
                probe.connect((str(ALL_ROUTERS), _DISCARD_PORT, 0, scope))
                return IPv6Address(probe.getsockname()[0].partition("%")[0])
            except OSError as error:
                if error.errno != errno.EADDRNOTAVAIL or time.monotonic() > deadline:
                    raise
            time.sleep(_POLL_S)


def main() -> int:
    """Send one HO-Initiate. Exit code 1 with one line when that cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m lab.ho_initiate", description="Send the MN's HO-Initiate.")
    parser.add_argument("--mn-id", required=True, help="the mobile node's NAI")
    parser.add_argument("--new-mag", required=True, help="id of the MAG that it will move to")
    parser.add_argument("--interface", default="wlan0")
    parser.add_argument("--sequence", type=int, help="Sequence # (default: random)")
    known = parser.parse_args()
    sequence = known.sequence if known.sequence is not None else secrets.randbelow(1 << 16)
    try:
        send_ho_initiate(known.mn_id, known.new_mag, known.interface, sequence)
    except (OSError, EncodeError) as error:
        print(f"HO-Initiate not sent on {known.interface}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
