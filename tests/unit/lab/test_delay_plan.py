# SPDX-License-Identifier: Apache-2.0
"""From `links` to the delay of each path."""

from __future__ import annotations

import dataclasses
from ipaddress import IPv6Address

import pytest

from lab.delay_plan import delayed_paths
from tests.unit.lab.test_lab_plan import DOMAIN
from topology.model import Link


def delays_ms(*links: Link) -> dict[tuple[str, str], float]:
    paths = delayed_paths(dataclasses.replace(DOMAIN, links=links))
    return {(path.source, path.destination): path.delay_ms for path in paths}


def both_ways(*delays: tuple[str, str, float]) -> dict[tuple[str, str], float]:
    return {pair: delay for first, second, delay in delays for pair in ((first, second), (second, first))}


@pytest.mark.parametrize(
    ("links", "expected"),
    [
        ((), {}),
        ((Link(node="mag2"), Link(between=("lma", "mag1"))), {}),
        ((Link(node="mag2", delay_ms=20),), both_ways(("lma", "mag2", 20), ("mag1", "mag2", 20))),
        ((Link(between=("mag2", "lma"), delay_ms=20),), both_ways(("lma", "mag2", 20))),
        ((Link(between=("mag1", "mag2"), delay_ms=0.5),), both_ways(("mag1", "mag2", 0.5))),
        (
            (Link(node="lma", delay_ms=1), Link(node="mag2", delay_ms=5), Link(between=("lma", "mag2"), delay_ms=20)),
            both_ways(("lma", "mag1", 1), ("lma", "mag2", 26), ("mag1", "mag2", 5)),
        ),
    ],
)
def test_delays_on_the_way_add_up(links: tuple[Link, ...], expected: dict[tuple[str, str], float]) -> None:
    assert delays_ms(*links) == expected


def test_a_path_has_the_transport_addresses_of_its_ends() -> None:
    domain = dataclasses.replace(DOMAIN, links=(Link(between=("lma", "mag2"), delay_ms=0.25),))
    path = delayed_paths(domain)[0]
    assert (path.source, path.source_address) == ("lma", IPv6Address("2001:db8:ff::1"))
    assert (path.destination, path.destination_address) == ("mag2", IPv6Address("2001:db8:ff::12"))
    assert path.delay_ns == 250_000
