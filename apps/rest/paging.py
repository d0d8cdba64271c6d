# SPDX-License-Identifier: Apache-2.0
"""Pages of a list, by cursor: the next page begins after the last item of this one, whatever came and went meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import urlencode

from webob import Request

from apps.rest.problems import NOT_VALID, FieldError, Problem, quoted
from apps.rest.request_models import PageQuery

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Item]):
    """One page, and the headers that name the others (RFC 8288)."""

    items: Sequence[Item]
    total: int
    """Items on all pages."""
    headers: dict[str, str]


def page_of(
    items: Sequence[Item], query: PageQuery, request: Request, after: Callable[[str], Callable[[Item], bool]],
    cursor: Callable[[Item], str],
) -> Page[Item]:
    """The page that the query asks for. `items` are in order; `cursor` names one of them for the page that follows it.

    `after` makes of a cursor the test whether an item comes after it; raises ValueError when no item has such a cursor.
    """
    rest = items
    if query.cursor is not None:
        try:
            follows = after(query.cursor)
        except ValueError as error:
            raise _not_a_cursor(query.cursor) from error
        rest = [item for item in items if follows(item)]
    shown = rest[: query.limit]
    links = []
    if len(rest) > len(shown):
        links.append(_link(request, "next", cursor(shown[-1])))
    if query.cursor is not None:
        links.append(_link(request, "first", None))
    return Page(items=shown, total=len(items), headers={"Link": ", ".join(links)} if links else {})


def by_place(names: Sequence[str]) -> Callable[[str], Callable[[str], bool]]:
    """An `after` for items that have their place in a list of names that never changes, such as MAG ids."""

    def after(cursor: str) -> Callable[[str], bool]:
        place = names.index(cursor)
        return lambda name: names.index(name) > place

    return after


def _link(request: Request, relation: str, cursor: str | None) -> str:
    parameters = [(name, value) for name, value in request.GET.items() if name != "cursor"]
    if cursor is not None:
        parameters.append(("cursor", cursor))
    query = f"?{urlencode(parameters)}" if parameters else ""
    return f'<{request.path}{query}>; rel="{relation}"'


def _not_a_cursor(cursor: str) -> Problem:
    detail = f"found {quoted(cursor)}; allowed: a cursor from the Link header of the page before"
    return Problem(NOT_VALID, "The query is not valid: cursor", errors=[FieldError(field="cursor", detail=detail)])
