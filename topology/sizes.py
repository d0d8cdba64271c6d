# SPDX-License-Identifier: Apache-2.0
"""How many of each thing a topology.yaml may have."""

from __future__ import annotations

MAGS_MIN, MAGS_MAX = 2, 64
MOBILE_NODES_MAX = 256
SOURCES_MAX = 64
LINKS_MAX = (MAGS_MAX + 1) * (MAGS_MAX + 2) // 2
"""Every node and every pair of nodes once."""
HOME_NETWORK_PREFIXES_MAX = 8
"""24 octets each in PBU, PBA and HI, which carry much else."""
POOL_NETWORKS_MAX = 64
ROUTES_MAX = 64
"""Each is a rule of the LMA's switch, and its next hop a neighbour that is asked for."""
ALLOWED_GROUPS_MAX = 64
ALLOWED_PREFIXES_MAX = 64
SUBSCRIPTIONS_MAX = 50
"""What one Multicast Mobility option carries: 255 words, 50 records without sources (RFC 7411 section 5.3)."""
SUBSCRIPTION_SOURCES_MAX = 62
"""What one record of such an option carries."""
TOKENS_MAX = 64
WEBHOOKS_MAX = 16
