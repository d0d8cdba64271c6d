# SPDX-License-Identifier: Apache-2.0
"""The router's action tables for one multicast address (RFC 3810 sections 7.4.1 and 7.4.2), as data.

Sets of addresses only: no timers run here. A row says which sets come out, which source timers are set to what, and
which queries are to be sent; `southbound.mld.group_record` carries that out against its clock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from southbound.codec.addresses import IpAddress
from southbound.codec.iana import Mldv2RecordType
from southbound.mld.membership import FilterMode

Sources = frozenset[IpAddress]
NONE: Sources = frozenset()

REPLACING = frozenset({Mldv2RecordType.MODE_IS_EXCLUDE, Mldv2RecordType.CHANGE_TO_EXCLUDE_MODE})
"""Record types after which nothing but the record's own sources is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One row of the tables, with the sets filled in."""

    filter_mode: FilterMode
    requested: Sources
    """A of INCLUDE(A), X (the Requested List) of EXCLUDE(X,Y): sources with a running timer."""
    excluded: Sources = NONE
    """Y (the Exclude List) of EXCLUDE(X,Y): sources whose timer is zero."""
    listening: Sources = NONE
    """Sources whose timer becomes the Multicast Address Listening Interval."""
    as_filter_timer: Sources = NONE
    """Sources whose timer becomes what the filter timer was before the record."""
    restart_filter_timer: bool = False
    """Filter Timer = MALI."""
    query_sources: Sources = NONE
    """Send Q(MA, these)."""
    query_group: bool = False
    """Send Q(MA)."""


_INCLUDE, _EXCLUDE = FilterMode.INCLUDE, FilterMode.EXCLUDE
_Row = Callable[[Sources, Sources, Sources], Transition]


def _include_add(a: Sources, _y: Sources, b: Sources) -> Transition:
    """INCLUDE(A) + IS_IN(B) or ALLOW(B)."""
    return Transition(filter_mode=_INCLUDE, requested=a | b, listening=b)


def _include_is_ex(a: Sources, _y: Sources, b: Sources) -> Transition:
    return Transition(filter_mode=_EXCLUDE, requested=a & b, excluded=b - a, restart_filter_timer=True)


def _include_block(a: Sources, _y: Sources, b: Sources) -> Transition:
    return Transition(filter_mode=_INCLUDE, requested=a, query_sources=a & b)


def _include_to_ex(a: Sources, _y: Sources, b: Sources) -> Transition:
    return Transition(
        filter_mode=_EXCLUDE, requested=a & b, excluded=b - a, restart_filter_timer=True, query_sources=a & b
    )


def _include_to_in(a: Sources, _y: Sources, b: Sources) -> Transition:
    return Transition(filter_mode=_INCLUDE, requested=a | b, listening=b, query_sources=a - b)


def _exclude_add(x: Sources, y: Sources, a: Sources) -> Transition:
    """EXCLUDE(X,Y) + IS_IN(A) or ALLOW(A)."""
    return Transition(filter_mode=_EXCLUDE, requested=x | a, excluded=y - a, listening=a)


def _exclude_is_ex(x: Sources, y: Sources, a: Sources) -> Transition:
    return Transition(
        filter_mode=_EXCLUDE, requested=a - y, excluded=y & a, listening=a - x - y, restart_filter_timer=True
    )


def _exclude_block(x: Sources, y: Sources, a: Sources) -> Transition:
    return Transition(
        filter_mode=_EXCLUDE, requested=x | (a - y), excluded=y, as_filter_timer=a - x - y, query_sources=a - y
    )


def _exclude_to_ex(x: Sources, y: Sources, a: Sources) -> Transition:
    return Transition(
        filter_mode=_EXCLUDE,
        requested=a - y,
        excluded=y & a,
        as_filter_timer=a - x - y,
        restart_filter_timer=True,
        query_sources=a - y,
    )


def _exclude_to_in(x: Sources, y: Sources, a: Sources) -> Transition:
    return Transition(
        filter_mode=_EXCLUDE, requested=x | a, excluded=y - a, listening=a, query_sources=x - a, query_group=True
    )


TABLE: dict[tuple[FilterMode, Mldv2RecordType], _Row] = {
    (_INCLUDE, Mldv2RecordType.MODE_IS_INCLUDE): _include_add,
    (_INCLUDE, Mldv2RecordType.MODE_IS_EXCLUDE): _include_is_ex,
    (_INCLUDE, Mldv2RecordType.ALLOW_NEW_SOURCES): _include_add,
    (_INCLUDE, Mldv2RecordType.BLOCK_OLD_SOURCES): _include_block,
    (_INCLUDE, Mldv2RecordType.CHANGE_TO_EXCLUDE_MODE): _include_to_ex,
    (_INCLUDE, Mldv2RecordType.CHANGE_TO_INCLUDE_MODE): _include_to_in,
    (_EXCLUDE, Mldv2RecordType.MODE_IS_INCLUDE): _exclude_add,
    (_EXCLUDE, Mldv2RecordType.MODE_IS_EXCLUDE): _exclude_is_ex,
    (_EXCLUDE, Mldv2RecordType.ALLOW_NEW_SOURCES): _exclude_add,
    (_EXCLUDE, Mldv2RecordType.BLOCK_OLD_SOURCES): _exclude_block,
    (_EXCLUDE, Mldv2RecordType.CHANGE_TO_EXCLUDE_MODE): _exclude_to_ex,
    (_EXCLUDE, Mldv2RecordType.CHANGE_TO_INCLUDE_MODE): _exclude_to_in,
}
"""Every filter mode with every record type; the rows of the RFC in the order of the RFC."""


def transition(
    filter_mode: FilterMode, requested: Sources, excluded: Sources, record_type: Mldv2RecordType, sources: Sources
) -> Transition:
    """What a record does to INCLUDE(requested) or EXCLUDE(requested, excluded)."""
    return TABLE[filter_mode, record_type](requested, excluded, sources)
