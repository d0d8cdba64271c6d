# SPDX-License-Identifier: Apache-2.0
"""For all tests."""

from __future__ import annotations

import signal

from hypothesis import settings

# How long an example takes says something of the machine, not of the code.
settings.register_profile("castover", deadline=None)
settings.load_profile("castover")

# A shell starts what runs in its background with Ctrl-C ignored, and every process that a test starts would inherit that:
# those tests that end one with Ctrl-C would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
