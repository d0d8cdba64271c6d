# SPDX-License-Identifier: Apache-2.0
"""A domain of three MAGs with both mobile nodes at the first one."""

from __future__ import annotations

import pytest

from tests.support.domain_checks import Watch
from tests.support.simulated_domain import SimulatedDomain, three_mags

MN1 = "mn1@example.net"
MN2 = "mn2@example.net"


@pytest.fixture(params=["draft", "rfc"])
def domain(request: pytest.FixtureRequest) -> SimulatedDomain:
    """In each dialect, watched."""
    simulated = SimulatedDomain(three_mags(request.param))
    Watch(simulated)
    simulated.start()
    simulated.attach(MN1, "mag1")
    simulated.attach(MN2, "mag1")
    simulated.run_for(1.0)
    return simulated
