# SPDX-License-Identifier: Apache-2.0
"""Imports what warns at its import, once, before the tests turn every warning into an error."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import eventlet  # noqa: F401
    import webob  # noqa: F401
