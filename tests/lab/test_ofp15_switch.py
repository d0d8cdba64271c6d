# SPDX-License-Identifier: Apache-2.0
"""Batches of the reconciler on a real Open vSwitch, read back with Ryu's decoders and with ovs-ofctl."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

import pytest

from southbound.openflow.compiler import compile_intent
from southbound.openflow.intents import (
    AccessLink,
    ForwardingIntent,
    FromHandoverBuffer,
    FromPeer,
    Intent,
    LmaTunnel,
    Output,
    PeerTunnel,
    Replication,
    SignallingIntent,
    SwitchRole,
    ToAccess,
    ToHandoverBuffer,
    ToLma,
    ToMag,
    ToPeer,
    Unicast,
    Uplink,
)
from southbound.openflow.ofp15 import meter_messages
from southbound.openflow.reconciler import Batch, Confirmed, Failed, Incomplete, Outcome, Reconciler, ResyncRequired
from southbound.openflow.rules import SwitchRules
from tests.support.openflow_connection import OpenFlowConnection

pytestmark = pytest.mark.lab

SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
ROLE = SwitchRole(name="mag1", kind="mag", lma_gre_key=1, mag_gre_key=2, access_mac=bytes.fromhex("02ca57ffff01"))
TRANSPORT_ROLE = SwitchRole(name="lma", kind="lma-transport", lma_gre_key=1, mag_gre_key=2, access_mac=bytes(6))
LMA_ADDRESS = IPv6Address("2001:db8:ff::1")
NATIVE = LmaTunnel(LMA_ADDRESS)
PEER = PeerTunnel(IPv6Address("2001:db8:ff::12"), 2)
NEW_MAG = ToMag(IPv6Address("2001:db8:ff::13"))
GROUP = IPv6Address("ff1e::101")
EXCLUDED = IPv6Address("2001:db8:c0::66")


class RealSwitch:
    """ovsdb-server and ovs-vswitchd of their own, in a namespace of their own."""

    def __init__(self, folder: Path, namespace: str) -> None:
        self.folder, self._namespace = folder, namespace
        self._environment = {
            **os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "OVS_RUNDIR": str(folder),
            "OVS_DBDIR": str(folder), "OVS_LOGDIR": str(folder), "OVS_SYSCONFDIR": str(folder),
        }
        self._daemons: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        self.run("ip", "netns", "add", self._namespace)
        self.run("ovsdb-tool", "create", str(self.folder / "conf.db"), str(SCHEMA))
        database = f"unix:{self.folder}/db.sock"
        self._daemon("ovsdb-server", str(self.folder / "conf.db"), f"--remote=p{database}")
        await_true(lambda: (self.folder / "db.sock").exists())
        self.run("ovs-vsctl", "--no-wait", "init")
        self._daemon("ovs-vswitchd", database, "--disable-system")
        gre = ["type=gre", "options:packet_type=legacy_l3", "options:key=flow"]
        self.vsctl("add-br", "br-int", "--", "set", "bridge", "br-int", "datapath_type=netdev",
                   "protocols=OpenFlow15", "fail_mode=secure")
        self.vsctl("add-port", "br-int", "lma0", "--", "set", "interface", "lma0", *gre,
                   f'options:remote_ip="{LMA_ADDRESS}"')
        self.vsctl("add-port", "br-int", "mag0", "--", "set", "interface", "mag0", *gre, "options:remote_ip=flow")
        for port in ("hob0", "mn1", "mn2"):
            self.add_port(port)

    def add_port(self, name: str) -> None:
        self.vsctl("add-port", "br-int", name, "--", "set", "interface", name, "type=internal")

    def stop(self) -> None:
        for daemon in reversed(self._daemons):
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(10)
        self.run("ip", "netns", "delete", self._namespace)

    def vsctl(self, *arguments: str) -> str:
        return self.run("ovs-vsctl", "--timeout=10", *arguments)

    def ofctl(self, *arguments: str) -> str:
        return self.run("ovs-ofctl", "-O", "OpenFlow15", *arguments)

    def trace(self, flow: str) -> str:
        """What ofproto/trace says the datapath would do with this packet."""
        output = self.run("ovs-appctl", "--timeout=10", "ofproto/trace", "br-int", flow)
        return output.rsplit("Datapath actions:", 1)[1].strip()

    def connect(self) -> OpenFlowConnection:
        return OpenFlowConnection(self.folder / "br-int.mgmt")

    def run(self, *command: str) -> str:
        result = subprocess.run(
            command, env=self._environment, capture_output=True, text=True, check=False, timeout=20
        )
        if result.returncode != 0:
            pytest.fail(f"{' '.join(command)}: {result.stderr or result.stdout}")
        return result.stdout

    def _daemon(self, name: str, *arguments: str) -> None:
        options = ["--pidfile", "--log-file", "-vconsole:off"]
        # The daemon replaces `ip` (exec), so its process id is the one that is stopped.
        self._daemons.append(subprocess.Popen(
            ["ip", "netns", "exec", self._namespace, name, *arguments, *options], env=self._environment
        ))


def await_true(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail("the switch does not come up")
        time.sleep(0.005)


@pytest.fixture
def switch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealSwitch]:
    tools = [tool for tool in ("ip", "ovs-vsctl", "ovs-ofctl") if shutil.which(tool) is None]
    if os.geteuid() != 0 or tools or not SCHEMA.exists():
        pytest.skip(f"needs root and Open vSwitch; not found: {tools or SCHEMA}")
    # A short path: a Unix socket's name has at most 107 octets.
    folder = tmp_path_factory.mktemp("ovs")
    switch = RealSwitch(folder, f"cst-ofp15-{os.getpid()}")
    try:
        switch.start()
        yield switch
    finally:
        switch.stop()


def drive(reconciler: Reconciler, connection: OpenFlowConnection, outcomes: list[Outcome]) -> list[Outcome]:
    """Do what the reconciler asks for until it has nothing more to ask; returns what it tells."""
    told: list[Outcome] = []
    now = 0.0
    while outcomes:
        outcome = outcomes.pop(0)
        match outcome:
            case Batch(batch_id=batch_id):
                error = connection.apply(outcome)
                outcomes += (
                    reconciler.batch_confirmed(batch_id, now) if error is None
                    else reconciler.batch_failed(batch_id, error, now)
                )
            case ResyncRequired():
                outcomes += reconciler.connected(*connection.state(), now)
            case _:
                told.append(outcome)
    return told


HOME = IPv6Network("2001:db8:100:1::/64")
OTHER_HOME = IPv6Network("2001:db8:100:9::/64")
MN_MAC = bytes.fromhex("020000000011")


def intent(*outputs: Output, peer_to_buffer: bool = False) -> ForwardingIntent:
    replications = {
        Replication(ingress=NATIVE, source=None, group=GROUP, outputs=frozenset(outputs)),
        Replication(ingress=NATIVE, source=EXCLUDED, group=GROUP, outputs=frozenset()),
    }
    if peer_to_buffer:
        outputs_of_peer: frozenset[Output] = frozenset({ToHandoverBuffer(), ToMag(IPv6Address("2001:db8:ff::14"))})
        replications.add(Replication(ingress=PEER, source=None, group=GROUP, outputs=outputs_of_peer))
    return ForwardingIntent(replications=frozenset(replications))


def with_unicast(wanted: ForwardingIntent, *outputs: Output) -> ForwardingIntent:
    """And what an MN gets and sends besides."""
    return replace(
        wanted,
        unicast=frozenset({Unicast(ingress=NATIVE, prefix=HOME, link_layer_id=MN_MAC, outputs=frozenset(outputs))}),
        uplinks=frozenset({
            Uplink(ingress=AccessLink("mn1", MN_MAC), prefix=HOME, output=ToLma()),
            Uplink(ingress=AccessLink("mn2", MN_MAC), prefix=HOME, output=ToPeer(PEER.peer, 9)),
            Uplink(ingress=FromPeer(PEER.peer, 9), prefix=HOME, output=ToLma()),
            Uplink(ingress=AccessLink("mn1", MN_MAC), prefix=OTHER_HOME, output=ToHandoverBuffer()),
            Uplink(ingress=FromHandoverBuffer(), prefix=HOME, output=ToLma()),
        }),
    )


def test_a_handover_on_a_real_switch(switch: RealSwitch) -> None:
    """Apply, insert, remove, bundle, barrier; what is read back is what was wanted, so that nothing more is sent."""
    with switch.connect() as connection:
        reconciler = Reconciler(ROLE)
        ports, observed = connection.state()
        assert set(ports) == {"lma0", "mag0", "hob0", "mn1", "mn2"}
        assert observed == SwitchRules()
        assert drive(reconciler, connection, reconciler.connected(ports, observed, 0.0)) == []
        for message in meter_messages(connection.datapath):
            connection.send(message)

        everything = intent(ToAccess("mn1"), ToAccess("mn2"), NEW_MAG, ToHandoverBuffer(), peer_to_buffer=True)
        as_router: Any = {"reports_unforwarded": True, "router_address": IPv6Address("2001:db8:ff::11")}
        steps: list[Intent] = [
            intent(ToAccess("mn1")),
            intent(ToAccess("mn1"), NEW_MAG),
            everything,
            with_unicast(everything, ToAccess("mn1"), NEW_MAG),
            with_unicast(intent(ToAccess("mn2")), ToHandoverBuffer()),
            intent(ToAccess("mn2"), NEW_MAG),
            intent(ToAccess("mn2")),
            replace(with_unicast(everything, ToAccess("mn1"), NEW_MAG), **as_router),
            ForwardingIntent(**as_router),
            ForwardingIntent(),
        ]
        for generation, wanted in enumerate(steps, start=1):
            told = drive(reconciler, connection, reconciler.want(wanted, generation, 0.0))
            assert told == [Confirmed(generation=generation)]
            ports, observed = connection.state()
            assert observed == compile_intent(wanted, ROLE)
            batches = reconciler.counters["batches"]
            assert drive(reconciler, connection, reconciler.connected(ports, observed, 0.0)) == []
            assert reconciler.counters["batches"] == batches
        assert switch.ofctl("dump-groups", "br-int").count("group_id") == 0


def test_what_ovs_ofctl_and_the_datapath_see(switch: RealSwitch) -> None:
    with switch.connect() as connection:
        reconciler = Reconciler(ROLE)
        reconciler.connected(*connection.state(), 0.0)
        wanted = intent(ToAccess("mn1"), NEW_MAG, peer_to_buffer=True)
        assert drive(reconciler, connection, reconciler.want(wanted, 1, 0.0)) == [Confirmed(generation=1)]
    flows = switch.ofctl("--names", "--no-stats", "dump-flows", "br-int")
    groups = switch.ofctl("--names", "dump-groups", "br-int")
    assert "tun_id=0x1,in_port=lma0 actions=write_metadata:0x1,goto_table:1" in flows
    assert "tun_id=0x2,tun_ipv6_src=2001:db8:ff::12,in_port=mag0 actions=write_metadata:0x3,goto_table:1" in flows
    assert f"ipv6,metadata=0x1,ipv6_src={EXCLUDED},ipv6_dst={GROUP} actions=drop" in flows
    assert f"ipv6,metadata=0x1,ipv6_dst={GROUP} actions=dec_ttl,group:" in flows
    assert "set_field:02:ca:57:ff:ff:01->eth_src,set_field:33:33:00:00:01:01->eth_dst,output:mn1" in groups
    assert "set_field:0x2->tun_id,set_field:2001:db8:ff::13->tun_ipv6_dst,output:mag0" in groups
    assert "set_field:02:ca:57:00:00:02->eth_src,set_field:33:33:00:00:01:01->eth_dst,output:hob0" in groups
    assert "set_field:2001:db8:ff::14->tun_ipv6_dst,IN_PORT" in groups

    packet = f"in_port=lma0,tun_id=1,udp6,ipv6_dst={GROUP},nw_ttl=64"
    assert "src=02:ca:57:ff:ff:01,dst=33:33:00:00:01:01" in switch.trace(f"{packet},ipv6_src=2001:db8:c0::10")
    assert switch.trace(f"{packet},ipv6_src={EXCLUDED}") == "drop"
    assert switch.trace(packet.replace("tun_id=1", "tun_id=7") + ",ipv6_src=2001:db8:c0::10") == "drop"


def test_what_the_datapath_does_with_unicast(switch: RealSwitch) -> None:
    with switch.connect() as connection:
        reconciler = Reconciler(ROLE)
        reconciler.connected(*connection.state(), 0.0)
        wanted = with_unicast(ForwardingIntent(), ToAccess("mn1"))
        assert drive(reconciler, connection, reconciler.want(wanted, 1, 0.0)) == [Confirmed(generation=1)]
    down = "in_port=lma0,tun_id=1,udp6,ipv6_src=2001:db8:c0::10,nw_ttl=64"
    assert "dst=02:00:00:00:00:11" in switch.trace(f"{down},ipv6_dst=2001:db8:100:1::7")
    assert switch.trace(f"{down},ipv6_dst=2001:db8:100:2::7") == "drop"
    up = "in_port=mn1,udp6,dl_src=02:00:00:00:00:11,dl_dst=02:ca:57:ff:ff:01,nw_ttl=64"
    assert switch.trace(f"{up},ipv6_src=2001:db8:100:1::7,ipv6_dst=2001:db8:c0::10") != "drop"
    assert switch.trace(f"{up},ipv6_src=2001:db8:100:2::7,ipv6_dst=2001:db8:c0::10") == "drop"
    assert switch.trace(f"{up},ipv6_src=2001:db8:100:1::7,ipv6_dst=fe80::1") == "drop"


def test_resync_removes_leftovers_and_leaves_others_alone(switch: RealSwitch) -> None:
    wanted = intent(ToAccess("mn1"), ToAccess("mn2"))
    with switch.connect() as connection:
        first = Reconciler(ROLE)
        first.connected(*connection.state(), 0.0)
        drive(first, connection, first.want(wanted, 1, 0.0))
    [group] = compile_intent(wanted, ROLE).groups
    victim = min(bucket.bucket_id for bucket in group.buckets)
    cookie = "cookie=0xca570000000001"
    switch.ofctl("remove-buckets", "br-int", f"group_id={group.group_id},command_bucket_id={victim}")
    switch.ofctl("add-flow", "br-int", f"{cookie},table=0,priority=9,in_port=99,tcp,tp_dst=80,actions=drop")
    switch.ofctl("add-flow", "br-int", f"{cookie},table=5,ip,nw_dst=10.0.0.0/8,hard_timeout=600,actions=NORMAL")
    switch.ofctl("add-group", "br-int", "group_id=0x80000005,type=select,bucket=output:1")
    switch.ofctl("add-flow", "br-int", "cookie=0x5,table=0,priority=9,udp,actions=drop")
    switch.ofctl("add-group", "br-int", "group_id=77,type=all,bucket=output:1")
    with switch.connect() as connection:
        second = Reconciler(ROLE)
        outcomes = second.connected(*connection.state(), 0.0) + second.want(wanted, 1, 0.0)
        [batch] = outcomes
        assert isinstance(batch, Batch)
        kinds = [type(change).__name__ for change in batch.changes]
        assert kinds == ["InsertBuckets", "DeleteFlow", "DeleteFlow", "DeleteGroup"]
        assert drive(second, connection, outcomes) == [Confirmed(generation=1)]
        assert connection.state()[1] == compile_intent(wanted, ROLE)
    assert "cookie=0x5" in switch.ofctl("dump-flows", "br-int")
    assert "group_id=77," in switch.ofctl("dump-groups", "br-int")


def test_refused_bundle_changes_nothing_and_is_repaired(switch: RealSwitch) -> None:
    """Somebody has taken our group away: the switch refuses the bundle as a whole, and reading it again heals it."""
    with switch.connect() as connection:
        reconciler = Reconciler(ROLE)
        reconciler.connected(*connection.state(), 0.0)
        drive(reconciler, connection, reconciler.want(intent(ToAccess("mn1")), 1, 0.0))
        switch.ofctl("del-groups", "br-int")
        left = connection.state()[1]
        batch = reconciler.want(intent(ToAccess("mn2"), peer_to_buffer=True), 2, 0.0)[0]
        assert isinstance(batch, Batch)
        assert batch.needs_bundle
        error = connection.apply(batch)
        assert error is not None
        assert connection.state()[1] == left
        told = drive(reconciler, connection, reconciler.batch_failed(batch.batch_id, error, 0.0))
        assert told == [Failed(generation=2, reason=error), Confirmed(generation=2)]
        assert connection.state()[1] == compile_intent(intent(ToAccess("mn2"), peer_to_buffer=True), ROLE)


def test_port_that_comes_later(switch: RealSwitch) -> None:
    with switch.connect() as connection:
        reconciler = Reconciler(ROLE)
        reconciler.connected(*connection.state(), 0.0)
        told = drive(reconciler, connection, reconciler.want(intent(ToAccess("mn1"), ToAccess("mn3")), 1, 0.0))
        assert told == [Incomplete(generation=1, missing_ports=frozenset({"mn3"}))]
        switch.add_port("mn3")
        ports = connection.state()[0]
        assert drive(reconciler, connection, reconciler.ports_changed(ports, 0.0)) == [Confirmed(generation=1)]
        switch.vsctl("del-port", "mn1")
        ports = connection.state()[0]
        told = drive(reconciler, connection, reconciler.ports_changed(ports, 0.0))
        assert told == [Incomplete(generation=1, missing_ports=frozenset({"mn1"}))]
        assert drive(reconciler, connection, reconciler.connected(*connection.state(), 0.0)) == []


def test_signalling_rule(switch: RealSwitch) -> None:
    wanted = SignallingIntent(lma_address=LMA_ADDRESS)
    switch.ofctl("add-flow", "br-int", "priority=0,actions=NORMAL")
    with switch.connect() as connection:
        reconciler = Reconciler(TRANSPORT_ROLE)
        reconciler.connected(*connection.state(), 0.0)
        assert drive(reconciler, connection, reconciler.want(wanted, 1, 0.0)) == [Confirmed(generation=1)]
        assert connection.state()[1] == compile_intent(wanted, TRANSPORT_ROLE)
    flows = switch.ofctl("--names", "--no-stats", "dump-flows", "br-int")
    assert "ipv6,ipv6_dst=2001:db8:ff::1,nw_proto=135 actions=CONTROLLER:65535" in flows
    assert "actions=NORMAL" in flows
