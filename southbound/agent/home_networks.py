# SPDX-License-Identifier: Apache-2.0
"""Which home network prefixes each MN has, as far as this MAG knows. Pure.

The LMA's word (PBA) goes before the previous MAG's (HI, RFC 5949 section 4.1), and both before the policy store, which
knows those that an MN has for good. An MN with a prefix from the LMA's pool has none here until one of them has spoken.
"""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network

from topology.model import HOME_NETWORK_PREFIX_LENGTH, Domain, MobileNode

LINK_LOCAL = IPv6Network("fe80::/64")


class HomeNetworks:
    """By MN-ID; there are no more than the policy store has profiles."""

    def __init__(self, domain: Domain) -> None:
        self._pool = domain.lma.home_network_prefix_pool
        self._assigned: dict[str, tuple[IPv6Network, ...]] = {}
        self._not_authorized: set[str] = set()
        """MN-IDs whose prefixes, as we knew them, the LMA has refused."""
        self._profiles = {prefix: node for node in domain.mobile_nodes for prefix in node.home_network_prefixes}
        self._link_local = {address_of(node): node for node in domain.mobile_nodes if not node.home_network_prefixes}

    def of(self, profile: MobileNode) -> tuple[IPv6Network, ...]:
        """The MN's prefixes; empty when the LMA has yet to choose."""
        known = () if profile.id in self._not_authorized else profile.home_network_prefixes
        return self._assigned.get(profile.id, known)

    def assign(self, mn_id: str, prefixes: tuple[IPv6Network, ...]) -> None:
        """Somebody who knows has named the MN's prefixes."""
        self._assigned[mn_id] = prefixes

    def forget(self, mn_id: str) -> None:
        """The MN is nobody's here any more: its next registration begins with the policy store again."""
        self._assigned.pop(mn_id, None)

    def not_authorized(self, mn_id: str) -> None:
        """The LMA has refused the MN's prefixes: it shall choose, and they are not asked for again (RFC 5213 6.9.1.2)."""
        self._assigned.pop(mn_id, None)
        self._not_authorized.add(mn_id)

    def ask_again(self) -> None:
        """An operator may have acted: what was refused may be asked for again."""
        self._not_authorized.clear()

    def may_have(self, profile: MobileNode, prefixes: tuple[IPv6Network, ...]) -> bool:
        """Whether a peer can be right about this MN: a session has prefixes of the MN's own, or of the pool."""
        return set(prefixes) <= set(profile.home_network_prefixes) or all(self._of_pool(prefix) for prefix in prefixes)

    def _of_pool(self, prefix: IPv6Network) -> bool:
        return prefix.prefixlen == HOME_NETWORK_PREFIX_LENGTH and any(
            prefix.subnet_of(network) for network in self._pool
        )

    def owner(self, address: IPv6Address) -> MobileNode | None:
        """The MN that `address_of` names by this address, or one with any other address of its own home networks."""
        return self._profiles.get(IPv6Network((address, 64), strict=False)) or self._link_local.get(address)


def address_of(profile: MobileNode) -> IPv6Address:
    """The address that names the MN in CXTP: of its home network, with the modified EUI-64 of its link-layer id.

    RFC 4067 names MNs by the address that they had. A MAG does not know which addresses an MN has formed, but every one
    of them is in its prefixes, and those are nobody else's (RFC 5213 section 5.2): only the prefix is compared. One whose
    prefix the LMA chooses is named by its link-local address, which every MAG can form.
    """
    octets = profile.link_layer_id
    identifier = bytes((octets[0] ^ 2,)) + octets[1:3] + b"\xff\xfe" + octets[3:]
    network = profile.home_network_prefixes[0] if profile.home_network_prefixes else LINK_LOCAL
    return IPv6Address(network.network_address.packed[:8] + identifier)
