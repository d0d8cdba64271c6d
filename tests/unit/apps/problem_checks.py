# SPDX-License-Identifier: Apache-2.0
"""Problem documents (RFC 9457), as tests expect them."""

from __future__ import annotations

from typing import Any

from apps.rest.problems import PROBLEM_TYPES


def check_problem(answer: Any, status: int, name: str, field: str | None = None) -> dict[str, Any]:
    """RFC 9457 section 3: media type, the five members, status the same in both places."""
    assert answer.status == status
    assert answer.response.headers["Content-Type"] == "application/problem+json"
    document: dict[str, Any] = answer.json
    assert document["type"] == f"/problems/{name}"
    assert document["status"] == status
    assert document["title"] == PROBLEM_TYPES[name].title
    assert document["detail"]
    assert "Traceback" not in answer.response.text
    if field is not None:
        assert field in [error["field"] for error in document["errors"]]
        assert all(error["detail"] for error in document["errors"])
    return document
