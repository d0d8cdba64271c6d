# SPDX-License-Identifier: Apache-2.0
"""What a MAG makes of a Proxy Binding Acknowledgement: RFC 5213 section 6.9.1.2, the statuses as a table. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv6Address, IPv6Network

from southbound.codec.accessors import find_options, home_network_prefixes
from southbound.codec.binding import ProxyBindingAcknowledgement
from southbound.codec.iana import AccessTechnologyType, BindingStatus, HandoffIndicator
from southbound.codec.options import (
    AccessTechnologyTypeOption,
    HandoffIndicatorOption,
    MobileNodeIdentifier,
    MobileNodeLinkLayerIdentifier,
)


class Reaction(Enum):
    """What a status asks of the MAG."""

    ACCEPTED = "accepted"
    AGAIN_AT_ONCE = "again at once"
    """With a newer stamp (rule 8) or the number after the one that the LMA names (RFC 6275 section 11.7.3)."""
    AGAIN_BY_OWN_CLOCK = "again, later and later"
    """Rule 9 asks for a synchronised clock first, never for the LMA's own stamp. Ours follows the system's clock; what was
    late was this PBU, or it will be when the clock has been set right."""
    AGAIN_SELDOM = "no service; again now and then"
    """The LMA's shortage may pass while the MN is here."""
    OTHER_PREFIXES = "once more, the LMA shall choose the prefixes"
    """Rule 10."""
    WITH_GRE_KEY = "once more, with a GRE Key option"
    """RFC 5845 section 5.1.1."""
    NEVER_AGAIN = "no service until an operator acts"
    """Rule 7."""
    DENIED = "no service until the mobile node attaches anew"
    """Rule 11."""


REACTIONS: Mapping[BindingStatus, Reaction] = {
    BindingStatus.REASON_UNSPECIFIED: Reaction.DENIED,
    BindingStatus.ADMINISTRATIVELY_PROHIBITED: Reaction.DENIED,
    BindingStatus.INSUFFICIENT_RESOURCES: Reaction.AGAIN_SELDOM,
    BindingStatus.SEQUENCE_NUMBER_OUT_OF_WINDOW: Reaction.AGAIN_AT_ONCE,
    BindingStatus.PROXY_REG_NOT_ENABLED: Reaction.NEVER_AGAIN,
    BindingStatus.NOT_LMA_FOR_THIS_MOBILE_NODE: Reaction.DENIED,
    BindingStatus.MAG_NOT_AUTHORIZED_FOR_PROXY_REG: Reaction.DENIED,
    BindingStatus.NOT_AUTHORIZED_FOR_HOME_NETWORK_PREFIX: Reaction.OTHER_PREFIXES,
    BindingStatus.TIMESTAMP_MISMATCH: Reaction.AGAIN_BY_OWN_CLOCK,
    BindingStatus.TIMESTAMP_LOWER_THAN_PREV_ACCEPTED: Reaction.AGAIN_AT_ONCE,
    BindingStatus.MISSING_HOME_NETWORK_PREFIX_OPTION: Reaction.DENIED,
    BindingStatus.BCE_PBU_PREFIX_SET_DO_NOT_MATCH: Reaction.OTHER_PREFIXES,
    BindingStatus.MISSING_MN_IDENTIFIER_OPTION: Reaction.DENIED,
    BindingStatus.MISSING_HANDOFF_INDICATOR_OPTION: Reaction.DENIED,
    BindingStatus.MISSING_ACCESS_TECH_TYPE_OPTION: Reaction.DENIED,
    BindingStatus.GRE_KEY_OPTION_REQUIRED: Reaction.WITH_GRE_KEY,
}
"""Refusals; what is not here (RFC 6275's 131 to 134 among them, which are about home registrations) denies the service."""


def reaction_to(message: ProxyBindingAcknowledgement) -> Reaction:
    """What this answer asks for."""
    return Reaction.ACCEPTED if message.accepted else REACTIONS.get(message.status, Reaction.DENIED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What of a PBU has to come back in its PBA."""

    mn_id: str
    link_layer_id: bytes
    technology: AccessTechnologyType
    indicator: HandoffIndicator
    prefixes: tuple[IPv6Network, ...]
    """Empty: the LMA was asked to choose."""
    lifetime_s: int
    gre_key: int | None = None


def not_echoed(message: ProxyBindingAcknowledgement, asked: Asked) -> str:
    """The first option that says something else than the PBU did (rule 6), or ''. What is left out says nothing else."""
    identifiers = {option.identifier for option in find_options(message, MobileNodeIdentifier)} - {""}
    if identifiers - {asked.mn_id}:
        return "mobile node identifier"
    if {option.indicator for option in find_options(message, HandoffIndicatorOption)} - {asked.indicator}:
        return "handoff indicator"
    if {option.technology for option in find_options(message, AccessTechnologyTypeOption)} - {asked.technology}:
        return "access technology type"
    named = {option.identifier for option in find_options(message, MobileNodeLinkLayerIdentifier)}
    return "link-layer identifier" if named - {asked.link_layer_id} else ""


def assigned_prefixes(message: ProxyBindingAcknowledgement) -> tuple[IPv6Network, ...]:
    """The home network prefixes of an acceptance; all-zero ones assign nothing."""
    return tuple(prefix for prefix in home_network_prefixes(message) if prefix.network_address != IPv6Address("::"))
