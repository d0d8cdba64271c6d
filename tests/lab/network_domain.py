# SPDX-License-Identifier: Apache-2.0
"""A domain of two MAGs for the tests of the lab itself, rules for it, and what is left of it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path

from lab.namespaces import namespace_exists
from lab.network import Lab
from lab.plan import plan_nodes
from lab.state import lab_folder
from topology.model import Controller, Domain, Lma, Mag, MobileNode, Source

GROUP = "ff1e::101"
PORT = 5001
LMA_KEY, MAG_KEY = 0x11, 0x22


def domain(name: str) -> Domain:
    """Two MAGs, two mobile nodes, one source; names that no user's lab has."""
    return Domain(
        name=f"cst-test-{os.getpid()}-{name}", dialect="draft", option_length_unit="words",
        lma_gre_key=LMA_KEY, mag_gre_key=MAG_KEY,
        transport_network=IPv6Network("2001:db8:ff::/64"), management_network=IPv6Network("fd00:ca57::/64"),
        controller=Controller(address=IPv6Address("fd00:ca57::1"), rest_port=0),
        lma=Lma(
            id="lma", address=IPv6Address("2001:db8:ff::1"), management_address=IPv6Address("fd00:ca57::f"),
            datapath_id=0x1, transport_datapath_id=0x101,
        ),
        mags=tuple(
            Mag(
                id=f"mag{index}", index=index, address=IPv6Address(f"2001:db8:ff::1{index}"),
                management_address=IPv6Address(f"fd00:ca57::1{index}"), datapath_id=0x10 + index,
            )
            for index in (1, 2)
        ),
        mobile_nodes=tuple(
            MobileNode(
                id=f"mn{index}@example.net", name=f"mn{index}", link_layer_id=bytes([2, 0, 0, 0, 0, 0x10 + index]),
                home_network_prefixes=(IPv6Network(f"2001:db8:100:{index}::/64"),), attached_to="mag1",
                mags=("mag1", "mag2"), allowed_groups=(IPv6Network("ff1e::/16"),),
            )
            for index in (1, 2)
        ),
        sources=(Source(name="source", address=IPv6Address("2001:db8:c0::10")),),
    )


def until(condition: Callable[[], bool], what: str, timeout_s: float = 15.0) -> None:
    """Poll until the condition holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(0.01)


def left_over(of: Domain) -> list[str]:
    """Whatever a lab of this domain has left on the machine."""
    namespaces = [node.namespace for node in plan_nodes(of) if namespace_exists(node.namespace)]
    processes = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if f"/castover/{of.name}/" in words or words.rstrip().endswith(f"lab.neighbours {of.name}"):
                processes.append(words)
    return namespaces + processes + ([str(lab_folder(of.name))] if lab_folder(of.name).exists() else [])


def install_rules(lab: Lab) -> None:
    """The group to both MAGs, and there to every mobile node."""
    buckets = ",".join(
        f"bucket=bucket_id={mag.index},actions=set_field:{LMA_KEY}->tun_id,set_field:{mag.address}->tun_ipv6_dst,"
        "output:mag0"
        for mag in lab.domain.mags
    )
    lma = lab.switch("lma")
    lma.ofctl("add-group", "br-int", f"group_id=1,type=all,{buckets}")
    lma.ofctl("add-flow", "br-int", f"in_port=src0,ipv6,ipv6_dst={GROUP},actions=group:1")
    for mag in lab.domain.mags:
        lab.switch(mag.id).ofctl(
            "add-flow", "br-int",
            f"in_port=lma0,ipv6,ipv6_dst={GROUP},actions=set_field:33:33:00:00:01:01->eth_dst,"
            "set_field:02:00:5e:00:00:01->eth_src,output:mn1,output:mn2",
        )
