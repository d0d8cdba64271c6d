# SPDX-License-Identifier: Apache-2.0
"""The controller's REST API as lab and measurements use it: castover_client, with documents as they are (reports keep
them) and faults as LabErrors that say what mends them."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from castover_client import (
    ENDED,
    MAY_LEAVE,
    Castover,
    CastoverError,
    Handover,
    HandoverTimeout,
    NotTrusted,
    Refused,
    TokenNeeded,
    Unreachable,
)
from lab.errors import LabError
from lab.typed import typed

__all__ = [
    "ENDED", "MAY_LEAVE", "HandoverTimeoutError", "RestClient", "RestError", "cancel_handover", "follow_handover",
    "get_handover", "items", "start_handover",
]


class RestError(LabError):
    """The API refused; `status` is the HTTP status, 0 when it could not be reached."""

    def __init__(self, status: int, problem: str, mend: str = "") -> None:
        super().__init__(problem, mend)
        self.status = status


class HandoverTimeoutError(LabError):
    """A handover has not come as far as wanted in the time that was given."""


class RestClient:
    """One API, by its base URL; token and certificates come from CASTOVER_TOKEN and CASTOVER_CA_FILE.

    A context manager that closes its connection. Not for several threads at once.
    """

    def __init__(self, url: str, timeout_s: float = 5.0) -> None:
        with lab_errors():
            self.api = Castover.from_environment(url, timeout_s=timeout_s)
        self.url = self.api.url

    def __enter__(self) -> RestClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(self, path: str) -> Any:
        """The JSON document at a path such as '/v1/bindings'. Raises RestError."""
        with lab_errors():
            return self.api.document(path)

    def ready(self) -> bool:
        """Whether /readyz says that switches and agents are there; False also when nobody answers yet.

        Raises RestError when waiting does not mend it.
        """
        with lab_errors():
            return self.api.is_ready()

    def close(self) -> None:
        """Give the connection up; the next request opens another."""
        self.api.close()


@contextlib.contextmanager
def lab_errors() -> Iterator[None]:
    """Say the client's errors as the lab's, with what can be done about them."""
    try:
        yield
    except HandoverTimeout as error:
        raise HandoverTimeoutError(str(error)) from error
    except NotTrusted as error:
        raise RestError(0, str(error)) from error
    except Unreachable as error:
        raise RestError(0, str(error), f"is the lab up ({typed('lab', 'status')})?") from error
    except TokenNeeded as error:
        raise RestError(error.status, str(error), "put a token of topology.yaml into CASTOVER_TOKEN") from error
    except Refused as error:
        raise RestError(error.status, str(error)) from error
    except CastoverError as error:
        raise LabError(str(error)) from error


def items(document: Any, key: str) -> list[dict[str, Any]]:
    """The list in a collection document. Raises RestError."""
    found = document.get(key) if isinstance(document, dict) else None
    if not isinstance(found, list):
        raise RestError(0, f"the controller's list of {key} is no list", "do castover and controller fit together?")
    return found


def start_handover(client: RestClient, mn_id: str, new_mag: str, mode: str = "predictive") -> str:
    """Begin a handover; its id. Raises RestError."""
    with lab_errors():
        return client.api.start_handover(mn_id, new_mag, mode=mode).id


def cancel_handover(client: RestClient, handover_id: str) -> None:
    """It will not come to it. Raises RestError."""
    client.close()  # whatever has ended the program's wish for it may have come in the middle of an answer
    with lab_errors():
        client.api.cancel_handover(handover_id)


def get_handover(client: RestClient, handover_id: str) -> dict[str, Any]:
    """One handover as a document. Raises RestError."""
    with lab_errors():
        return _document(client.api.handover(handover_id))


def follow_handover(
    client: RestClient, handover_id: str, *, until: frozenset[str] = ENDED, timeout_s: float, poll_s: float = 0.005,
    check: Callable[[], None] = lambda: None,
) -> Iterator[dict[str, Any]]:
    """The handover each time it looks different, the last time in one of the states `until`.

    Raises RestError, and HandoverTimeoutError when it takes longer than `timeout_s`.
    """
    with lab_errors():
        for seen in client.api.follow(handover_id, until=until, timeout_s=timeout_s, poll_s=poll_s, check=check):
            yield _document(seen)


def _document(handover: Handover) -> dict[str, Any]:
    found = dataclasses.asdict(handover)
    return {**found, "steps": list(found["steps"])}
