# SPDX-License-Identifier: Apache-2.0
"""Cross-checks of what the hosts of LMA and MAGs call their bridges and ports."""

from __future__ import annotations

from topology import derive
from topology.problem import Location
from topology.refer import refer
from topology.schema import Document, LmaSwitchSection, MagSwitchSection
from topology.switch_names import LMA_MAG_PORT, LMA_SOURCE_PORT, MAG_BUFFER_PORT, MAG_LMA_PORT, MAG_MAG_PORT
from topology.unique import Report, unique

_ALLOWED = "a name that no other bridge or port of this node has"


def check_switches(document: Document, report: Report) -> None:
    """Of each switch: names used once, access ports of mobile nodes that there are."""
    lma = document.lma
    if lma is not None and lma.switch is not None:
        _names(("lma", "switch"), lma.switch, {"mag_port": LMA_MAG_PORT, "source_port": LMA_SOURCE_PORT}, (), report)
    profiles = document.mobile_nodes or ()
    known = tuple(derive.mobile_node_name(profile.id) for profile in profiles if profile.id is not None)
    for position, mag in enumerate(document.mags or ()):
        if mag.switch is None:
            continue
        where: Location = ("mags", position, "switch")
        for index, item in enumerate(mag.switch.access_ports or ()):
            if len(known) == len(profiles):
                refer((*where, "access_ports", index, "mobile_node"), item.mobile_node, known, report)
        own = {"lma_port": MAG_LMA_PORT, "mag_port": MAG_MAG_PORT, "buffer_port": MAG_BUFFER_PORT}
        _names(where, mag.switch, own, known, report)


def _names(
    where: Location, section: LmaSwitchSection | MagSwitchSection, ports: dict[str, str], nodes: tuple[str, ...],
    report: Report,
) -> None:
    names = derive.switch_names(section)
    entries: list[tuple[Location, str]] = [
        ((*where, "integration_bridge"), names.integration_bridge), ((*where, "transport_bridge"), names.transport_bridge),
        ((*where, "transport_port"), names.transport_port),
        *(((*where, key), names.on_host(port)) for key, port in ports.items()),
    ]
    said = {}
    if isinstance(section, MagSwitchSection):
        items = section.access_ports or ()
        unique(
            [((*where, "access_ports", index, "mobile_node"), item.mobile_node) for index, item in enumerate(items)],
            "each mobile node once", report,
        )
        said = {item.mobile_node: index for index, item in enumerate(items)}
    for node in nodes:
        location = (*where, "access_ports", said[node], "port") if node in said else (*where, "access_ports")
        entries.append((location, names.on_host(node)))
    if not report.refused(*(location for location, _ in entries)):
        unique(entries, _ALLOWED, report)
