# SPDX-License-Identifier: Apache-2.0
"""Timers and limits of a domain, with their defaults."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Timers:
    """Protocol timers; defaults and sources in docs/explanation/protocol.md."""

    handover_initiate_timeout_ms: int = 100
    """First HI timeout, doubles each time (RFC 5568 6.2.1.1)."""
    handover_initiate_retries: int = 3
    context_lifetime_s: float = 5.0
    """How long the n-MAG keeps a context whose MN has not arrived."""
    forwarding_lifetime_s: float = 10.0
    """How long the p-MAG forwards at most."""
    cut_wait_ms: int = 30
    """How long the n-MAG holds delivery for the p-MAG's word on the last packet it delivered."""
    path_difference_ms: int = 500
    """The most that the delays of two paths to the n-MAG differ, by the LMA's tunnel and by the p-MAG's."""
    binding_acknowledgement_timeout_s: float = 1.0
    """INITIAL_BINDACK_TIMEOUT (RFC 5213 6.9.4)."""
    binding_acknowledgement_timeout_max_s: float = 32.0
    binding_lifetime_s: int = 300
    timestamp_validity_window_ms: int = 300
    min_delay_before_bce_delete_ms: int = 10_000
    max_delay_before_new_bce_assign_ms: int = 1_500
    """How long a PBU waits for the former MAG's de-registration when it may be a handover or not; 0: it does not wait."""
    mld_query_interval_s: float = 125.0
    mld_query_response_interval_s: float = 10.0
    mld_robustness: int = 2
    mld_last_listener_query_interval_s: float = 1.0
    mld_tunnel_query_interval_s: float = 125.0
    mld_tunnel_query_response_interval_s: float = 10.0
    mld_tunnel_last_listener_query_interval_s: float = 1.0
    """The same of the LMA, querier on the tunnels of MAGs that register without the S flag (RFC 6224 section 4.3)."""
    router_advertisement_interval_s: float = 600.0
    """MaxRtrAdvInterval (RFC 4861 6.2.1) on access links; MinRtrAdvInterval is a third of it."""
    router_lifetime_s: int = 1_800
    """AdvDefaultLifetime: how long an MN keeps its default router without hearing of it."""
    prefix_valid_lifetime_s: int = 2_592_000
    prefix_preferred_lifetime_s: int = 604_800
    """AdvValidLifetime and AdvPreferredLifetime of home network prefixes."""
    switch_confirmation_timeout_ms: int = 2_000
    """How long a request waits for a switch's barrier before it is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Caps on everything that a peer or a mobile node can make grow."""

    buffer_packets_per_mobile_node: int = 20_000
    buffer_bytes_per_mobile_node: int = 32 * 1024 * 1024
    buffer_bytes_total: int = 128 * 1024 * 1024
    buffer_age_ms: int = 5_000
    groups_per_mobile_node: int = 50
    sources_per_group: int = 62
    groups_per_tunnel: int = 1_000
    """That one MAG can join by MLD through its tunnel, for all its MNs together."""
    handovers_at_once: int = 256
    """In the whole domain, and on the way to one MAG."""
    contexts_per_peer: int = 128
    """MNs that are on their way to one MAG from one other."""
    handovers_remembered: int = 1_000
    handovers_per_request: int = 64
    """In one batch over REST."""
    idempotency_keys: int = 1_000
    idempotency_age_s: int = 86_400
    """How long the answer to an Idempotency-Key is kept."""
    webhook_queue: int = 1_000
    """Events that wait for one webhook."""
