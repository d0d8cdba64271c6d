# SPDX-License-Identifier: Apache-2.0
"""Makes Ryu 4.34 import on a present-day eventlet. Import this before anything of Ryu, and Ryu only through `apps`.

eventlet removed `wsgi.ALREADY_HANDLED` in 0.30.3 and Ryu's WSGI module imports it at load. Any value will do: Castover
serves REST itself. Ryu is no longer maintained; what is worked around is all in this file.
"""

from __future__ import annotations

import warnings

warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
# Python counts it as the importing line's, ours: only what it says tells it from others.
warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"(ryu|eventlet|routes|repoze)\b")

import eventlet.wsgi  # noqa: E402

if not hasattr(eventlet.wsgi, "ALREADY_HANDLED"):
    eventlet.wsgi.ALREADY_HANDLED = object()
