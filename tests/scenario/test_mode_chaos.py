# SPDX-License-Identifier: Apache-2.0
"""The chaos of test_chaos.py with every attach_mode and with handovers of both kinds: it ends, and nothing is left."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.scenario.handover_script import watched
from tests.scenario.test_chaos import Act, acts, errors, failures, movements, perform, qualities, recover
from tests.support.domain_checks import assert_at_rest
from tests.support.domains import three_mags
from tests.support.simulated_domain import Delays, SimulatedDomain
from tests.support.simulated_transport import LinkQuality

MODES = ("policy-store", "query", "context-transfer", "reactive")
DOMAINS = {(dialect, mode): three_mags(dialect, mode) for dialect in ("draft", "rfc") for mode in MODES}
GATE = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def run(
    attach_mode: str, dialect: str, quality: LinkQuality, seed: int, clock_errors: tuple[float, float],
    script: list[Act],
) -> None:
    domain = SimulatedDomain(
        DOMAINS[dialect, attach_mode], seed=seed,
        delays=Delays(rpc_s=0.0007 * (1 + seed % 7), switch_s=0.001 * (1 + seed % 5)),
        clock_errors_s={"mag2": clock_errors[0] + 0.000123, "mag3": clock_errors[1] - 0.000321},
    )
    watched(domain, 1.5)
    domain.transport.quality = quality
    for number, act in enumerate(script):
        if act.what == "trigger" and (number + seed) % 2:
            domain.run_for(act.pause_s)
            domain.request_handover(act.mn_id, act.mag_id, "join")
        else:
            perform(domain, act)
    recover(domain)
    assert_at_rest(domain, {mn_id: node.mag_id for mn_id, node in domain.mobile_nodes.items()})


@pytest.mark.parametrize("attach_mode", MODES)
@GATE
@given(st.sampled_from(["draft", "rfc"]), qualities, st.integers(0, 1000), errors, acts(movements))
def test_bad_links_and_restless_mobile_nodes(
    attach_mode: str, dialect: str, quality: LinkQuality, seed: int, clock_errors: tuple[float, float],
    script: list[Act],
) -> None:
    run(attach_mode, dialect, quality, seed, clock_errors, script)


@pytest.mark.parametrize("attach_mode", MODES)
@GATE
@given(
    st.sampled_from(["draft", "rfc"]), qualities, st.integers(0, 1000), errors, acts(st.one_of(movements, failures))
)
def test_with_failures_of_everything_else(
    attach_mode: str, dialect: str, quality: LinkQuality, seed: int, clock_errors: tuple[float, float],
    script: list[Act],
) -> None:
    run(attach_mode, dialect, quality, seed, clock_errors, script)
