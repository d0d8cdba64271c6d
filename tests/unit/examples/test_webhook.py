# SPDX-License-Identifier: Apache-2.0
"""examples/webhook.py: whom it believes. That it takes what a controller sends is seen in test_webhooks_live.py."""

from __future__ import annotations

import base64
import importlib.util
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest
from standardwebhooks import Webhook as Judge

PATH = Path(__file__).resolve().parents[3] / "examples" / "webhook.py"
SECRET = bytes(range(32))
BODY = b'{"type": "handover_ended"}'
NOW = 1_772_359_200


@pytest.fixture(scope="module")
def webhook() -> ModuleType:
    specification = importlib.util.spec_from_file_location("examples_webhook", PATH)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[module.__name__] = module
    specification.loader.exec_module(module)
    return module


def signed(**changes: str) -> dict[str, str]:
    """Headers by the specification's own library."""
    signature = Judge(base64.b64encode(SECRET).decode()).sign("evt-1", datetime.fromtimestamp(NOW, UTC), BODY.decode())
    return {"webhook-id": "evt-1", "webhook-timestamp": str(NOW), "webhook-signature": signature, **changes}


def test_what_the_secret_has_signed_is_believed(webhook: ModuleType) -> None:
    assert webhook.verify(SECRET, signed(), BODY, NOW + 299.0) == "evt-1"
    both = f"v1,{base64.b64encode(bytes(32)).decode()} {signed()['webhook-signature']}"
    assert webhook.verify(SECRET, signed(**{"webhook-signature": both}), BODY, NOW - 299.0) == "evt-1"


@pytest.mark.parametrize(("changes", "body", "later_s", "status", "why"), [
    ({}, BODY + b" ", 0, 401, "nobody who knows the secret has signed this"),
    ({"webhook-id": "evt-2"}, BODY, 0, 401, "nobody who knows the secret"),
    ({"webhook-signature": ""}, BODY, 0, 401, "nobody who knows the secret"),
    ({"webhook-signature": "v1,\xe9"}, BODY, 0, 401, "nobody who knows the secret"),
    ({"webhook-timestamp": str(NOW + 1)}, BODY, 0, 401, "nobody who knows the secret"),
    ({"webhook-timestamp": ""}, BODY, 0, 400, "'' is no number of seconds"),
    ({"webhook-timestamp": "1e9"}, BODY, 0, 400, "'1e9' is no number of seconds"),
    ({}, BODY, 301, 401, "301 s old; allowed: 300"),
    ({}, BODY, -301, 401, "-301 s old; allowed: 300"),
])
def test_what_is_not_is_refused_by_name(
    webhook: ModuleType, changes: dict[str, str], body: bytes, later_s: float, status: int, why: str
) -> None:
    with pytest.raises(webhook.RefusedError) as refused:
        webhook.verify(SECRET, signed(**changes), body, NOW + later_s)
    assert refused.value.args[0] == status
    assert why in refused.value.args[1]


def test_a_secret_is_read_as_the_controller_reads_it(webhook: ModuleType) -> None:
    encoded = base64.b64encode(SECRET).decode()
    assert webhook.secret_of(f"whsec_{encoded}\n") == SECRET
    assert webhook.secret_of(f"{encoded}\n") == encoded.encode()
    with pytest.raises(ValueError, match="after whsec_ Base64 is expected"):
        webhook.secret_of("whsec_no!")
    # With an empty one everybody could sign.
    with pytest.raises(ValueError, match="a secret of 0 octets; allowed: 24 to 64"):
        webhook.secret_of("\n")
