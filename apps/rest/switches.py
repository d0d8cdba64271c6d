# SPDX-License-Identifier: Apache-2.0
"""The switches: how far each has followed, the rules that it has confirmed, and how much they carry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from webob import Response

from apps.rest.answers.switches import RateList, RuleList, SwitchList
from apps.rest.conditional import Pictures, Revised
from apps.rest.lookup import none_of, not_found
from apps.rest.paging import Page, by_place, page_of
from apps.rest.problems import NOT_FOUND
from apps.rest.rates import rates_view
from apps.rest.request_models import PageQuery, SwitchQuery
from apps.rest.routing import Call, Good, Route, model_response
from apps.rest.rule_view import rules_view
from southbound.openflow.counters import SwitchCounters
from southbound.openflow.rules import SwitchRules
from topology.model import Domain


class Switches(Protocol):
    """What these resources need of `apps.datapaths.Datapaths`."""

    def rules(self, name: str) -> SwitchRules:
        """What the switch is known to have."""

    def readings(self) -> Mapping[str, Sequence[SwitchCounters]]:
        """The latest counters by switch, oldest first; asking begins the reading of them."""


class SwitchResources:
    """/v1/switches, /v1/flows, /v1/rates."""

    def __init__(self, *, domain: Domain, pictures: Pictures, switches: Switches, run_id: str) -> None:
        self._domain = domain
        self._pictures = pictures
        self._switches = switches
        self._rules_revision = Revised(self._all_rules, run_id)

    def routes(self) -> tuple[Route, ...]:
        """Their routes."""
        return (
            Route(method="GET", path="/v1/switches", summary="switches and what they have confirmed",
                  answer=self.list_switches, tag="switches", query=PageQuery,
                  revision=self._pictures.revision_of("switches"),
                  answers=(Good(description="A page of them.", model=SwitchList, headers=("Link",)),)),
            Route(method="GET", path="/v1/flows", summary="confirmed OpenFlow rules", answer=self.list_flows,
                  tag="switches", query=SwitchQuery, revision=self._rules_revision, problems=(NOT_FOUND,),
                  answers=(Good(description="The rules of a page of switches.", model=RuleList, headers=("Link",)),)),
            Route(method="GET", path="/v1/rates", summary="packets a second on ports, in streams and in their copies",
                  answer=self.list_rates, tag="switches", query=SwitchQuery, problems=(NOT_FOUND,),
                  answers=(Good(description="The rates of a page of switches.", model=RateList, headers=("Link",)),)),
        )

    def list_switches(self, call: Call) -> Response:
        """A page: the LMA's two, then the MAGs'."""
        views = {view["name"]: view for view in self._pictures.current().switches}
        page = self._page(tuple(views), call)
        answer = {"switches": [views[name] for name in page.items], "total": page.total}
        return model_response(SwitchList.model_validate(answer), headers=page.headers)

    def list_flows(self, call: Call) -> Response:
        """The rules of a page of switches, or of one."""
        page = self._chosen(call)
        views = [{"name": name, **rules_view(self._switches.rules(name))} for name in page.items]
        answer = RuleList.model_validate({"switches": views, "total": page.total})
        return model_response(answer, headers=page.headers)

    def list_rates(self, call: Call) -> Response:
        """How much a page of switches carries, or one."""
        page = self._chosen(call)
        readings = self._switches.readings()
        views = [
            rates_view(self._domain, name, self._switches.rules(name), readings.get(name, ())) for name in page.items
        ]
        return model_response(RateList.model_validate({"switches": views, "total": page.total}), headers=page.headers)

    def _chosen(self, call: Call) -> Page[str]:
        query: SwitchQuery = call.query
        names = self._names()
        if query.switch is not None and query.switch not in names:
            raise not_found("switch", none_of("switch", query.switch, names))
        return self._page(names if query.switch is None else (query.switch,), call)

    def _page(self, names: Sequence[str], call: Call) -> Page[str]:
        return page_of(names, call.query, call.request, by_place(self._names()), str)

    def _names(self) -> tuple[str, ...]:
        return tuple(view["name"] for view in self._pictures.current().switches)

    def _all_rules(self) -> list[Any]:
        return [self._switches.rules(name) for name in self._names()]
