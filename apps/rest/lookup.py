# SPDX-License-Identifier: Apache-2.0
"""Finds what a client has named, or says what there is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from apps.rest.problems import NOT_FOUND, FieldError, Problem, quoted
from topology.model import Domain
from topology.policy_store import PolicyStore


class Lookup:
    """Names of one domain."""

    def __init__(self, domain: Domain) -> None:
        self._policy = PolicyStore(domain.mobile_nodes)
        self.mag_ids = tuple(mag.id for mag in domain.mags)

    def mobile_node(self, mn_id_or_name: str) -> str:
        """The MN-ID. Raises Problem 404."""
        profile = self._policy.find(mn_id_or_name)
        if profile is None:
            raise not_found("mn_id", f"no mobile node {quoted(mn_id_or_name)} in the policy store")
        return profile.id

    def check_mag(self, field: str, mag_id: str | None) -> None:
        """Raises Problem 404 when there is no such MAG; None is any."""
        if mag_id is not None and mag_id not in self.mag_ids:
            raise not_found(field, none_of("MAG", mag_id, self.mag_ids))


def find(views: Sequence[dict[str, Any]], key: str, value: str) -> dict[str, Any] | None:
    """The view whose `key` is this, or None."""
    return next((view for view in views if view[key] == value), None)


def none_of(what: str, found: str, names: Iterable[str]) -> str:
    """That there is no such thing, and what there is."""
    return f"no {what} {quoted(found)}; there are: {', '.join(names)}"


def not_found(field: str, detail: str) -> Problem:
    """404 about one field."""
    return Problem(NOT_FOUND, detail, errors=[FieldError(field=field, detail=detail)])
