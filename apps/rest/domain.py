# SPDX-License-Identifier: Apache-2.0
"""The domain as it is: bindings, MAGs, listeners, and the map that all of them are on."""

from __future__ import annotations

from typing import Any

from webob import Response

from apps.rest.answers.domain import Binding, BindingList, ListenerList, Mag, MagList, Topology
from apps.rest.conditional import Pictures
from apps.rest.events import EventCursor
from apps.rest.lookup import Lookup, find, none_of, not_found
from apps.rest.paging import by_place, page_of
from apps.rest.problems import NOT_FOUND
from apps.rest.request_models import BindingQuery, ListenerQuery, PageQuery
from apps.rest.routing import Call, Good, Route, model_response
from apps.rest.topology_view import topology_view
from topology.model import Domain


class DomainResources:
    """/v1/topology, /v1/bindings, /v1/mags, /v1/listeners."""

    def __init__(self, *, domain: Domain, pictures: Pictures, lookup: Lookup, event_cursor: EventCursor) -> None:
        self._domain = domain
        self._pictures = pictures
        self._lookup = lookup
        self._event_cursor = event_cursor

    def routes(self) -> tuple[Route, ...]:
        """Their routes."""
        revision_of = self._pictures.revision_of
        paged = ("Link", "Castover-Event-Id")
        return (
            Route(method="GET", path="/v1/topology", summary="nodes, tunnels, and where the mobile nodes are",
                  answer=self.get_topology, tag="domain",
                  revision=revision_of("mags", "bindings", "listeners", "handovers"),
                  answers=(Good(description="The domain.", model=Topology, headers=("Castover-Event-Id",)),)),
            Route(method="GET", path="/v1/bindings", summary="the binding cache", answer=self.list_bindings, tag="domain",
                  query=BindingQuery, revision=revision_of("bindings"), problems=(NOT_FOUND,),
                  answers=(Good(description="A page of it.", model=BindingList, headers=paged),)),
            Route(method="GET", path="/v1/bindings/{mn_id}", summary="the binding of one mobile node",
                  answer=self.get_binding, tag="domain", revision=revision_of("bindings"), problems=(NOT_FOUND,),
                  answers=(Good(description="The binding.", model=Binding),)),
            Route(method="GET", path="/v1/mags", summary="mobile access gateways", answer=self.list_mags, tag="domain",
                  query=PageQuery, revision=revision_of("mags"),
                  answers=(Good(description="A page of them.", model=MagList, headers=paged),)),
            Route(method="GET", path="/v1/mags/{mag_id}", summary="one mobile access gateway", answer=self.get_mag,
                  tag="domain", revision=revision_of("mags"), problems=(NOT_FOUND,),
                  answers=(Good(description="The MAG.", model=Mag),)),
            Route(method="GET", path="/v1/listeners", summary="who listens to what, at which MAG",
                  answer=self.list_listeners, tag="domain", query=ListenerQuery, revision=revision_of("listeners"),
                  problems=(NOT_FOUND,),
                  answers=(Good(description="A page of them.", model=ListenerList, headers=paged),)),
        )

    def get_topology(self, _: Call) -> Response:
        """The map."""
        view = topology_view(self._domain, self._pictures.current())
        return model_response(Topology.model_validate(view), headers=self._event_cursor.header())

    def list_bindings(self, call: Call) -> Response:
        """A page, by MN-ID and prefix."""
        query: BindingQuery = call.query
        self._lookup.check_mag("mag", query.mag)
        found = sorted(
            (view for view in self._pictures.current().bindings if query.mag in (None, view["mag"])),
            key=_binding_key,
        )

        def later(cursor: str) -> Any:
            mn_id, slash, prefix = cursor.partition("/")
            if not slash:
                raise ValueError("no mn_id/prefix")
            return lambda view: _binding_key(view) > (mn_id, prefix)

        page = page_of(found, query, call.request, later, lambda view: "/".join(_binding_key(view)))
        answer = BindingList.model_validate({"bindings": page.items, "total": page.total})
        return model_response(answer, headers={**page.headers, **self._event_cursor.header()})

    def get_binding(self, call: Call) -> Response:
        """One."""
        mn_id = self._lookup.mobile_node(call.names["mn_id"])
        found = find(self._pictures.current().bindings, "mn_id", mn_id)
        if found is None:
            raise not_found("mn_id", f"{mn_id} is not registered at any MAG")
        return model_response(Binding.model_validate(found))

    def list_mags(self, call: Call) -> Response:
        """A page, in the order of topology.yaml."""
        after = by_place(self._lookup.mag_ids)

        def later(cursor: str) -> Any:
            follows = after(cursor)
            return lambda view: follows(view["id"])

        page = page_of(self._pictures.current().mags, call.query, call.request, later, lambda view: view["id"])
        answer = MagList.model_validate({"mags": page.items, "total": page.total})
        return model_response(answer, headers={**page.headers, **self._event_cursor.header()})

    def get_mag(self, call: Call) -> Response:
        """One."""
        found = find(self._pictures.current().mags, "id", call.names["mag_id"])
        if found is None:
            raise not_found("mag_id", none_of("MAG", call.names["mag_id"], self._lookup.mag_ids))
        return model_response(Mag.model_validate(found))

    def list_listeners(self, call: Call) -> Response:
        """A page, by MAG and MN-ID."""
        query: ListenerQuery = call.query
        self._lookup.check_mag("mag", query.mag)
        mn_id = None if query.mn_id is None else self._lookup.mobile_node(query.mn_id)
        found = sorted(
            (
                view for view in self._pictures.current().listeners
                if query.mag in (None, view["mag"]) and mn_id in (None, view["mn_id"])
            ),
            key=_listener_key,
        )

        def later(cursor: str) -> Any:
            mag, slash, last = cursor.partition("/")
            if not slash:
                raise ValueError("no mag/mn_id")
            return lambda view: _listener_key(view) > (mag, last)

        page = page_of(found, query, call.request, later, lambda view: "/".join(_listener_key(view)))
        answer = ListenerList.model_validate({"listeners": page.items, "total": page.total})
        return model_response(answer, headers={**page.headers, **self._event_cursor.header()})


def _binding_key(view: dict[str, Any]) -> tuple[str, str]:
    """An MN has one binding for each of its interfaces, and no two have the same prefix."""
    return str(view["mn_id"]), str(view["home_network_prefixes"][0])


def _listener_key(view: dict[str, Any]) -> tuple[str, str]:
    return str(view["mag"]), str(view["mn_id"])
