# SPDX-License-Identifier: Apache-2.0
"""A handover buffer on a clock of the test's own."""

from __future__ import annotations

import pytest

from tests.unit.southbound.agent.buffer_streams import Driver


@pytest.fixture
def driver() -> Driver:
    return Driver()
