# SPDX-License-Identifier: Apache-2.0
"""What the demo makes of a topology, of a run and of the switches' words, without building a lab."""

from __future__ import annotations

import dataclasses
import json
from io import StringIO
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path

import pytest
from rich.console import Console

from lab.accounting import account
from lab.demo import _labs
from lab.demo_cli import write_report
from lab.demo_measurement import has_formed
from lab.demo_modes import MODES
from lab.demo_report import print_run, print_summary
from lab.demo_result import RunResult, native_came_first, preparation_ms, run_report, steps_in_ms
from lab.demo_run import HandoverRun
from lab.demo_settings import DemoSettings, choose_cast, write_demo_topology
from lab.errors import LabError
from lab.leftovers import SwitchContents, find_leftovers, read_contents
from lab.stream import StreamRecords
from lab.stream_format import Record
from tests.support.castover_command import run
from topology.load import load_topology

TOPOLOGY = Path(__file__).resolve().parents[3] / "topology.yaml"
MAG1, MAG2 = IPv6Address("2001:db8:ff::11"), IPv6Address("2001:db8:ff::12")

# `ovs-ofctl --names -O OpenFlow15 dump-flows br-int` and `dump-groups br-int` of Open vSwitch 3.1.
FLOWS = """\
 cookie=0xca570000000001, duration=5.9s, table=0, n_packets=9, n_bytes=9, priority=100,tun_ipv6_src=2001:db8:ff::1,\
tun_id=0x64,in_port=lma0 actions=write_metadata:0x1,goto_table:1
 cookie=0xca570000000001, duration=5.9s, table=1, n_packets=9, n_bytes=9, priority=100,metadata=0x1,ipv6,\
ipv6_dst=ff1e::101 actions=group:2147483649
 cookie=0x0, duration=6.1s, table=0, n_packets=0, n_bytes=0, priority=1,in_port=mag0 actions=output:hob0
"""
GROUPS = """\
OFPST_GROUP_DESC reply (OF1.5) (xid=0x2):
 group_id=2147483649,type=all,bucket=bucket_id:1,actions=set_field:33:33:00:00:01:01->eth_dst,output:mn1,\
bucket=bucket_id:2,actions=set_field:0xc8->tun_id,set_field:2001:db8:ff::12->tun_ipv6_dst,output:mag0
 group_id=7,type=all,bucket=bucket_id:1,actions=output:mn2
"""


def at(node: str, step: int, name: str, seconds: float) -> dict[str, object]:
    return {"step": step, "name": name, "node": node, "at": seconds, "detail": ""}


RUN = HandoverRun(
    previous_mag="mag1", new_mag="mag2", requested_ns=1_000_000_000, handover_id="ho-1", completed=True,
    steps=[
        at("mag1", 4, "HAck to HI(F)", 1.012), at("mag1", 1, "HO-Initiate", 1.002), at("mag2", 4, "HI(F)", 1.008),
    ],
)


def result(run: HandoverRun = RUN, **changes: object) -> RunResult:
    sent = [Record(sequence=number, time_ns=1_000_000_000 + number * 1_000_000) for number in range(10)]
    received = [record for record in sent if record.sequence != 4]
    whole = account(sent, received, start_ns=1_000_000_000, end_ns=1_010_000_000, requests_ns=[run.requested_ns])
    made = RunResult(
        dialect="draft", mode="predictive", rate_pps=1000, gap_ms=50, mover="mn1@example.net", runs=[run],
        accounts={"mn1": whole}, leftovers=[],
        records=StreamRecords(sent=sent, received={"mn1": received}, source_report={}, sink_reports={"mn1": {}}),
    )
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def test_steps_are_in_order_and_count_from_ho_initiate() -> None:
    assert [(step["name"], step["at_ms"]) for step in steps_in_ms(RUN)] == [
        ("HO-Initiate", 0.0), ("HI(F)", 6.0), ("HAck to HI(F)", 10.0),
    ]
    assert not native_came_first(RUN)
    assert preparation_ms([RUN, dataclasses.replace(RUN, steps=[])]) == [10.0]


def test_the_report_has_what_the_design_says() -> None:
    report = json.loads(json.dumps(run_report(result())))
    assert {"dialect", "mode", "rate_pps", "radio_gap_ms", "handovers", "totals"} <= set(report)
    (handover,) = report["handovers"]
    assert {
        "id", "mn_id", "previous_mag", "new_mag", "sent", "received", "lost", "duplicated", "reordered",
        "interruption_ms", "steps",
    } <= set(handover)
    assert {"step", "name", "node", "at_ms"} <= set(handover["steps"][0])
    assert (handover["sent"], handover["lost"], report["totals"]["prepared_p50_ms"]) == (10, 1, 10.0)
    # 2 ms before HO-Initiate began the window; packet 4 was sent 2 ms after it.
    assert handover["faults"] == [{"what": "lost", "sequence": 4, "count": 1, "from_ms": 2.0, "to_ms": 2.0}]


def test_what_makes_the_numbers_doubtful_is_said() -> None:
    records = StreamRecords(
        sent=[], received={}, source_report={"not_sent": 3}, sink_reports={"mn1": {"socket_overflow": 2}},
    )
    assert result(records=records).measurement_faults == ["mn1: 2 socket_overflow", "source: 3 not sent"]


def test_the_tables_show_failures_and_leftovers_as_they_are() -> None:
    out = StringIO()
    failed = result(dataclasses.replace(RUN, completed=False, error="mag2: [refused] no"), leftovers=["mag1: [x]"])
    print_run(failed, Console(file=out, width=160))
    print_summary([failed, result(mode="plain")], Console(file=out, width=160))
    text = out.getvalue()
    for words in ("handover ho-1: mag2: [refused] no", "leftovers: 1", "mag1: [x]", "not completed", "0/1", "1/1"):
        assert words in text


def test_the_tables_are_in_the_order_of_steps_and_name_the_nodes() -> None:
    run = dataclasses.replace(RUN, steps=[
        *RUN.steps, at("lma", 9, "bound", 1.08), at("mag2", 10, "native data", 1.07), at("mag2", 7, "delivery", 1.075),
    ])  # fmt: skip
    assert native_came_first(run)
    out = StringIO()
    print_run(result(run), Console(file=out, width=160))
    text = out.getvalue()
    assert "1p:0 4n:6 7n:73 9l:78 10n:68*" in text
    assert text.index("delivery") < text.index("bound") < text.index("native data")
    assert "* the new MAG had the native stream (step 10) before" in text
    assert "the 50 ms without a radio link are part of it in every mode" in text
    out = StringIO()
    print_run(result(), Console(file=out, width=160))
    assert "*" not in out.getvalue()


def test_a_report_has_one_form_however_many_runs_there_are(tmp_path: Path) -> None:
    for results in ([], [result()], [result(), result(mode="plain")]):
        write_report(tmp_path / "report.json", results, complete=True)
        document = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
        assert list(document) == ["machine", "complete", "runs"]
        assert [run["mode"] for run in document["runs"]] == [made.mode for made in results]


def test_modes_that_want_the_same_domain_share_a_lab(tmp_path: Path) -> None:
    settings = DemoSettings(
        topology=TOPOLOGY, handovers=1, rate_pps=100, gap_ms=1, size=100, modes=("predictive", "reactive", "plain"),
        dialects=("draft", "rfc"), trigger="rest", pcap=None, logs=tmp_path,
    )
    assert _labs(settings) == [
        (dialect, *lab) for dialect in ("draft", "rfc")
        for lab in ((None, ["predictive", "plain"]), ("reactive", ["reactive"]))
    ]
    modes = {mode.attach_mode for mode in MODES.values()} - {None}
    assert {load_topology(write_demo_topology(TOPOLOGY, tmp_path, "rfc", mode)).attach_mode for mode in modes} == modes


def test_the_demo_has_a_name_and_a_dialect_of_its_own(tmp_path: Path) -> None:
    original = load_topology(TOPOLOGY)
    domain = load_topology(write_demo_topology(TOPOLOGY, tmp_path, "rfc"))
    assert (domain.dialect, domain.name.startswith("castover-demo-")) == ("rfc", True)
    assert dataclasses.replace(domain, name=original.name, dialect=original.dialect) == original


def test_the_cast_of_the_topology() -> None:
    domain = load_topology(TOPOLOGY)
    cast = choose_cast(domain)
    assert (cast.mover.name, [node.name for node in cast.others], cast.mags, cast.source, str(cast.group)) == (
        "mn1", ["mn2"], ("mag1", "mag2"), "source", "ff1e::101",
    )
    deaf = [dataclasses.replace(node, allowed_groups=(IPv6Network("ff3e::/16"),)) for node in domain.mobile_nodes]
    with pytest.raises(LabError, match=r"mn1@example\.net may not receive ff1e::101"):
        choose_cast(dataclasses.replace(domain, mobile_nodes=tuple(deaf)))
    with pytest.raises(LabError, match="has no source"):
        choose_cast(dataclasses.replace(domain, sources=()))
    bound = [dataclasses.replace(node, mags=("mag1",)) for node in domain.mobile_nodes]
    with pytest.raises(LabError, match="may use two MAGs"):
        choose_cast(dataclasses.replace(domain, mobile_nodes=tuple(bound)))


def test_only_our_rules_are_read() -> None:
    assert read_contents(FLOWS, GROUPS) == SwitchContents(
        flows=2, groups=1, outputs=frozenset({"mn1", "mag0"}), tunnel_destinations=frozenset({MAG2}),
        ingress=frozenset({"lma0"}),
    )


def test_a_port_whose_packets_are_dropped_is_no_ingress() -> None:
    """On a shared switch our ports have a flow that keeps what they bring from others' flows."""
    dropping = " cookie=0xca570000000001, duration=1s, table=0, n_packets=3, priority=99,in_port=mag0 actions=drop"
    assert read_contents(dropping, "").ingress == frozenset()


@pytest.mark.parametrize("match", [
    "icmp6,tun_id=0x64,in_port=lma0,icmp_type=130", "ip,tun_id=0x64,in_port=lma0,nw_proto=2",
    "igmp,tun_id=0x64,in_port=lma0",
])
def test_mld_and_igmp_on_their_way_to_the_agent_are_no_leftover(match: str) -> None:
    query = (
        f" cookie=0xca570000000001, duration=1s, table=0, n_packets=0, n_bytes=0, priority=200,{match} "
        "actions=set_field:02:ca:57:00:00:00->eth_src,output:hob0\n"
    )
    assert read_contents(query + FLOWS, GROUPS) == dataclasses.replace(read_contents(FLOWS, GROUPS), flows=3)


def contents(*outputs: str, ingress: str = "lma0", to: tuple[IPv6Address, ...] = ()) -> SwitchContents:
    return SwitchContents(
        flows=2, groups=1, outputs=frozenset(outputs), tunnel_destinations=frozenset(to), ingress=frozenset({ingress}),
    )


LISTENERS = [
    {"mag": "mag1", "mn_id": "mn2@example.net", "access_port": "mn2", "groups": [{"group": "ff1e::101"}]},
    {"mag": "mag2", "mn_id": "mn1@example.net", "access_port": "mn1", "groups": [{"group": "ff1e::101"}]},
]
CLEAN = {"lma": contents("mag0", ingress="src0", to=(MAG1, MAG2)), "mag1": contents("mn2"), "mag2": contents("mn1")}


def test_a_clean_domain_has_no_leftovers() -> None:
    assert find_leftovers(load_topology(TOPOLOGY), CLEAN, LISTENERS, {"mag1": (2, 1)}) == []


def test_what_goes_to_a_node_without_groups_is_its_unicast() -> None:
    listeners = [LISTENERS[0], {**LISTENERS[1], "groups": []}]
    assert find_leftovers(load_topology(TOPOLOGY), CLEAN, listeners, {}) == []
    assert find_leftovers(load_topology(TOPOLOGY), {**CLEAN, "mag2": contents()}, listeners, {}) == []


@pytest.mark.parametrize(
    ("switch", "has", "said"),
    [
        ("mag1", contents("mn2", "mag0"), "mag1: still copies into the tunnel to another MAG (mag0)"),
        ("mag1", contents("mn2", "hob0"), "mag1: still copies into the handover buffer (hob0)"),
        ("mag1", contents("mn2", "mn1"), "mag1: copies to mn1, where nobody is"),
        ("mag2", contents(), "mag2: no copies to mn1, where somebody listens"),
        ("mag2", contents("mn1", ingress="mag0"), "mag2: still takes packets from the tunnel of another MAG (mag0)"),
        ("lma", contents("mag0", to=(MAG1,)), "lma: no copies to 2001:db8:ff::12, where somebody listens"),
    ],
)
def test_every_kind_of_leftover_is_found(switch: str, has: SwitchContents, said: str) -> None:
    assert find_leftovers(load_topology(TOPOLOGY), {**CLEAN, switch: has}, LISTENERS, {}) == [said]


def test_a_switch_that_has_other_rules_than_the_controller_wants_is_found() -> None:
    assert find_leftovers(load_topology(TOPOLOGY), CLEAN, LISTENERS, {"mag1": (3, 1)}) == [
        "mag1: 2 flows and 1 groups on the switch, 3 and 1 wanted"
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--mode", "miracle"], "is not one of 'predictive', 'plain', 'reactive', 'join', 'context-transfer', 'rejoin', "),
        (["--mode", "join", "--trigger", "mobile-node"], "cannot ask for mode join; use --trigger rest"),
        (["--handovers", "0"], "Invalid value for '--handovers'"),
        (["--topology", "/nonexistent"], "does not exist"),
    ],
)
def test_the_command_refuses_what_it_cannot_do(words: list[str], said: str) -> None:
    done = run("demo", *words)
    assert done.exit_code != 0
    assert said in done.output


@pytest.mark.parametrize(("line", "formed"), [
    ("20010db80100000100000000000000aa 02 40 00 00 wlan0", True),
    ("20010db80100000100000000000000aa 02 40 00 80 wlan0", True),  # IFA_F_PERMANENT
    ("20010db80100000100000000000000aa 02 40 00 40 wlan0", False),
    ("20010db80100000100000000000000aa 02 40 00 48 wlan0", False),  # somebody else has it
    ("20010db80100000100000000000000ab 02 40 00 00 wlan0", False),
    ("20010db80100000100000000000000aa 02 40 00 00  mag1", False),
])
def test_an_address_is_there_when_nobody_else_was_found_to_have_it(line: str, formed: bool) -> None:
    table = f"00000000000000000000000000000001 01 80 10 80       lo\n{line}\n"
    assert has_formed(IPv6Address("2001:db8:100:1::aa"), "wlan0", table) is formed
    assert not has_formed(IPv6Address("2001:db8:100:1::aa"), "wlan0", "")
