# SPDX-License-Identifier: Apache-2.0
"""A topology that is changed a little and written elsewhere, for a lab of a program's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from topology.load import load_topology
from topology.locate import locate


def document_of(original: Path) -> Any:
    """Everything in the file, to be changed and written into another folder. Raises TopologyError.

    The keys of the Mobility Header are found from there, too: their file is named by its whole path.
    """
    load_topology(original)  # from here on the file is known to be right
    document: Any = locate(original.read_text(encoding="utf-8-sig")).data
    keys = document["domain"].get("mobility_key_file")
    if keys is not None:
        document["domain"]["mobility_key_file"] = str(original.resolve().parent / keys)
    return document
