# SPDX-License-Identifier: Apache-2.0
"""Cross-checks of `links`: each names one node or two, that are there, and nothing is named twice."""

from __future__ import annotations

from topology.problem import Location, show_value
from topology.refer import known_mags, refer
from topology.schema import Document, LinkSection
from topology.unique import Report, unique


def check_links(document: Document, report: Report) -> None:
    """What a link is of, and that no other link is of the same."""
    links = [(("links", position), link) for position, link in enumerate(document.links or ())]
    for location, link in links:
        _one_kind(location, link, report)
    _names(document, report)
    unique([((*location, "node"), link.node) for location, link in links], "one link for each node", report)
    pairs = [((*location, "between"), _pair(location, link, report)) for location, link in links]
    unique(pairs, "one link for each pair of nodes", report, show=" and ".join)


def _one_kind(location: Location, link: LinkSection, report: Report) -> None:
    if report.refused(location, (*location, "node"), (*location, "between")):
        return
    allowed = "either node or between"
    if link.node is None and link.between is None:
        report(location, "neither node nor between", allowed)
    elif link.node is not None and link.between is not None:
        report(location, "both node and between", allowed)


def _names(document: Document, report: Report) -> None:
    mags = known_mags(document, report)
    if mags is None or document.lma is None or document.lma.id is None:
        return
    nodes = (document.lma.id, *mags)
    for position, link in enumerate(document.links or ()):
        refer(("links", position, "node"), link.node, nodes, report)
        for index, name in enumerate(link.between or ()):
            refer(("links", position, "between", index), name, nodes, report)


def _pair(location: Location, link: LinkSection, report: Report) -> tuple[str, ...] | None:
    """The two nodes in the order of their names; None when there are not two, which is reported."""
    where = (*location, "between")
    if link.between is None or None in link.between or report.refused(where):
        return None
    names = tuple(sorted(name for name in link.between if name is not None))
    if len(names) != 2:
        report(where, "one id" if names else "an empty list", "two ids")
        return None
    if names[0] == names[1]:
        report(where, f"{show_value(names[0])} twice", "two different nodes")
        return None
    return names
