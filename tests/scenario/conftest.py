# SPDX-License-Identifier: Apache-2.0
"""A domain of three MAGs with both mobile nodes at the first one."""

from __future__ import annotations

import pytest

from tests.scenario.handover_script import watched
from tests.support.simulated_domain import SimulatedDomain, three_mags


@pytest.fixture(params=["draft", "rfc"])
def domain(request: pytest.FixtureRequest) -> SimulatedDomain:
    """In each dialect, watched."""
    return watched(SimulatedDomain(three_mags(request.param)))
