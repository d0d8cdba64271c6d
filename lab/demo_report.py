# SPDX-License-Identifier: Apache-2.0
"""The demo's report on the terminal: tables of runs that have been accounted."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lab.accounting import Tally, percentile
from lab.demo_modes import origin
from lab.demo_result import RunResult, native_came_first, preparation_ms, steps_in_ms
from lab.demo_run import HandoverRun

_GOOD, _BAD = "green", "red"


def print_run(result: RunResult, console: Console) -> None:
    """One run: the steps of its first handover in full, then one line a handover, then the nodes' totals."""
    console.print()
    console.rule(f"[bold]{result.mode}[/], dialect {result.dialect}", align="left")
    if result.runs:
        console.print(_first_handover(result.runs[0], result.mode))
        console.print()
    console.print(_handovers(result))
    _print_legend(result, console)
    console.print(_nodes(result))
    for run in result.runs:
        if run.error:
            name = run.handover_id or f"{run.previous_mag} -> {run.new_mag}"
            console.print(f"[{_BAD}]handover {escape(name)}: {escape(run.error)}[/]", highlight=False)
    for fault in result.measurement_faults:
        console.print(f"[yellow]measurement: {escape(fault)}[/]", highlight=False)
    colour = _BAD if result.leftovers else _GOOD
    console.print(f"leftovers: [{colour}]{len(result.leftovers)}[/]", highlight=False)
    for leftover in result.leftovers:
        console.print(f"  [{_BAD}]{escape(leftover)}[/]", highlight=False)


def print_summary(results: Sequence[RunResult], console: Console) -> None:
    """All runs side by side."""
    console.print()
    console.rule("[bold]summary[/]", align="left")
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for result in results:
        table.add_column(f"{result.dialect}\n{result.mode}", justify="right")
    rows = [
        ("handovers completed", [f"{result.completed}/{len(result.runs)}" for result in results]),
        ("packets sent", [str(result.moved.total.sent) for result in results]),
        ("received", [str(result.moved.total.received) for result in results]),
        ("lost", [_count(result.moved.total.lost) for result in results]),
        ("lost per handover", [_per_handover(result) for result in results]),
        ("duplicated", [_count(result.moved.total.duplicated) for result in results]),
        ("reordered", [_count(result.moved.total.reordered) for result in results]),
        ("interruption p50, ms", [_ms(_interruption(result, 0.5)) for result in results]),
        ("interruption p99, ms", [_ms(_interruption(result, 0.99)) for result in results]),
        ("HO-Initiate to clone p50, ms", [_ms(percentile(preparation_ms(result.runs), 0.5)) for result in results]),
        ("HO-Initiate to clone p99, ms", [_ms(percentile(preparation_ms(result.runs), 0.99)) for result in results]),
        ("lost by those who stayed", [_count(_others_lost(result)) for result in results]),
        ("leftovers", [_count(len(result.leftovers)) for result in results]),
    ]
    if any(result.unicast is not None for result in results):
        rows.append(("unicast lost, twice, out of order", [_unicast(result) for result in results]))
    for name, values in rows:
        table.add_row(name, *values)
    console.print(table)
    if results:
        console.print(
            f"{results[0].rate_pps:g} packets/s; {_interruption_words(results[0])}", style="dim", highlight=False,
        )


def _print_legend(result: RunResult, console: Console) -> None:
    lines = [
        "steps: number of the draft's Figure 2, where (p: previous MAG, n: new MAG, l: LMA), ms of its first report",
        _interruption_words(result),
    ]
    if any(map(native_came_first, result.runs)):
        lines.append(
            "* the new MAG had the native stream (step 10) before it delivered to the mobile node (step 7), "
            "as another node listened there, or it had joined ahead (mode join)"
        )
    for line in lines:
        console.print(line, style="dim", highlight=False, markup=False)


def _interruption_words(result: RunResult) -> str:
    return (
        "interruption: longest time between two packets at the mobile node; "
        f"the {result.gap_ms:g} ms without a radio link are part of it in every mode"
    )


def _first_handover(run: HandoverRun, mode: str) -> Table:
    title = f"first handover, {run.previous_mag} -> {run.new_mag}"
    table = Table(box=None, pad_edge=False, title=title, title_justify="left", title_style="")
    table.add_column("step", justify="right")
    table.add_column("what")
    table.add_column("node")
    table.add_column(f"ms after {origin(mode)}", justify="right")
    table.add_column("", style="dim")
    for step in sorted(steps_in_ms(run), key=lambda step: step["step"]):
        table.add_row(
            str(step["step"]), step["name"], step["node"], f"{step['at_ms']:.2f}", step.get("detail", ""),
        )
    return table


def _handovers(result: RunResult) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("#", "move", "sent", "received", "lost", "dup", "reord", "interruption ms"):
        table.add_column(name, justify="left" if name == "move" else "right")
    table.add_column(f"steps: ms after {origin(result.mode)}")
    for number, (run, window) in enumerate(zip(result.runs, result.moved.windows, strict=True), start=1):
        table.add_row(
            str(number), f"{run.previous_mag} -> {run.new_mag}", *_cells(window),
            _compact(run) if run.completed else f"[{_BAD}]not completed[/] {_compact(run)}",
        )
    return table


def _compact(run: HandoverRun) -> str:
    """The first report of each step: '1p:0 2p:0.4 3n:2 ...', with a star where a footnote belongs to it."""
    letters = {run.previous_mag: "p", run.new_mag: "n"}
    first: dict[int, tuple[str, float]] = {}
    for step in steps_in_ms(run):
        first.setdefault(step["step"], (letters.get(step["node"], "l"), step["at_ms"]))
    star = {10: "*"} if native_came_first(run) else {}
    return " ".join(
        f"[dim]{step}{letter}:[/]{_short(at_ms)}{star.get(step, '')}" for step, (letter, at_ms) in sorted(first.items())
    )


def _short(at_ms: float) -> str:
    """Two digits do: the first handover and the JSON report have the times in full, and a row has to fit its line."""
    return f"{at_ms:.2g}" if abs(at_ms) < 10 else f"{at_ms:.0f}"


def _nodes(result: RunResult) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("whole run")
    for name in ("sent", "received", "lost", "dup", "reord", "interruption ms"):
        table.add_column(name, justify="right")
    for number, (name, found) in enumerate(result.accounts.items()):
        table.add_row(f"{name} {'moved' if number == 0 else 'stayed'}", *_cells(found.total))
    if result.unicast is not None:
        table.add_row(f"{next(iter(result.accounts))} unicast", *_cells(result.unicast.total))
    return table


def _cells(tally: Tally) -> list[str]:
    return [
        str(tally.sent), str(tally.received), _count(tally.lost), _count(tally.duplicated), _count(tally.reordered),
        _ms(tally.interruption_ms),
    ]


def _count(count: int) -> str:
    return f"[{_BAD}]{count}[/]" if count else f"[{_GOOD}]0[/]"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _unicast(result: RunResult) -> str:
    if result.unicast is None:
        return "-"
    tally = result.unicast.total
    return ", ".join(_count(count) for count in (tally.lost, tally.duplicated, tally.reordered))


def _per_handover(result: RunResult) -> str:
    lost = sum(window.lost for window in result.moved.windows)
    return f"{lost / len(result.runs):.1f}" if result.runs else "-"


def _interruption(result: RunResult, share: float) -> float | None:
    gaps = [window.interruption_ms for window in result.moved.windows if window.interruption_ms is not None]
    return percentile(gaps, share)


def _others_lost(result: RunResult) -> int:
    return sum(found.total.lost for found in list(result.accounts.values())[1:])
