# SPDX-License-Identifier: Apache-2.0
"""The sections `timers` and `limits`: one rule per field of `topology.settings`."""

from __future__ import annotations

from typing import Annotated, Any, cast

from pydantic import create_model

from topology.rule import Rule, number, whole_number
from topology.section import Section
from topology.sizes import MOBILE_NODES_MAX, SUBSCRIPTION_SOURCES_MAX, SUBSCRIPTIONS_MAX

TIMER_RULES: dict[str, Rule] = {
    "handover_initiate_timeout_ms": whole_number(10, 10_000),
    "handover_initiate_retries": whole_number(0, 10),
    "context_lifetime_s": number(0.1, 60),
    "forwarding_lifetime_s": number(0.1, 300),
    "cut_wait_ms": whole_number(1, 5_000),
    "path_difference_ms": whole_number(10, 5_000),
    "binding_acknowledgement_timeout_s": number(0.1, 60),
    "binding_acknowledgement_timeout_max_s": number(0.1, 600),
    # Travels as 16 bits in units of 4 seconds (RFC 6275 section 6.1.7).
    "binding_lifetime_s": whole_number(4, 4 * 0xFFFF, step=4),
    "timestamp_validity_window_ms": whole_number(1, 60_000),
    "min_delay_before_bce_delete_ms": whole_number(1, 600_000),
    "max_delay_before_new_bce_assign_ms": whole_number(0, 60_000),
    # The largest values of QQIC and of the Maximum Response Code (RFC 3810 sections 5.1.9 and 5.1.3).
    "mld_query_interval_s": number(1, 31_744),
    "mld_query_response_interval_s": number(0.1, 8_387),
    # QRV has three bits; zero is forbidden (RFC 3810 sections 5.1.8 and 9.1).
    "mld_robustness": whole_number(1, 7),
    "mld_last_listener_query_interval_s": number(0.1, 8_387),
    "mld_tunnel_query_interval_s": number(1, 31_744),
    "mld_tunnel_query_response_interval_s": number(0.1, 8_387),
    "mld_tunnel_last_listener_query_interval_s": number(0.1, 8_387),
    # RFC 4861 section 6.2.1 begins at 4 s, RFC 6275 section 7.5 allows mobile nodes far less.
    "router_advertisement_interval_s": number(0.1, 1_800),
    "router_lifetime_s": whole_number(1, 9_000),
    # 32 bits, all ones for ever (RFC 4861 section 4.6.2).
    "prefix_valid_lifetime_s": whole_number(1, 2**32 - 1),
    "prefix_preferred_lifetime_s": whole_number(1, 2**32 - 1),
    "switch_confirmation_timeout_ms": whole_number(10, 60_000),
}
"""One rule per field of `topology.settings.Timers`."""

LIMIT_RULES: dict[str, Rule] = {
    "buffer_packets_per_mobile_node": whole_number(1, 10_000_000),
    "buffer_bytes_per_mobile_node": whole_number(2_048, 2**34),
    "buffer_bytes_total": whole_number(2_048, 2**36),
    "buffer_age_ms": whole_number(1, 60_000),
    "groups_per_mobile_node": whole_number(1, SUBSCRIPTIONS_MAX),
    "sources_per_group": whole_number(1, SUBSCRIPTION_SOURCES_MAX),
    "groups_per_tunnel": whole_number(1, 100_000),
    "handovers_at_once": whole_number(1, 100_000),
    "contexts_per_peer": whole_number(1, 100_000),
    "handovers_remembered": whole_number(1, 100_000),
    "handovers_per_request": whole_number(1, MOBILE_NODES_MAX),
    "idempotency_keys": whole_number(1, 100_000),
    "idempotency_age_s": whole_number(1, 604_800),
    "webhook_queue": whole_number(1, 100_000),
}
"""One rule per field of `topology.settings.Limits`."""


def _numbers(name: str, rules: dict[str, Rule]) -> type[Section]:
    fields: dict[str, Any] = {key: (Annotated[float | None, rule], None) for key, rule in rules.items()}
    return cast(type[Section], create_model(name, __base__=Section, **fields))


TimersSection = _numbers("TimersSection", TIMER_RULES)
LimitsSection = _numbers("LimitsSection", LIMIT_RULES)
