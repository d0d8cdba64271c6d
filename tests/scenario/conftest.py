# SPDX-License-Identifier: Apache-2.0
"""A domain of three MAGs with both mobile nodes at the first one."""

from __future__ import annotations

import pytest

from tests.scenario.handover_script import MN1, MN2, watched
from tests.scenario.mode_script import Opened
from tests.support.domain_checks import assert_at_rest
from tests.support.domains import three_mags
from tests.support.simulated_domain import SimulatedDomain


@pytest.fixture(params=["draft", "rfc"])
def domain(request: pytest.FixtureRequest) -> SimulatedDomain:
    """In each dialect, watched."""
    return watched(SimulatedDomain(three_mags(request.param)))


@pytest.fixture(params=["draft", "rfc"])
def opened(request: pytest.FixtureRequest) -> Opened:
    """A domain with this attach_mode, both mobile nodes at mag1, in each dialect, watched."""

    def open_domain(attach_mode: str) -> SimulatedDomain:
        domain = watched(SimulatedDomain(three_mags(request.param, attach_mode)), 1.5)
        assert_at_rest(domain, {MN1: "mag1", MN2: "mag1"})
        return domain

    return open_domain
