# SPDX-License-Identifier: Apache-2.0
"""table.md: what was shown, one table for each kind of question. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.exactly_once.cells import CELLS, LEAVING, MEMORY
from bench.exactly_once.result import STALLED_MS, kept

_MOVES = (
    "what", "dialect", "moves", "packets/s", "packets", "lost", "duplicated", "reordered",
    "silence beyond the gap p50, ms", "p95", "max", f"more than {STALLED_MS:g} ms", "as promised",
)
_LEAVING = (
    "aimed at", "left", "moves", "clone confirmed after leaving p50, ms", "max", "lost per move p50", "max", "lost",
    "duplicated", "reordered", "as promised",
)
_MEMORY = ("process", "handovers", "settled, KiB", "end, KiB", "most, KiB", "grows")


def render_table(document: Mapping[str, Any]) -> str:
    """The whole file from the results document."""
    cells = sorted(document["cells"], key=lambda cell: _position(cell["name"]))
    parts = ["# Exactly once, in order", "", *_environment(document), ""]
    for section in dict.fromkeys(cell["section"] for cell in cells):
        there = [cell for cell in cells if cell["section"] == section]
        parts += [f"## {section}", "", *_section(section, there), ""]
    missing = [cell.name for cell in CELLS if cell.name not in {done["name"] for done in cells}]
    if missing:
        parts += ["## Not measured", "", f"{', '.join(missing)}", *[f"- {why}" for why in document["failures"]], ""]
    faults = [f"{cell['name']}: {fault}" for cell in cells for fault in cell["faults"]]
    if faults:
        parts += ["## Doubts about this measurement", "", *[f"- {fault}" for fault in faults], ""]
    return "\n".join([*parts, *_legend()]) + "\n"


def line_of(cell: Mapping[str, Any]) -> list[str]:
    """A cell on the terminal: a line for each part."""
    name, lines = cell["name"], []
    for part in cell["parts"]:
        beyond, title = part["beyond_gap_ms"], f": {part['title']}" if part["title"] else ""
        lines.append(
            f"{name}{title}: {part['moves']} moves, {part['sent']} packets, "
            f"lost {part['lost']}, duplicated {part['duplicated']}, reordered {part['reordered']}; silence beyond the gap "
            f"p50/p95/max {_ms(beyond['p50'])}/{_ms(beyond['p95'])}/{_ms(beyond['max'])} ms"
            + (f", {part['errors']} errors" if part["errors"] else "") + ("" if part["kept"] else " - NOT AS PROMISED")
        )
    lines += [
        f"{name}: {stayer['mobile_node']} stayed: lost {stayer['lost']}, duplicated {stayer['duplicated']}, "
        f"reordered {stayer['reordered']}, longest silence {_ms(stayer['interruption_ms'])} ms"
        for stayer in cell["stayers"]
    ]
    if cell["copies"] is not None:
        copies = cell["copies"]
        lines.append(f"{name}: of {copies['packets']} packets {copies['repeated']} went through one tunnel more than once")
    memory = cell["memory"] or {"processes": {}}
    lines += [
        f"{name}: {process}: {kib['settled_kib']} KiB, after {kib['handovers']} more handovers {kib['end_kib']} KiB"
        for process, kib in memory["processes"].items()
    ]
    return lines


def _position(name: str) -> int:
    return next((index for index, cell in enumerate(CELLS) if cell.name == name), len(CELLS))


def _section(section: str, cells: Sequence[Mapping[str, Any]]) -> list[str]:
    if section == LEAVING:
        return _table(_LEAVING, 2, [_leaving_row(cell, part) for cell in cells for part in cell["parts"]])
    lines = _table(_MOVES, 2, [_move_row(cell, part) for cell in cells for part in cell["parts"]])
    if section == MEMORY:
        rows = [
            (name, str(process["handovers"]), *(str(process[key]) for key in ("settled_kib", "end_kib", "most_kib")),
             "**yes**" if process["grows"] else "no")
            for cell in cells if cell["memory"] for name, process in cell["memory"]["processes"].items()
        ]
        lines += ["", *_table(_MEMORY, 1, rows)]
    for cell in cells:
        lines += ["", *_beside(cell)] if cell["stayers"] or cell["copies"] else []
    return lines


def _move_row(cell: Mapping[str, Any], part: Mapping[str, Any]) -> tuple[str, ...]:
    beyond = part["beyond_gap_ms"]
    return (
        part["title"] or cell["title"], cell["dialect"], _moves(part), f"{cell['sent_pps'] or 0:.0f}", str(part["sent"]),
        str(part["lost"]), str(part["duplicated"]), str(part["reordered"]), _ms(beyond["p50"]), _ms(beyond["p95"]),
        _ms(beyond["max"]), str(part["stalled"]), _kept(part["kept"]),
    )


def _leaving_row(cell: Mapping[str, Any], part: Mapping[str, Any]) -> tuple[str, ...]:
    before, lost = part["left_before_clone_ms"], part["lost_per_move"]
    return (
        cell["title"], part["title"], _moves(part), _ms(before["p50"]), _ms(before["max"]), _number(lost["p50"]),
        _number(lost["max"]), str(part["lost"]), str(part["duplicated"]), str(part["reordered"]), _kept(part["kept"]),
    )


def _beside(cell: Mapping[str, Any]) -> list[str]:
    copies = cell["copies"]
    lines = [
        f"- {stayer['mobile_node']}, which stayed: {stayer['sent']} packets, {stayer['lost']} lost, "
        f"{stayer['duplicated']} duplicated, {stayer['reordered']} reordered; longest silence "
        f"{_ms(stayer['interruption_ms'])} ms"
        for stayer in cell["stayers"]
    ]
    if copies is not None:
        lines.append(
            f"- on the wire: {copies['packets']} packets in tunnels, each at most {copies['most']} time(s) in one tunnel"
        )
    return lines


def _table(columns: Sequence[str], words: int, rows: Sequence[Sequence[str]]) -> list[str]:
    """`words`: so many columns are no numbers."""
    rule = ["---" if index < words else "---:" for index in range(len(columns))]
    return ["| " + " | ".join(row) + " |" for row in (columns, rule, *rows)]


def _environment(document: Mapping[str, Any]) -> list[str]:
    machine, cells = document["machine"], document["cells"]
    commits = dict.fromkeys(
        str(cell["measured"]["commit"] or "unknown")[:12]
        + (" with uncommitted changes" if cell["measured"]["uncommitted_changes"] else "")
        for cell in cells
    )
    loads = [cell["measured"]["load_before"][0] for cell in cells if cell["measured"]["load_before"]]
    broken = [cell["name"] for cell in cells if not kept(cell)]
    verdict = "Everything is as promised." if not broken else f"**Not as promised: {', '.join(broken)}.**"
    return [
        f"{document['started']}, commit {', '.join(commits) or machine['commit']}. {machine.get('cores')} cores of "
        f"{machine.get('processor')}, Linux {machine.get('kernel')}, Open vSwitch {machine.get('open_vswitch')}, Python "
        f"{machine.get('python')}; load before each cell: {min(loads, default=0):.2f} to {max(loads, default=0):.2f}.",
        "",
        "1,000 packets/s of 200 octets and 50 ms without a link where nothing else is said. " + verdict
        + ("" if document["complete"] else " **This is not all of it.**"),
    ]


def _legend() -> list[str]:
    return [
        "Silence beyond the gap: the longest time between two packets at the mobile node, less the time it was without a "
        "link. Paths of unlike length: what the longer one is longer by delays the stream once, when it becomes the "
        "way of the stream. Left: how far the handover was, by the times that the MAGs themselves have recorded.",
        "",
        "As promised: nothing lost, duplicated or reordered; at 10,000 packets/s nothing lost, and less than 1 in 10,000 "
        "duplicated or reordered; where the mobile node left before the clone was confirmed, nothing duplicated or "
        "reordered, and lost at most what was sent until then and 5 ms longer.",
    ]


def _moves(part: Mapping[str, Any]) -> str:
    return str(part["moves"]) + (f"; {part['errors']} errors" if part["errors"] else "")


def _kept(is_kept: bool) -> str:
    return "yes" if is_kept else "**no**"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"
