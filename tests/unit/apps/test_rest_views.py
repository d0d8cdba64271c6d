# SPDX-License-Identifier: Apache-2.0
"""REST: bindings, MAGs, listeners, switches and rules, health; and how lists are asked for."""

from __future__ import annotations

import pytest

from controller.events import AgentDisconnected, SwitchDisconnected
from tests.support.domain_script import MN1
from tests.support.rest_world import RestWorld
from tests.unit.apps.problem_checks import check_problem


@pytest.mark.parametrize(
    ("path", "status", "name", "field"),
    [
        ("/v1/handovers?limit=0", 422, "not-valid", "limit"),
        ("/v1/handovers?limit=1001", 422, "not-valid", "limit"),
        ("/v1/handovers?limit=-1", 422, "not-valid", "limit"),
        ("/v1/handovers?limit=1_0", 422, "not-valid", "limit"),
        ("/v1/handovers?limit=%D9%A1", 422, "not-valid", "limit"),
        ("/v1/handovers?limit=99999999999999999999", 422, "not-valid", "limit"),
        ("/v1/handovers?limit=", 422, "not-valid", "limit"),
        ("/v1/handovers?state=done", 422, "not-valid", "state"),
        ("/v1/handovers?state=", 422, "not-valid", "state"),
        ("/v1/handovers?order=asc", 422, "not-valid", "order"),
        ("/v1/handovers?limit=1&limit=2", 422, "not-valid", "limit"),
        ("/v1/handovers?mn_id=mn9", 404, "not-found", "mn_id"),
        ("/v1/handovers?state=failed,done", 422, "not-valid", "state"),
        ("/v1/handovers?ended=1", 422, "not-valid", "ended"),
        ("/v1/handovers?new_mag=mag9", 404, "not-found", "new_mag"),
        ("/v1/handovers?cursor=last", 422, "not-valid", "cursor"),
        ("/v1/bindings/mn1?limit=1", 422, "not-valid", "limit"),
        ("/v1/bindings?mag=mag9", 404, "not-found", "mag"),
        ("/v1/mags?cursor=mag9", 422, "not-valid", "cursor"),
        ("/v1/listeners?mn_id=mn9", 404, "not-found", "mn_id"),
        ("/v1/listeners?cursor=mag1", 422, "not-valid", "cursor"),
        ("/v1/flows?switch=mag9", 404, "not-found", "switch"),
        ("/v1/handovers?limit=%FF", 400, "malformed", None),
        ("/v1/handovers?limit", 400, "malformed", None),
        ("/v1/handovers?" + "&".join(f"p{n}=1" for n in range(21)), 400, "malformed", None),
    ],
)
def test_queries_are_judged(rest: RestWorld, path: str, status: int, name: str, field: str | None) -> None:
    check_problem(rest.get(path), status, name, field)


def test_bindings(rest: RestWorld) -> None:
    (binding,) = rest.get("/v1/bindings").json["bindings"]
    assert binding["mn_id"] == MN1
    assert binding["proxy_care_of_address"] == "2001:db8:ff::11"
    assert binding["home_network_prefixes"] == ["2001:db8:100:1::/64"]
    for name in ("mn1", "mn1@example.net", "mn1%40example.net"):
        assert rest.get(f"/v1/bindings/{name}").json == binding
    assert "not registered" in check_problem(rest.get("/v1/bindings/mn2"), 404, "not-found", "mn_id")["detail"]
    assert "policy store" in check_problem(rest.get("/v1/bindings/mn9"), 404, "not-found", "mn_id")["detail"]


def test_mags(rest: RestWorld) -> None:
    mags = rest.get("/v1/mags").json["mags"]
    assert [mag["id"] for mag in mags] == ["mag1", "mag2"]
    assert mags[0] == rest.get("/v1/mags/mag1").json
    assert mags[0]["mobile_nodes"] == [MN1]
    assert "mag1, mag2" in check_problem(rest.get("/v1/mags/mag9"), 404, "not-found", "mag_id")["detail"]


def test_listeners(rest: RestWorld) -> None:
    assert rest.get("/v1/listeners").json == {
        "listeners": [
            {
                "mag": "mag1", "mn_id": MN1, "access_port": "mn1",
                "groups": [{"group": "ff1e::101", "filter_mode": "exclude", "sources": []}],
            }
        ],
        "total": 1,
    }


def test_switches(rest: RestWorld) -> None:
    switches = rest.get("/v1/switches").json["switches"]
    assert {switch["name"]: switch["connected"] for switch in switches} == dict.fromkeys(
        ["lma", "lma-transport", "mag1", "mag2"], True
    )


def test_flows_show_the_copy_to_the_listener(rest: RestWorld) -> None:
    everything = {switch["name"]: switch for switch in rest.get("/v1/flows").json["switches"]}
    assert list(everything) == ["lma", "lma-transport", "mag1", "mag2"]
    (mag1,) = rest.get("/v1/flows?switch=mag1").json["switches"]
    assert mag1 == everything["mag1"]
    (stream,) = [flow for flow in mag1["flows"] if flow["match"].get("ipv6_dst") == "ff1e::101"]
    groups = {f"group:{group['group_id']}": group for group in mag1["groups"]}
    assert stream["actions"][0] == "dec_ttl"
    # The group's Ethernet address is RFC 2464 section 7's.
    (bucket,) = groups[stream["actions"][1]]["buckets"]
    assert bucket["actions"][1:] == ["set_field:33:33:00:00:01:01->eth_dst", "output:mn1"]


def test_flows_show_the_ways_of_unicast(rest: RestWorld) -> None:
    (mag1,) = rest.get("/v1/flows?switch=mag1").json["switches"]
    groups = {f"group:{group['group_id']}": group for group in mag1["groups"]}
    (down,) = [flow for flow in mag1["flows"] if flow["match"].get("ipv6_dst") == "2001:db8:100:1::/64"]
    (bucket,) = groups[down["actions"][1]]["buckets"]
    assert bucket["actions"][1:] == ["set_field:02:00:00:00:00:11->eth_dst", "output:mn1"]
    (up,) = [flow for flow in mag1["flows"] if flow["match"].get("ipv6_src") == "2001:db8:100:1::/64"]
    assert up["match"] == {
        "in_port": "mn1", "eth_src": "02:00:00:00:00:11", "eth_dst": "02:ca:57:ff:ff:01", "eth_type": "0x86dd",
        "ipv6_src": "2001:db8:100:1::/64",
    }
    assert up["actions"] == ["check_pkt_larger(1466)->NXM_NX_REG0[0]", "write_metadata:0x100000000", "goto_table:1"]
    (on,) = [flow for flow in mag1["flows"] if flow["match"] == {"metadata": "0x100000000", "eth_type": "0x86dd"}]
    assert on["actions"] == ["dec_ttl", "set_field:0x64->tun_id", "output:lma0"]


def test_health_readiness_and_what_is_away(rest: RestWorld) -> None:
    assert rest.get("/healthz").json == {"status": "alive"}
    assert rest.get("/readyz").json == {"status": "ready"}
    rest.executor.post(AgentDisconnected(mag_id="mag2"))
    rest.executor.post(SwitchDisconnected(switch="lma-transport"))
    assert rest.get("/healthz").status == 200
    document = check_problem(rest.get("/readyz"), 503, "unavailable")
    assert document["away"] == [{"part": "agent", "name": "mag2"}, {"part": "switch", "name": "lma-transport"}]
    assert "agent of mag2" in document["detail"]
