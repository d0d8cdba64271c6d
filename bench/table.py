# SPDX-License-Identifier: Apache-2.0
"""table.md: the comparison as Markdown tables, one for each listener and condition. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.lanes import LANES
from bench.listeners import REPORTS

_TITLES = {lane.name: lane.title for lane in LANES}
_LISTENERS = {"asm": "any source (*,G)", "ssm": "one source (S,G)"}
_COLUMNS = (
    "lane", "n", "lost per handover", "duplicated", "reordered", "interruption p50, ms", "p95", "p99", "p50 / Castover's",
    "signalling per handover", "LMA tunnel copies per packet", "MAG-MAG tunnel per handover", "deaf",
)


def render_tables(document: Mapping[str, Any]) -> str:
    """The whole file from the results document."""
    parts = ["# Handovers side by side", "", *_environment(document), ""]
    for title, cells in grouped(document["cells"]):
        parts += [f"## {title}", "", *_table(cells), ""]
    away = [lane for lane in document["lanes"] if not lane["available"]]
    if away:
        parts += ["## Not measured", "", *[f"- {lane['title']}: {lane['reason']}" for lane in away], ""]
    faults = [
        f"{_TITLES.get(cell['lane'], cell['lane'])}, {condition(cell)}: {fault}"
        for cell in document["cells"] for fault in cell["measurement_faults"]
    ]
    if faults:
        parts += ["## Doubts about this measurement", "", *[f"- {fault}" for fault in faults], ""]
    parts += _legend(document)
    return "\n".join(parts) + "\n"


def grouped(cells: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """Cells that differ in their lane only, under a title that says what they share."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for cell in cells:
        groups.setdefault(condition(cell), []).append(cell)
    return list(groups.items())


def condition(cell: Mapping[str, Any]) -> str:
    """Everything but the lane, in words."""
    delay = f", LMA {cell['lma_delay_ms']:g} ms away" if cell["lma_delay_ms"] else ""
    listener = _LISTENERS.get(cell["listener"], cell["listener"])
    return f"{listener}, {cell['reports']}, {cell['gap_ms']:g} ms without a link{delay}"


def interruption(value: float | None, totals: Mapping[str, Any]) -> str:
    """In ms, or that the mobile node had heard nothing when it was given up."""
    if value is None:
        return f"> {totals['deaf_cap_s']:g} s" if totals["deaf"] else "-"
    return f"{value:.1f}"


def ratio(cell: Mapping[str, Any], cells: Sequence[Mapping[str, Any]]) -> str:
    """How often the median interruption of Castover's predictive handover under the same condition goes into this one."""
    base = next((other["totals"]["interruption_ms"]["p50"] for other in cells if other["lane"] == "predictive"), None)
    totals = cell["totals"]
    value = totals["interruption_ms"]["p50"]
    if not base or (value is None and not totals["deaf"]):
        return "-"
    return f"> {totals['deaf_cap_s'] * 1000 / base:.0f}" if value is None else f"{value / base:.2f}"


def _table(cells: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [_COLUMNS, tuple("---" if number == 0 else "---:" for number in range(len(_COLUMNS)))]
    for cell in cells:
        totals, costs = cell["totals"], cell["costs"]
        count = max(totals["handovers"], 1)
        times = [interruption(totals["interruption_ms"][name], totals) for name in ("p50", "p95", "p99")]
        at_least = "> " if totals["deaf"] else ""
        signalling, between = costs["signalling"], costs["tunnel_between_mags"]
        rows.append((
            _TITLES.get(cell["lane"], cell["lane"]), str(totals["handovers"]),
            f"{at_least}{totals['lost'] / count:.1f}", str(totals["duplicated"]), str(totals["reordered"]), *times,
            ratio(cell, cells),
            f"{signalling['messages'] / count:.1f} ({signalling['bytes'] / count:.0f} B)",
            f"{costs['lma_copies_per_packet']:.2f}" if costs["lma_copies_per_packet"] is not None else "-",
            f"{between['messages'] / count:.1f} ({between['bytes'] / count:.0f} B)",
            f"{totals['deaf']}" + (f"; {totals['errors']} errors" if totals["errors"] else ""),
        ))
    return ["| " + " | ".join(row) + " |" for row in rows]


def _environment(document: Mapping[str, Any]) -> list[str]:
    machine, settings = document["machine"], document["settings"]
    changed = " with uncommitted changes" if machine.get("uncommitted_changes") else ""
    load = ", ".join(f"{value:.2f}" for value in machine.get("load_before") or []) or "unknown"
    return [
        f"{document['started']}, commit {str(machine.get('commit') or 'unknown')[:12]}{changed}. "
        f"{machine.get('cores')} cores of {machine.get('processor')}, Linux {machine.get('kernel')}, "
        f"Open vSwitch {machine.get('open_vswitch')}, Python {machine.get('python')}; load before the run: {load}.",
        "",
        f"{settings['rate_pps']:g} packets/s of {settings['size']} octets."
        + ("" if document["complete"] else " **The run was interrupted: this is not all of it.**"),
    ]


def _legend(document: Mapping[str, Any]) -> list[str]:
    used = sorted({cell["reports"] for cell in document["cells"]})
    return [
        "Interruption: the time between two packets at the mobile node that takes the most of the handover's time; "
        "percentiles by nearest rank. Deaf: "
        f"nothing heard within {document['settings']['deaf_cap_s']:g} s after the move; a cell ends after "
        f"{document['settings']['deaf_handovers']} of them. Signalling: Mobility Header messages between LMA and MAGs, "
        "and MLD on both sides of the MAGs, measured over the whole cell and divided by its handovers. Copies: of what "
        "the source sent in the whole cell; under 1 where a lane's tunnels carry nothing for a time.",
        "",
        *[f"- {name}: {REPORTS[name]}" for name in used if name in REPORTS],
    ]
