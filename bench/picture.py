# SPDX-License-Identifier: Apache-2.0
"""packets.png: packets at the mobile node over time around the move, one row a lane. Drawn from results.json alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.lanes import LANES
from bench.result import AROUND_AFTER_MS, AROUND_BEFORE_MS
from bench.table import interruption
from lab.errors import LabError

BIN_MS = 2.0
# Okabe and Ito's palette: told apart by the colour-blind, and light and dark enough to be told apart in grey.
_RECEIVED, _LOST, _GAP = "#0072B2", "#D55E00", "#E8E8E8"
_TITLES = {lane.name: lane.title for lane in LANES}
_COLUMN_INCHES, _ROW_INCHES, _NAME_INCHES = 3.6, 1.05, 2.6


def check_picture_tools() -> None:
    """Raise LabError when matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise LabError("not installed: matplotlib", "tools/install.sh bench") from None


def chosen_cells(cells: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[tuple[str, str]], dict[Any, Any]]:
    """(lanes, columns (listener, reports), (lane, column) -> cell): the longest gap and the least delay measured."""
    if not cells:
        return [], [], {}
    gap, delay = max(cell["gap_ms"] for cell in cells), min(cell["lma_delay_ms"] for cell in cells)
    shown = [cell for cell in cells if (cell["gap_ms"], cell["lma_delay_ms"]) == (gap, delay)]
    order = [lane.name for lane in LANES]
    lanes = sorted({cell["lane"] for cell in shown}, key=lambda name: order.index(name) if name in order else 99)
    columns = list(dict.fromkeys((cell["listener"], cell["reports"]) for cell in shown))
    return lanes, columns, {(cell["lane"], (cell["listener"], cell["reports"])): cell for cell in shown}


def draw(document: Mapping[str, Any], file: Path) -> None:
    """Write the picture. Raises LabError when matplotlib is not installed."""
    check_picture_tools()
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.patches import Rectangle

    lanes, columns, cells = chosen_cells(document["cells"])
    if not lanes:
        return
    top = _highest_usual(document["settings"]["rate_pps"])
    size = (_NAME_INCHES + _COLUMN_INCHES * len(columns), 1.3 + _ROW_INCHES * len(lanes))
    figure, axes = pyplot.subplots(
        len(lanes), len(columns), figsize=size, sharex=True, sharey=True, squeeze=False, layout="constrained",
    )
    figure.set_facecolor("white")
    for row, lane in enumerate(lanes):
        for column, key in enumerate(columns):
            axis = axes[row][column]
            _panel(axis, cells.get((lane, key)), top)
            if row == 0:
                axis.set_title(f"{key[0].upper()} listener, {key[1]}", fontsize=10)
            if column == 0:
                axis.set_ylabel(_wrapped(_TITLES.get(lane, lane)), rotation=0, ha="right", va="center", fontsize=9)
            if row == len(lanes) - 1:
                axis.set_xlabel("ms after the link to the old MAG went down", fontsize=8)
    first = next(iter(cells.values()))
    figure.suptitle(
        f"Packets at the mobile node per {BIN_MS:g} ms around a move, the median one of each cell\n"
        f"({document['settings']['rate_pps']:g} packets/s, {first['gap_ms']:g} ms without a link, shaded)", fontsize=11,
    )
    figure.legend(handles=[
        Rectangle((0, 0), 1, 1, color=_RECEIVED, label="received"),
        Rectangle((0, 0), 1, 1, color=_LOST, label="sent at this time, and lost"),
    ], loc="outside lower right", ncols=2, fontsize=8, frameon=False)
    figure.savefig(file, dpi=130)
    pyplot.close(figure)


def _panel(axis: Any, cell: Mapping[str, Any] | None, top: float) -> None:
    axis.set_xlim(-AROUND_BEFORE_MS, AROUND_AFTER_MS)
    axis.set_ylim(-0.35 * top, top)
    axis.set_yticks([])
    axis.tick_params(labelsize=8)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    if cell is None or cell["around"] is None:
        axis.text(0.5, 0.5, "not measured", transform=axis.transAxes, ha="center", va="center", fontsize=8)
        return
    around, totals = cell["around"], cell["totals"]
    bins = round((AROUND_BEFORE_MS + AROUND_AFTER_MS) / BIN_MS)
    edges = [-AROUND_BEFORE_MS + BIN_MS * index for index in range(bins + 1)]
    axis.axvspan(0, around["radio_gap_ms"], color=_GAP, zorder=0, linewidth=0)
    axis.hist(around["arrivals_ms"], bins=edges, color=_RECEIVED, zorder=2)
    axis.vlines(around["lost_ms"], -0.3 * top, -0.06 * top, color=_LOST, linewidth=0.8, zorder=2)
    # A burst (a buffer that is emptied) is higher than the panel: say how high.
    counts = [sum(low <= time < low + BIN_MS for time in around["arrivals_ms"]) for low in edges[:-1]]
    if counts and max(counts) > top:
        beside = edges[counts.index(max(counts))] + 2 * BIN_MS
        axis.text(beside, 0.6 * top, str(max(counts)), fontsize=7, color=_RECEIVED)
    count = max(totals["handovers"], 1)
    told = interruption(totals["interruption_ms"]["p50"], totals)
    unit = "" if told.startswith(">") else " ms"
    more = "> " if totals["deaf"] else ""
    axis.text(
        0.995, 0.97, f"interrupted {told}{unit}, lost {more}{totals['lost'] / count:.0f}", transform=axis.transAxes,
        ha="right", va="top", fontsize=7.5, bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1},
    )


def _highest_usual(rate_pps: float) -> float:
    return max(4.0, rate_pps * BIN_MS / 1000 * 3)


def _wrapped(title: str, width: int = 24) -> str:
    lines = [""]
    for word in title.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)
