# SPDX-License-Identifier: Apache-2.0
"""Prometheus metrics of the controller and of what its agents report. docs/reference/metrics.md lists them."""

from apps.metrics.phases import HANDOVERS_TIMED_MAX, PHASES
from apps.metrics.registry import CONTENT_TYPE, Metrics

__all__ = ["CONTENT_TYPE", "HANDOVERS_TIMED_MAX", "PHASES", "Metrics"]
