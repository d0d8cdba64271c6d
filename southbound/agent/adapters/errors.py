# SPDX-License-Identifier: Apache-2.0
"""What an adapter raises when it cannot be opened at all; once open, adapters count and do not raise."""

from __future__ import annotations


class AdapterError(OSError):
    """The operator's fault: no privilege for raw sockets, or an address or protocol that this node does not have."""
