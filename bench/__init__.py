# SPDX-License-Identifier: Apache-2.0
"""Measurements: handovers beside their alternatives, and where a handover's time goes. See bench/README.md."""
