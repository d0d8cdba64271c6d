# SPDX-License-Identifier: Apache-2.0
"""Home network prefixes of a new mobility session (RFC 5213 section 5.3.2). Pure.

An MN has its own prefixes for good, or one of the LMA's pool for as long as its session lasts: a prefix is in use while
an entry of the binding cache has it, and free again when that is deleted.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from ipaddress import IPv6Network

from controller.binding_cache import BindingCache
from controller.refusal import Refusal
from southbound.codec.iana import BindingStatus
from topology.model import HOME_NETWORK_PREFIX_LENGTH, MobileNode


def assign(
    profile: MobileNode, asked: tuple[IPv6Network, ...], pool: tuple[IPv6Network, ...], cache: BindingCache
) -> tuple[IPv6Network, ...]:
    """The prefixes of the new session; `asked` empty: the LMA chooses.

    Raises Refusal: 155 for one that the MN may not have or that another of its sessions has, 130 when none is left.
    """
    if asked:
        for prefix in asked:
            if not _may_have(profile, prefix, pool):
                raise _not_authorized(f"{prefix} is not a prefix of {profile.id}")
            if _in_use(prefix, profile, cache):
                raise _not_authorized(f"{prefix} is that of another interface of {profile.id}")
        return tuple(dict.fromkeys(asked))
    own = tuple(prefix for prefix in profile.home_network_prefixes if not _in_use(prefix, profile, cache))
    return own or (_from_pool(profile.id, pool, cache),)


def needs_pool(profile: MobileNode, asked: tuple[IPv6Network, ...], cache: BindingCache) -> bool:
    """Whether `assign` would have to choose a prefix that might be somebody's of whom nothing is known yet."""
    return not asked and all(_in_use(prefix, profile, cache) for prefix in profile.home_network_prefixes)


def _may_have(profile: MobileNode, prefix: IPv6Network, pool: tuple[IPv6Network, ...]) -> bool:
    if prefix in profile.home_network_prefixes:
        return True
    # A MAG tells a new LMA which prefix of the pool its MN has had (section 5.3.2 rule 3: it is the LMA's, and free).
    return prefix.prefixlen == HOME_NETWORK_PREFIX_LENGTH and any(prefix.subnet_of(network) for network in pool)


def _in_use(prefix: IPv6Network, profile: MobileNode, cache: BindingCache) -> bool:
    """A session that waits for its deletion does not hold its prefixes against its own MN."""
    session = cache.by_prefix(prefix)
    return session is not None and (session.active or session.mn_id != profile.id)


def _from_pool(mn_id: str, pool: tuple[IPv6Network, ...], cache: BindingCache) -> IPv6Network:
    """The same MN gets the same prefix again where it can: its place in the pool follows from its MN-ID."""
    for prefix in _candidates(mn_id, pool):
        if cache.by_prefix(prefix) is None:
            return prefix
    raise Refusal(BindingStatus.INSUFFICIENT_RESOURCES, "no home network prefix is left in the pool")


def _candidates(mn_id: str, pool: tuple[IPv6Network, ...]) -> Iterator[IPv6Network]:
    """Every prefix of the pool once, beginning at a place of the MN's own."""
    sizes = [1 << HOME_NETWORK_PREFIX_LENGTH - network.prefixlen for network in pool]
    total = sum(sizes)
    start = int.from_bytes(sha256(mn_id.encode()).digest()[:8], "big")
    for step in range(total):
        place = (start + step) % total
        for network, size in zip(pool, sizes, strict=True):
            if place < size:
                address = int(network.network_address) + (place << 128 - HOME_NETWORK_PREFIX_LENGTH)
                yield IPv6Network((address, HOME_NETWORK_PREFIX_LENGTH))
                break
            place -= size


def _not_authorized(detail: str) -> Refusal:
    return Refusal(BindingStatus.NOT_AUTHORIZED_FOR_HOME_NETWORK_PREFIX, detail)
