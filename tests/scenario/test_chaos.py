# SPDX-License-Identifier: Apache-2.0
"""Whatever the links, the MNs and the failures do: it ends, nothing is left, and everyone is served where it is.

The network and the order of events are drawn; afterwards links recover, everything reconnects, and the MNs stay where
they are for as long as all lifetimes together.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.scenario.handover_script import MN1, MN2, watched
from tests.support.domain_checks import assert_at_rest
from tests.support.domains import three_mags
from tests.support.simulated_domain import Delays, SimulatedDomain
from tests.support.simulated_transport import LinkQuality

RECOVERY_S = 100.0
"""The longest wait of all is the last PBU retransmission: 32 s apart."""
RADIO_GAP_S = 0.01
"""Longer than the clocks of the MAGs differ: Timestamps order the PBUs of two MAGs only then (RFC 5213 section 5.5)."""
MAGS = ("mag1", "mag2", "mag3")
DOMAINS = {dialect: three_mags(dialect) for dialect in ("draft", "rfc")}


@dataclass(frozen=True)
class Act:
    """One thing that happens, after a pause."""

    pause_s: float
    what: str
    mn_id: str
    mag_id: str


pauses = st.sampled_from([0.0, 0.0003, 0.001, 0.002, 0.004, 0.02, 0.1, 0.35, 1.0, 3.0, 6.0])
movements = st.sampled_from(
    ["move", "move", "leave", "trigger", "trigger", "trigger", "indicate", "indicate", "cancel"]
)
failures = st.sampled_from(
    ["lose agent", "find agent", "lose switch", "find switch", "refuse", "obey", "restart controller"]
)
nodes, mags = st.sampled_from([MN1, MN1, MN1, MN2]), st.sampled_from(MAGS)
qualities = st.builds(
    LinkQuality,
    delay_s=st.sampled_from([0.0005, 0.005, 0.03]),
    jitter_s=st.sampled_from([0.0, 0.01, 0.08]),
    loss=st.sampled_from([0.0, 0.1, 0.4]),
    duplication=st.sampled_from([0.0, 0.3]),
)


def acts(what: st.SearchStrategy[str]) -> st.SearchStrategy[list[Act]]:
    return st.lists(st.builds(Act, pauses, what, nodes, mags), min_size=1, max_size=14)


def perform(domain: SimulatedDomain, act: Act) -> None:
    """Do it, if it can be done now."""
    domain.run_for(act.pause_s)
    node = domain.mobile_nodes[act.mn_id]
    match act.what:
        case "move":
            domain.detach(act.mn_id)
            domain.run_for(RADIO_GAP_S)
            domain.attach(act.mn_id, act.mag_id)
        case "leave":
            domain.detach(act.mn_id)
        case "trigger":
            domain.request_handover(act.mn_id, act.mag_id)
        case "indicate":
            if node.mag_id is not None:
                node.indicate_handover(act.mag_id)
        case "cancel":
            for handover_id in list(domain.handovers()):
                domain.cancel_handover(handover_id)
        case "lose agent":
            domain.disconnect_agent(act.mag_id)
        case "find agent":
            if domain.agents[act.mag_id].connection == 0:
                domain.connect_agent(act.mag_id)
        case "lose switch":
            domain.switches[act.mag_id].disconnect()
        case "find switch":
            if not domain.switches[act.mag_id].connected:
                domain.switches[act.mag_id].connect()
        case "refuse":
            domain.switches[act.mag_id].refuses = True
        case "obey":
            domain.switches[act.mag_id].refuses = False
        case "restart controller":
            domain.restart_controller()


def recover(domain: SimulatedDomain) -> None:
    """Links, switches and connections are as they should be, and every MN is somewhere."""
    domain.transport.quality = LinkQuality()
    for switch in domain.switches.values():
        switch.refuses = False
        if not switch.connected:
            switch.connect()
    for mag_id, agent in domain.agents.items():
        if agent.connection == 0:
            domain.connect_agent(mag_id)
    domain.run_for(RADIO_GAP_S)
    for mn_id, node in domain.mobile_nodes.items():
        if node.mag_id is None:
            domain.attach(mn_id, "mag3")
    domain.run_for(RECOVERY_S)


def begin(dialect: str, quality: LinkQuality, seed: int, errors: tuple[float, float]) -> SimulatedDomain:
    domain = SimulatedDomain(
        DOMAINS[dialect], seed=seed, delays=Delays(rpc_s=0.0007 * (1 + seed % 7), switch_s=0.001 * (1 + seed % 5)),
        # Clocks differ, so that no two MAGs stamp the same instant alike.
        clock_errors_s={"mag2": errors[0] + 0.000123, "mag3": errors[1] - 0.000321},
    )
    watched(domain)
    domain.transport.quality = quality
    return domain


errors = st.tuples(*[st.sampled_from([0.0, -0.004, 0.004])] * 2)
GATE = settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)


@GATE
@given(st.sampled_from(["draft", "rfc"]), qualities, st.integers(0, 1000), errors, acts(movements))
def test_bad_links_and_restless_mobile_nodes(
    dialect: str, quality: LinkQuality, seed: int, clock_errors: tuple[float, float], script: list[Act]
) -> None:
    domain = begin(dialect, quality, seed, clock_errors)
    for act in script:
        perform(domain, act)
    recover(domain)
    assert_at_rest(domain, {mn_id: node.mag_id for mn_id, node in domain.mobile_nodes.items()})


@GATE
@given(
    st.sampled_from(["draft", "rfc"]), qualities, st.integers(0, 1000), errors, acts(st.one_of(movements, failures))
)
def test_with_failures_of_everything_else(
    dialect: str, quality: LinkQuality, seed: int, clock_errors: tuple[float, float], script: list[Act]
) -> None:
    domain = begin(dialect, quality, seed, clock_errors)
    for act in script:
        perform(domain, act)
    recover(domain)
    assert_at_rest(domain, {mn_id: node.mag_id for mn_id, node in domain.mobile_nodes.items()})
