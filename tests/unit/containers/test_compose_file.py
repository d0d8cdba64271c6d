# SPDX-License-Identifier: Apache-2.0
"""docker-compose.yml and the topology of its containers: two files that say the same addresses."""

from __future__ import annotations

import tomllib
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

import yaml

from topology.load import load_topology

REPOSITORY = Path(__file__).resolve().parents[3]


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8"))
    return found


def test_addresses_are_those_of_the_topology() -> None:
    domain = load_topology(REPOSITORY / "deploy" / "containers" / "topology.yaml")
    services = compose()["services"]

    def address(service: str, network: str) -> IPv6Address:
        return IPv6Address(services[service]["networks"][network]["ipv6_address"])

    assert address("controller", "management") == domain.controller.address
    for node in (domain.lma, *domain.mags):
        assert address(node.id, "management") == node.management_address
        assert address(node.id, "transport") == node.address
    for source in domain.sources:
        assert address(source.name, "multicast") == source.address
    assert {node.name for node in domain.mobile_nodes} <= set(services)


def test_networks_are_those_of_the_topology() -> None:
    domain = load_topology(REPOSITORY / "deploy" / "containers" / "topology.yaml")
    networks = {
        name: IPv6Network(network["ipam"]["config"][0]["subnet"]) for name, network in compose()["networks"].items()
    }
    assert networks["management"] == domain.management_network
    assert networks["transport"] == domain.transport_network
    assert all(source.address in networks["multicast"] for source in domain.sources)


def test_nothing_is_privileged_or_published_beyond_this_machine() -> None:
    for name, service in compose()["services"].items():
        assert "privileged" not in service, name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
        if service["image"] != "grafana/grafana:11.6.0":
            assert service["cap_drop"] == ["ALL"], name


def test_every_package_gets_into_the_image() -> None:
    """All of them: the castover command imports those of all its parts."""
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    taken = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
    packages = settings["tool"]["setuptools"]["packages"]
    assert packages
    assert [package for package in packages if f"!{package}" not in taken] == []


def test_files_that_are_mounted_are_there() -> None:
    mounted = [
        volume.split(":")[0] for service in compose()["services"].values() for volume in service.get("volumes", [])
        if volume.startswith("./")
    ]
    assert mounted
    assert [path for path in mounted if not (REPOSITORY / path).is_file()] == []
