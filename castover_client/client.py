# SPDX-License-Identifier: Apache-2.0
"""`Castover`: one method for each thing that the REST API can do."""

from __future__ import annotations

import dataclasses
import os
import re
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlencode

from castover_client.connection import Connection
from castover_client.decoding import decode
from castover_client.errors import CastoverError, HandoverTimeout, NotTrusted, Unavailable, UnexpectedAnswer, Unreachable
from castover_client.events import EventStream
from castover_client.models import (
    ENDED,
    AccessState,
    Batch,
    Binding,
    Handover,
    HandoverRequest,
    Listener,
    Mag,
    Switch,
    SwitchRates,
    SwitchRules,
    Topology,
    Trace,
    WebhookState,
)

DEFAULT_URL = "http://127.0.0.1:8080"
_NEXT = re.compile(r'<([^>]*)>\s*;\s*rel="next"')
Model = TypeVar("Model")


class Castover:
    """A controller's REST API. A context manager that closes its connection; not for several threads at once.

    `token` is sent as a bearer token. For https the certificates of `ca_file` are trusted, or the system's own without it.
    Every method raises CastoverError: Refused with what the controller said, or Unreachable.
    """

    def __init__(
        self, url: str = DEFAULT_URL, *, token: str | None = None, timeout_s: float = 5.0, ca_file: str | None = None
    ) -> None:
        self._connection = Connection(url, token=token, timeout_s=timeout_s, ca_file=ca_file)

    @classmethod
    def from_environment(cls, url: str | None = None, **options: Any) -> Self:
        """With CASTOVER_URL, CASTOVER_TOKEN and CASTOVER_CA_FILE, as far as they are set and not empty."""
        found = os.environ.get
        given = {"token": found("CASTOVER_TOKEN") or None, "ca_file": found("CASTOVER_CA_FILE") or None, **options}
        return cls(url or found("CASTOVER_URL", DEFAULT_URL), **given)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection up; the next request opens another."""
        self._connection.close()

    @property
    def url(self) -> str:
        """Where the API is."""
        return self._connection.url

    # --- handovers --------------------------------------------------------------------------------------------------

    def start_handover(self, mn_id: str, new_mag: str, *, mode: str = "predictive", key: str | None = None) -> Handover:
        """Begin a handover. It begins once, also when the connection breaks and the request is sent again.

        `key` is an Idempotency-Key of your own, for when your program itself may be started again.
        """
        body = {"mn_id": mn_id, "new_mag": new_mag, "mode": mode}
        return decode(Handover, self._post("/v1/handovers", body, key))

    def start_handovers(self, wanted: Iterable[HandoverRequest], *, key: str | None = None) -> Batch:
        """Begin many at once. What was refused is in the results, and raises nothing."""
        body = {"handovers": [dataclasses.asdict(request) for request in wanted]}
        return decode(Batch, self._post("/v1/handovers/batch", body, key))

    def cancel_handover(self, handover_id: str) -> Handover:
        """Call a handover off whose mobile node has not arrived."""
        path = f"/v1/handovers/{quote(handover_id, safe='')}"
        return decode(Handover, self._connection.request("DELETE", path).document)

    def handover(self, handover_id: str) -> Handover:
        """One handover."""
        return self._one(Handover, "/v1/handovers", handover_id)

    def trace(self, handover_id: str) -> Trace:
        """What controller and agents heard, said and saw of it; `missing` names whom nobody could ask."""
        path = f"/v1/handovers/{quote(handover_id, safe='')}/trace"
        return decode(Trace, self._connection.request("GET", path).document)

    def handovers(
        self,
        *,
        mn_id: str | None = None,
        previous_mag: str | None = None,
        new_mag: str | None = None,
        state: str | Iterable[str] | None = None,
        ended: bool | None = None,
        page: int = 100,
    ) -> Iterator[Handover]:
        """Handovers, newest first; `page` at a time are asked for, as they are wanted."""
        states = [state] if isinstance(state, str) else state
        return self._all(Handover, "/v1/handovers", "handovers", {
            "mn_id": mn_id, "previous_mag": previous_mag, "new_mag": new_mag,
            "state": None if states is None else ",".join(states),
            "ended": None if ended is None else str(ended).lower(), "limit": str(page),
        })

    def follow(
        self, handover_id: str, *, until: Iterable[str] = ENDED, timeout_s: float = 30.0, poll_s: float = 0.01,
        check: Callable[[], None] = lambda: None,
    ) -> Iterator[Handover]:
        """The handover each time it looks different, the last time in one of the states `until`.

        Raises HandoverTimeout. `check` is called before each look, and may raise.
        """
        wanted = frozenset(until)
        deadline = time.monotonic() + timeout_s
        path = f"/v1/handovers/{quote(handover_id, safe='')}"
        tag, present = "", None
        while True:
            check()
            reply = self._connection.request("GET", path, headers={"If-None-Match": tag} if tag else None)
            if reply.status != 304:
                tag, before, present = reply.headers.get("etag", ""), present, decode(Handover, reply.document)
                if present != before:
                    yield present
                if present.state in wanted:
                    return
            if time.monotonic() > deadline:
                state = "unknown" if present is None else present.state
                raise HandoverTimeout(f"handover {handover_id} is still {state} after {timeout_s:g} s")
            time.sleep(poll_s)

    def wait_for(
        self, handover_id: str, *, until: Iterable[str] = ENDED, timeout_s: float = 30.0, poll_s: float = 0.01
    ) -> Handover:
        """The handover when it has come to one of the states `until`. Raises HandoverTimeout."""
        *_, last = self.follow(handover_id, until=until, timeout_s=timeout_s, poll_s=poll_s)
        return last

    # --- the domain -------------------------------------------------------------------------------------------------

    def topology(self) -> Topology:
        """What the domain consists of, and where its mobile nodes are."""
        return decode(Topology, self._connection.request("GET", "/v1/topology").document)

    def mags(self) -> Iterator[Mag]:
        """All mobile access gateways."""
        return self._all(Mag, "/v1/mags", "mags", {})

    def mag(self, mag_id: str) -> Mag:
        """One of them."""
        return self._one(Mag, "/v1/mags", mag_id)

    def bindings(self, *, mag: str | None = None) -> Iterator[Binding]:
        """The binding cache."""
        return self._all(Binding, "/v1/bindings", "bindings", {"mag": mag})

    def binding(self, mn_id: str) -> Binding:
        """The binding of one mobile node; NotFound when it is registered nowhere."""
        return self._one(Binding, "/v1/bindings", mn_id)

    def listeners(self, *, mag: str | None = None, mn_id: str | None = None) -> Iterator[Listener]:
        """Who listens to what, at which MAG."""
        return self._all(Listener, "/v1/listeners", "listeners", {"mag": mag, "mn_id": mn_id})

    def switches(self) -> Iterator[Switch]:
        """The switches, and what they have confirmed."""
        return self._all(Switch, "/v1/switches", "switches", {})

    def rules(self, *, switch: str | None = None) -> Iterator[SwitchRules]:
        """Flows and groups that the switches have confirmed."""
        return self._all(SwitchRules, "/v1/flows", "switches", {"switch": switch})

    def rates(self, *, switch: str | None = None) -> Iterator[SwitchRates]:
        """What the switches carry; the first look only begins the measurement."""
        return self._all(SwitchRates, "/v1/rates", "switches", {"switch": switch})

    # --- events and the controller itself ---------------------------------------------------------------------------

    def events(
        self, *, handover_id: str | None = None, mn_id: str | None = None, after: str = "", patience_s: float = 60.0
    ) -> EventStream:
        """What happens from now on, or after the event with the id `after`; connected when this returns."""
        query = _query({"handover_id": handover_id, "mn_id": mn_id})
        return EventStream(self._connection, f"/v1/events{query}", after=after, patience_s=patience_s)

    def access(self) -> AccessState:
        """What this client's token allows."""
        return decode(AccessState, self._connection.request("GET", "/v1/access").document)

    def webhooks(self) -> Iterator[WebhookState]:
        """Who is told of handovers by HTTP POST, and what became of it."""
        return self._all(WebhookState, "/v1/webhooks", "webhooks", {})

    def is_ready(self) -> bool:
        """Whether all agents and switches are connected; False also when nobody answers yet.

        Raises what waiting does not mend: NotTrusted, Refused other than Unavailable.
        """
        try:
            self._connection.request("GET", "/readyz")
        except NotTrusted:
            raise
        except (Unavailable, Unreachable):
            return False
        return True

    def document(self, path: str) -> Any:
        """The JSON document at any path, such as '/openapi.json', as it is."""
        return self._connection.request("GET", path).document

    # --- how --------------------------------------------------------------------------------------------------------

    def _post(self, path: str, body: Any, key: str | None) -> Any:
        chosen = key if key is not None else str(uuid.uuid4())
        if not re.fullmatch(r"[\x20-\x7e]{1,255}", chosen) or '"' in chosen or "\\" in chosen:
            raise CastoverError(f"the key {chosen!r:.60} is not 1 to 255 printable ASCII characters without quotes")
        return self._connection.request("POST", path, body, {"Idempotency-Key": f'"{chosen}"'}).document

    def _one(self, kind: type[Model], path: str, name: str) -> Model:
        return decode(kind, self._connection.request("GET", f"{path}/{quote(name, safe='')}").document)

    def _all(
        self, kind: type[Model], path: str, key: str, parameters: Mapping[str, str | None]
    ) -> Iterator[Model]:
        target: str | None = path + _query(parameters)
        while target is not None:
            reply = self._connection.request("GET", target)
            document = reply.document
            found = document.get(key) if isinstance(document, dict) else None
            if not isinstance(found, list):
                raise UnexpectedAnswer(f"{path}: found no list of {key}; do client and controller fit together?")
            for index, item in enumerate(found):
                yield decode(kind, item, f"{key}[{index}]")
            following = _NEXT.search(reply.headers.get("link", ""))
            target = following[1] if following else None


def _query(parameters: Mapping[str, str | None]) -> str:
    given = {name: value for name, value in parameters.items() if value is not None}
    return f"?{urlencode(given)}" if given else ""
