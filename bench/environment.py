# SPDX-License-Identifier: Apache-2.0
"""Where and when a benchmark was run: the machine, the commit, and how busy it was before."""

from __future__ import annotations

import os
from typing import Any

from lab.machine import describe_machine


def describe_environment() -> dict[str, Any]:
    """`lab.machine.describe_machine` and `load_before`: the load averages of 1, 5 and 15 minutes. JSON-ready."""
    return {**describe_machine(), "load_before": [round(value, 2) for value in os.getloadavg()]}
