# SPDX-License-Identifier: Apache-2.0
"""Imports what warns at its import, once, before the tests turn every warning into an error; then REST itself."""

from __future__ import annotations

import warnings

import pytest

with warnings.catch_warnings():
    # eventlet says that it is in maintenance, WebOb 1.8 imports the deprecated cgi module.
    warnings.simplefilter("ignore")
    import eventlet  # noqa: F401
    import webob  # noqa: F401

from tests.support.rest_world import RestWorld


@pytest.fixture
def rest() -> RestWorld:
    """The application over a core of its own."""
    return RestWorld()
