# SPDX-License-Identifier: Apache-2.0
"""Names of nodes that stand elsewhere in the document: which there are, and whether a name is one of them."""

from __future__ import annotations

from topology.problem import Location, show_value
from topology.rule import did_you_mean
from topology.schema import Document
from topology.unique import Report


def known_mags(document: Document, report: Report) -> tuple[str, ...] | None:
    """The ids of all MAGs; None when one was refused or the list was cut, so that no name can be said to be wrong."""
    mag_ids = [mag.id for mag in document.mags or ()]
    if not mag_ids or report.refused(("mags",)):
        return None
    known = tuple(mag_id for mag_id in mag_ids if mag_id is not None)
    return known if len(known) == len(mag_ids) else None


def refer(location: Location, name: str | None, choices: tuple[str, ...], report: Report) -> None:
    """Report a name that is none of the choices; None is no name."""
    if name is not None and name not in choices:
        hint = did_you_mean(name, choices)
        report(location, show_value(name) + (f", {hint}" if hint else ""), f"one of {', '.join(choices)}")
