# SPDX-License-Identifier: Apache-2.0
"""Where the results of a run go when nobody says where."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any


def new_results_folder(started: datetime, environment: Mapping[str, Any]) -> Path:
    """bench/results/DATE-TIME-COMMIT; not made yet."""
    commit = str(environment["commit"] or "unknown")[:9]
    return Path("bench/results") / f"{started:%Y%m%d-%H%M%S}-{commit}"
