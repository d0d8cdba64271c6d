# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI document: whether it is one, and whether a running controller answers as it says (schemathesis)."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from apps.rest.answers.events import ServerSentEvent
from tests.support.rest_server import ROOT, Server

HERE = Path(__file__).parent
TOKEN = "a-token-for-schemathesis-0123456789"  # noqa: S105 - of a server that lives as long as this test


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With a token asked for, both mobile nodes at mag1, and agents that let every handover fail after a moment."""
    topology = tmp_path_factory.mktemp("contract") / "topology.yaml"
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    section = f"\nrest:\n  tokens:\n    - {{name: schemathesis, role: trigger, sha256: {digest}}}\n"
    topology.write_text((ROOT / "topology.yaml").read_text() + section)
    found = Server(topology=topology)
    found.token = TOKEN
    found.tell("populate")
    found.tell("play")
    yield found
    assert "Traceback" not in found.end()


def test_the_document_is_an_openapi_document(server: Server) -> None:
    document = server.get("/openapi.json")[1]
    assert document["openapi"] == "3.1.0"
    OpenAPIV31SpecValidator(document).validate()
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation["operationId"]
            # What is too long to be read is refused before anybody knows what it was for.
            assert operation["responses"].keys() >= {"414", "431"}
            assert operation["security"] or path in ("/", "/healthz", "/readyz", "/openapi.json", "/problems/{name}",
                                                     "/view/{file}")


@pytest.mark.timeout(180)
def test_every_answer_is_one_that_the_document_knows(server: Server, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml"), "run",
         f"{server.url}/openapi.json", "--no-color", "-H", f"Authorization: Bearer {TOKEN}"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.integration.schemathesis_hooks", "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    # It was no string of refusals: handovers have begun, in the batch as well.
    assert server.get("/v1/handovers?limit=1")[1]["total"] > 10


def test_events_are_what_the_document_says(server: Server) -> None:
    client = server.connect()
    client.request("GET", "/v1/events?last_event_id=first", headers={"Authorization": f"Bearer {TOKEN}"})
    response = client.getresponse()
    names = set()
    fields: dict[str, str] = {}
    while len(names) < 5:
        line = response.readline().decode().rstrip("\n")
        if line:
            name, _, value = line.partition(": ")
            fields |= {name: value} if name else {}
            continue
        if "data" in fields:
            event = ServerSentEvent.model_validate(fields)
            names.add("gap" if event.event == "gap" else event.data.name)
        fields = {}
    client.close()
    assert "gap" in names
