# SPDX-License-Identifier: Apache-2.0
"""What the tests of listeners say, and see."""

from __future__ import annotations

from ipaddress import IPv6Address

from southbound.codec.iana import Mldv2RecordType
from southbound.codec.mld import Mldv2Report
from southbound.codec.records import MulticastAddressRecord
from tests.support.domain_script import GROUP
from tests.support.simulated_domain import SimulatedDomain
from tests.support.switch_simulator import Packet
from topology.switch_names import LMA_SOURCE_PORT

OTHER = IPv6Address("ff1e::102")
S1, S2, S3 = (IPv6Address(f"2001:db8:c0::{tail}") for tail in ("10", "11", "12"))
TO_EX, TO_IN = Mldv2RecordType.CHANGE_TO_EXCLUDE_MODE, Mldv2RecordType.CHANGE_TO_INCLUDE_MODE
ALLOW, BLOCK = Mldv2RecordType.ALLOW_NEW_SOURCES, Mldv2RecordType.BLOCK_OLD_SOURCES


def record(record_type: Mldv2RecordType, group: IPv6Address, *sources: IPv6Address) -> MulticastAddressRecord:
    return MulticastAddressRecord(record_type=record_type, group=group, sources=sources)


def started() -> SimulatedDomain:
    domain = SimulatedDomain()
    domain.start()
    return domain


def receivers(domain: SimulatedDomain, source: IPv6Address = S1, group: IPv6Address = GROUP) -> list[str]:
    """The MAGs that the LMA's switch copies this packet to, with repetitions."""
    packet = Packet(in_port=LMA_SOURCE_PORT, ipv6_source=source, ipv6_destination=group)
    sent = domain.switches["lma"].inject(packet)
    addresses = [copy.tunnel_destination for _, copy in sent]
    return [mag.id for address in addresses for mag in domain.domain.mags if mag.address == address]


def reports(domain: SimulatedDomain) -> list[tuple[MulticastAddressRecord, ...]]:
    """What the LMA has reported to the multicast network."""
    return [message.records for _, message in domain.source_network if isinstance(message, Mldv2Report)]
