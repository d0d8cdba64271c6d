# SPDX-License-Identifier: Apache-2.0
"""What the process says of itself: what there is, whether it lives and is ready, metrics, and what its problems mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

from webob import Response

from apps.metrics import CONTENT_TYPE as METRICS_TYPE
from apps.metrics import Metrics
from apps.rest.access import Access
from apps.rest.answers.problems import AwayPart, ProblemMeaning
from apps.rest.answers.process import AccessState, Health, Index, Readiness, ResourceLine
from apps.rest.conditional import Pictures
from apps.rest.lookup import none_of, not_found
from apps.rest.problems import NOT_FOUND, PROBLEM_TYPES, UNAVAILABLE, Problem
from apps.rest.routing import JSON, Call, Good, Route, json_response, model_response, raw_response
from apps.rest.view import HTML, View


class ProcessResources:
    """/, /healthz, /readyz, /v1/access, /metrics, /problems, /openapi.json.

    `all_routes` is asked when a list of them is wanted; `document` makes the OpenAPI document; `view` has the page for
    browsers; `run_id` tells one controller process from another.
    """

    def __init__(
        self,
        *,
        domain_name: str,
        pictures: Pictures,
        metrics: Metrics,
        access: Access,
        all_routes: Callable[[], Sequence[Route]],
        document: Callable[[], bytes],
        view: View,
        run_id: str,
    ) -> None:
        self._domain_name = domain_name
        self._pictures = pictures
        self._metrics = metrics
        self._access = access
        self._all_routes = all_routes
        self._document = cache(document)
        self._view = view
        self._run_id = run_id

    def routes(self) -> tuple[Route, ...]:
        """Their routes."""
        return (
            Route(method="GET", path="/", summary="this list; a page for browsers", answer=self.get_index, tag="process",
                  role=None, revision=self._index_revision,
                  answers=(Good(description="What there is.", model=Index),
                           Good(description="What there is.", media_type=HTML))),
            Route(method="GET", path="/healthz", summary="whether the process lives", answer=self.get_health,
                  tag="process", role=None, answers=(Good(description="It lives.", model=Health),)),
            Route(method="GET", path="/readyz", summary="whether all agents and switches are connected",
                  answer=self.get_readiness, tag="process", role=None, problems=(UNAVAILABLE,),
                  answers=(Good(description="All are connected.", model=Readiness),)),
            Route(method="GET", path="/v1/access", summary="what whoever asks may do", answer=self.get_access,
                  tag="process", answers=(Good(description="Token and role.", model=AccessState),)),
            Route(method="GET", path="/metrics", summary="Prometheus metrics", answer=self.get_metrics, tag="process",
                  answers=(Good(description="Text format 0.0.4.", media_type=METRICS_TYPE.partition(";")[0]),)),
            Route(method="GET", path="/openapi.json", summary="this API as an OpenAPI 3.1 document",
                  answer=self.get_openapi, tag="process", role=None,
                  answers=(Good(description="The document.", media_type=JSON),)),
            Route(method="GET", path="/problems/{name}", summary="what a type of problem means",
                  answer=self.get_problem_type, tag="process", role=None, problems=(NOT_FOUND,),
                  answers=(Good(description="Its meaning.", model=ProblemMeaning),)),
        )

    def get_index(self, call: Call) -> Response:
        """The page for whoever would rather have HTML than JSON, else the list (RFC 9110 section 12.5.1)."""
        if _prefers_html(call):
            response = self._view.page()
            response.headers["Vary"] = "Accept"
            return response
        lines = [
            ResourceLine(
                method=route.method, path=route.path, summary=route.summary,
                role=None if route.role is None else route.role.value,
            )
            for route in self._all_routes()
        ]
        index = Index(domain=self._domain_name, tokens_required=self._access.required, resources=lines)
        return model_response(index, headers={"Vary": "Accept"})

    def _index_revision(self, call: Call) -> str:
        return self._view.revision if _prefers_html(call) else f"{self._run_id}-index"

    def get_health(self, _: Call) -> Response:
        """Always."""
        return model_response(Health())

    def get_readiness(self, _: Call) -> Response:
        """Who is not there."""
        picture = self._pictures.current()
        away = [AwayPart(part="agent", name=mag["id"]) for mag in picture.mags if not mag["agent_connected"]]
        away += [AwayPart(part="switch", name=switch["name"]) for switch in picture.switches if not switch["connected"]]
        if away:
            named = ", ".join(f"{part.part} of {part.name}" for part in away)
            raise Problem(UNAVAILABLE, f"not connected: {named}", members={"away": away})
        return model_response(Readiness())

    def get_access(self, call: Call) -> Response:
        """A program that shows what it could begin need not be refused first."""
        role = self._access.role_of(call.client)
        return model_response(AccessState(name=call.client or None, role=role.value))

    def get_metrics(self, _: Call) -> Response:
        """For Prometheus."""
        return raw_response(self._metrics.exposition(), METRICS_TYPE)

    def get_openapi(self, _: Call) -> Response:
        """Of this process, with its limits."""
        return json_response(self._document())

    def get_problem_type(self, call: Call) -> Response:
        """Of a name in /problems."""
        kind = PROBLEM_TYPES.get(call.names["name"])
        if kind is None:
            raise not_found("name", none_of("problem type", call.names["name"], PROBLEM_TYPES))
        return model_response(ProblemMeaning(type=kind.type, title=kind.title, status=kind.status, meaning=kind.meaning))


def _prefers_html(call: Call) -> bool:
    offered = call.request.accept.acceptable_offers([JSON, HTML])
    return bool(offered) and offered[0][0] == HTML
