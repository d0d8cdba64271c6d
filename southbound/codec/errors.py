# SPDX-License-Identifier: Apache-2.0
"""The two ways in which the codec says no: the peer's octets are wrong, or our own value cannot be written."""

from __future__ import annotations

DECODE_REASONS = frozenset(
    {
        "authenticator_missing",
        "authenticator_wrong",
        "bad_checksum",
        "bad_code",
        "bad_context_request",
        "bad_hop_limit",
        "bad_extension_header",
        "bad_ip_version",
        "bad_neighbor_message",
        "bad_option_length",
        "bad_payload_proto",
        "bad_prefix_length",
        "bad_query_length",
        "bad_text",
        "fragmented",
        "header_length_mismatch",
        "header_too_short",
        "no_router_alert",
        "not_a_multicast_group",
        "not_mld",
        "not_mobility",
        "not_neighbor_discovery",
        "option_overruns_header",
        "source_not_link_local",
        "too_many_options",
        "too_many_records",
        "too_many_sources",
        "trailing_octets",
        "truncated",
        "unknown_hop_by_hop_option",
    }
)
"""Every `DecodeError.reason` there is: the closed label set of the discard counters."""


class DecodeError(ValueError):
    """A peer's octets do not form the message. The packet is discarded and `reason` counted."""

    def __init__(self, reason: str, offset: int, field: str) -> None:
        super().__init__(f"{reason} at octet {offset} ({field})")
        self.reason = reason
        """One of DECODE_REASONS."""
        self.offset = offset
        """Octet offset inside what was handed to the decoder; the pointer of an ICMPv6 Parameter Problem."""
        self.field = field
        """Name of the field that was being read."""


class EncodeError(ValueError):
    """A value that the wire format has no room for, or that no RFC lets us send. Always our own mistake."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
