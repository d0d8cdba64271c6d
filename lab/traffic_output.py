# SPDX-License-Identifier: Apache-2.0
"""What a source or a sink of the test stream leaves behind when it ends."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lab.stream_format import RecordList


def write_output(
    records: RecordList, records_file: Path | None, report: Any, report_file: Path | None
) -> None:
    """The records, where a file is named for them; the report as JSON there, or on standard output."""
    if records_file is not None:
        records_file.write_bytes(records.encode())
    text = json.dumps(asdict(report))
    if report_file is not None:
        report_file.write_text(text + "\n", encoding="utf-8")
    else:
        print(text)
