# SPDX-License-Identifier: Apache-2.0
"""What good files become: the repository's default file, the example of the documentation, defaults, derived values."""

from __future__ import annotations

import dataclasses
import re
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

import pytest

from topology.load import load_topology, parse_topology
from topology.model import Controller, Link, Subscription
from topology.problem import TopologyError
from topology.settings import Limits, Timers

REPOSITORY = Path(__file__).resolve().parents[3]
DEFAULT_FILE = REPOSITORY / "topology.yaml"


def test_the_default_file_is_the_domain_it_says() -> None:
    domain = load_topology(DEFAULT_FILE)
    assert (domain.name, domain.dialect, domain.option_length_unit) == ("castover", "draft", "words")
    assert (domain.lma_gre_key, domain.mag_gre_key) == (100, 200)
    assert domain.transport_network == IPv6Network("2001:db8:ff::/64")
    assert domain.controller == Controller(address=IPv6Address("fd00:ca57::1"))
    assert (domain.lma.datapath_id, domain.lma.transport_datapath_id) == (0x1, 0x2)
    assert [(mag.id, mag.index, mag.datapath_id, mag.dialect) for mag in domain.mags] == [
        ("mag1", 1, 0x11, None),
        ("mag2", 2, 0x12, None),
    ]
    first = domain.mobile_nodes[0]
    assert (first.id, first.name, first.attached_to) == ("mn1@example.net", "mn1", "mag1")
    assert first.link_layer_id == bytes.fromhex("020000000011")
    assert first.mags == ("mag1", "mag2")
    assert first.allowed_groups == (IPv6Network("ff00::/8"), IPv4Network("224.0.0.0/4"))
    assert first.subscriptions == (Subscription(group=IPv6Address("ff1e::101")),)
    assert domain.sources[0].prefix_length == 64
    assert (domain.timers, domain.limits, domain.links) == (Timers(), Limits(), ())


def test_the_commented_sections_of_the_default_file_load() -> None:
    text = DEFAULT_FILE.read_text(encoding="utf-8")
    head, comment, optional = text.partition("# timers:")
    assert comment
    domain = parse_topology(head + re.sub(r"(?m)^# ", "", comment + optional), "topology.yaml")
    assert domain.links == (Link(node="mag2", delay_ms=5.0), Link(between=("lma", "mag2"), delay_ms=20.0))


def test_what_the_file_gives_stands_over_the_defaults(edit: Any) -> None:
    domain = edit(
        ("dialect: draft ", "dialect: rfc "),
        ("rest: 127.0.0.1:8080", 'rest: "[::1]:9090"\n  rpc_port: 7000'),
        ("    management_address: fd00:ca57::12", "    management_address: fd00:ca57::12\n    dialect: draft"),
        ("    attached_to: mag1\n", "    attached_to: mag1\n    mags: [mag1]\n    allowed_groups: [ff1e::/16]\n"),
        ("sources:", "timers: {cut_wait_ms: 7, context_lifetime_s: 2}\nlimits: {buffer_age_ms: 900}\nsources:"),
    )
    assert (domain.controller.rest_host, domain.controller.rest_port, domain.controller.rpc_port) == ("::1", 9090, 7000)
    assert [domain.dialect_towards(mag) for mag in domain.mags] == ["rfc", "draft"]
    assert domain.mobile_nodes[0].mags == ("mag1",)
    assert domain.timers == Timers(cut_wait_ms=7, context_lifetime_s=2.0)
    assert isinstance(domain.timers.context_lifetime_s, float)
    assert domain.limits == dataclasses.replace(Limits(), buffer_age_ms=900)


@pytest.mark.parametrize("key", ["multicast_signalling", "advertise_home_networks"])
def test_the_lma_does_both_unless_it_is_told_not_to(edit: Any, key: str) -> None:
    for value, does in (("true", True), ("false", False)):
        domain = edit(("lma:\n  id: lma\n", f"lma:\n  id: lma\n  {key}: {value}\n"))
        assert getattr(domain.lma, key) is does
    assert getattr(load_topology(DEFAULT_FILE).lma, key)


@pytest.mark.parametrize(
    ("old", "new"),
    [("domain:\n", "domain:\n  binding_order: sequence-numbers\n"),
     ("lma:\n", "timers:\n  timestamp_validity_window_ms: 401\nlma:\n")],
)
def test_a_mag_may_be_far_away_where_its_pbus_do_not_grow_too_old(edit: Any, old: str, new: str) -> None:
    far = ("sources:\n", "links: [{between: [lma, mag2], delay_ms: 400}]\nsources:\n")
    assert edit((f"\n{old}", f"\n{new}"), far).links[0].delay_ms == 400


def test_a_link_layer_id_of_digits_is_not_a_number_in_base_60(edit: Any) -> None:
    domain = edit(("02:00:00:00:00:11", "12:34:56:10:20:30"))
    assert domain.mobile_nodes[0].link_layer_id == bytes.fromhex("123456102030")


def test_a_section_with_everything_commented_out_is_absent(edit: Any) -> None:
    assert edit(("sources:", "timers:\n  # cut_wait_ms: 7\nlinks:\nsources:")).timers == Timers()


def test_a_byte_order_mark_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "topology.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + DEFAULT_FILE.read_bytes())
    assert load_topology(file) == load_topology(DEFAULT_FILE)


def test_the_largest_domain_loads() -> None:
    mags = "\n".join(
        f"  - {{id: mag{i}, address: '2001:db8:ff::{i + 16:x}', management_address: 'fd00:ca57::{i + 16:x}'}}"
        for i in range(64)
    )
    groups = "".join(f"\n      - group: ff1e::{i:x}" for i in range(1, 51))
    nodes = "\n".join(
        f"  - id: mn{i}@example.net\n    link_layer_id: 02:00:00:00:01:{i:02x}\n"
        f"    home_network_prefix: 2001:db8:100:{i:x}::/64\n    attached_to: mag{i % 64}\n    subscriptions:{groups}"
        for i in range(256)
    )
    text = DEFAULT_FILE.read_text(encoding="utf-8")
    head, sources = text.split("mags:\n")[0], text.split("sources:\n")[1]
    domain = parse_topology(f"{head}mags:\n{mags}\nmobile_nodes:\n{nodes}\nsources:\n{sources}", "topology.yaml")
    assert (len(domain.mags), len(domain.mobile_nodes)) == (64, 256)
    assert domain.mags[63].datapath_id == 0x50


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "topology.yaml:1: found an empty file; allowed: a mapping that starts with 'castover: 1'"),
        (b"# nothing\n", "topology.yaml:1: found an empty file; allowed: a mapping that starts with 'castover: 1'"),
        (b"- 1\n", "topology.yaml:1: found a list; allowed: a mapping that starts with 'castover: 1'"),
        (b"hello", "topology.yaml:1: found 'hello'; allowed: a mapping that starts with 'castover: 1'"),
        (
            b"castover: 1\n\xff\xfe",
            "topology.yaml:2: found octets that are not UTF-8 (0xff at octet 12); allowed: UTF-8 text",
        ),
        (b"a: 1\nb: \x01", "topology.yaml:2: found the control character '\\x01'; allowed: printable text"),
        (b"a: 1\n---\nb: 2\n", "topology.yaml:2: found a second YAML document; allowed: one document"),
        (b"a: &x 1\nb: *x\n", "topology.yaml:2: found an alias (*); allowed: values written out"),
        (
            b"a: !!python/name:os.system\n",
            "topology.yaml:1: found the tag 'tag:yaml.org,2002:python/name:os.system'; allowed: values without tags",
        ),
        (b"x" * (1024 * 1024 + 1), "topology.yaml: found a longer file; allowed: at most 1048576 octets"),
        (
            b"[" * 100_000,
            "topology.yaml:1: found nesting deeper than 16; allowed: the nesting of docs/reference/topology.md",
        ),
        (
            b"a:\n\t- b\n",
            "topology.yaml:2: found what is not YAML (while scanning for the next token found character '\\t' that "
            "cannot start any token); allowed: YAML: spaces for indentation, quotes around a value with ': ', "
            "a leading '[' or a trailing ':'",
        ),
        (
            b'a: 1\nb: "\\UFFFFFFFF"\n',
            "topology.yaml:2: found an escape or a version that is no YAML; allowed: YAML: spaces for indentation, "
            "quotes around a value with ': ', a leading '[' or a trailing ':'",
        ),
    ],
)
def test_what_is_no_topology_at_all_is_one_problem(
    content: bytes, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("topology.yaml").write_bytes(content)
    with pytest.raises(TopologyError) as caught:
        load_topology(Path("topology.yaml"))
    assert str(caught.value) == message


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    for name, found in (
        ("missing.yaml", "missing.yaml: found no such file or directory"),
        ("folder", "folder: found is a directory"),
        ("a\0b", "'a\\x00b': found a name that no file can have"),
    ):
        with pytest.raises(TopologyError) as caught:
            load_topology(Path(name))
        assert str(caught.value) == f"{found}; allowed: a file that can be read"
