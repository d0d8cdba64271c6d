# SPDX-License-Identifier: Apache-2.0
"""Puts the REST API of one domain together: all resources, who may use them, and the WSGI application before them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from apps.metrics import Metrics
from apps.rest.access import Access, Hosts
from apps.rest.application import RestApi
from apps.rest.conditional import Pictures, SnapshotSource
from apps.rest.domain import DomainResources
from apps.rest.event_stream import EventStream
from apps.rest.events import EventCursor, EventResources
from apps.rest.handovers import Core as HandoverCore
from apps.rest.handovers import HandoverResources
from apps.rest.idempotency import IdempotencyStore
from apps.rest.lookup import Lookup, find
from apps.rest.openapi import document
from apps.rest.process import ProcessResources
from apps.rest.routing import Route
from apps.rest.switches import Switches, SwitchResources
from apps.rest.trace import AskAgents, TraceResources
from apps.rest.view import View
from apps.rest.webhooks import Webhooks
from southbound.facts import FactMemory
from topology.model import Domain


class Core(HandoverCore, SnapshotSource, Protocol):
    """What REST needs of `apps.executor.Executor`."""


class Api:
    """`routes` is the table of the API, `application` serves it."""

    def __init__(
        self,
        *,
        domain: Domain,
        core: Core,
        switches: Switches,
        metrics: Metrics,
        events: EventStream,
        memory: FactMemory,
        ask_agents: AskAgents,
        webhook_secrets: Mapping[str, bytes] | None = None,
        access: Access | None = None,
        hosts: Hosts | None = None,
        new_id: Callable[[], str] = lambda: f"ho-{secrets.token_hex(6)}",
        clock: Callable[[], float] = time.time,
    ) -> None:
        access = access or Access()
        pictures = Pictures(core, events.run_id)
        lookup = Lookup(domain)
        cursor = EventCursor(events)
        limits = domain.limits
        keys = IdempotencyStore(keys_max=limits.idempotency_keys, age_s=limits.idempotency_age_s)
        view = View()

        def handover(handover_id: str) -> dict[str, Any] | None:
            return find(pictures.current().handovers, "id", handover_id)

        process = ProcessResources(
            domain_name=domain.name, pictures=pictures, metrics=metrics, access=access,
            all_routes=lambda: self.routes, document=lambda: document(self.routes, access), view=view, run_id=events.run_id,
        )
        handovers = HandoverResources(
            core=core, pictures=pictures, lookup=lookup, event_cursor=cursor, idempotency=keys,
            batch_max=limits.handovers_per_request, remembered=limits.handovers_remembered, new_id=new_id, clock=clock,
        )
        self.webhooks = Webhooks(
            domain.rest.webhooks, webhook_secrets or {}, queue_limit=limits.webhook_queue,
            event_id=lambda: events.last_id, handover=handover,
        )
        metrics.registry.register(self.webhooks)
        self.routes: tuple[Route, ...] = (
            *handovers.routes(),
            *TraceResources(pictures=pictures, memory=memory, ask_agents=ask_agents).routes(),
            *DomainResources(domain=domain, pictures=pictures, lookup=lookup, event_cursor=cursor).routes(),
            *SwitchResources(domain=domain, pictures=pictures, switches=switches, run_id=events.run_id).routes(),
            *EventResources(events, lookup, handover).routes(),
            *self.webhooks.routes(),
            *process.routes(),
            *view.routes(),
        )
        self.application = RestApi(self.routes, metrics.answered, access, hosts)
