# SPDX-License-Identifier: Apache-2.0
"""Facts into a process's log, as text or as JSON lines; set up once by controller and agent alike."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from southbound.facts import fact_line

LOG_FORMATS = ("text", "json")
LOG_LEVELS = ("debug", "info", "warning", "error")
_FACT = "castover_fact"


def configure_log(level: str, log_format: str) -> None:
    """Write to standard error from `level` of LOG_LEVELS on, in one of LOG_FORMATS."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter() if log_format == "json" else _TextFormatter())
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(level.upper())
    # A warning of Python's would be the one line that is not in the form of all others.
    logging.captureWarnings(True)


def log_fact(
    logger: logging.Logger, name: str, fields: Mapping[str, Any], at: float | None = None, *, level: int = logging.INFO
) -> None:
    """One fact, under the time at which it happened (seconds since 1970), which may be a moment ago; None: now."""
    if not logger.isEnabledFor(level):
        return
    record = logger.makeRecord(
        logger.name, level, __file__, 0, fact_line(name, fields), (), None, extra={_FACT: (name, fields)}
    )
    if at is not None:
        record.created, record.msecs = at, at % 1 * 1000
    logger.handle(record)


def log_refusal(logger: logging.Logger, name: str, reason: str, log_format: str) -> None:
    """Why a process does not start: as lines to be read, or as the fact `name` in a log that a program reads."""
    if log_format == "json":
        log_fact(logger, name, {"reason": reason}, level=logging.ERROR)
    else:
        print(reason, file=sys.stderr)


class _TextFormatter(logging.Formatter):
    """Time of day, level, part, and the fact as `key=value`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03d %(levelname)s %(name)s %(message)s", datefmt="%H:%M:%S")


class _JsonFormatter(logging.Formatter):
    """One object a line: time (ISO 8601, UTC), level, logger, then `event` and its fields, or `message`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        fact = getattr(record, _FACT, None)
        if fact is None:
            line["message"] = record.getMessage()
            if record.exc_info:
                line["traceback"] = self.formatException(record.exc_info)
        else:
            name, fields = fact
            # What a fact calls `time` or `level` must not hide the line's own.
            line |= {"event": name} | {key if key not in line else f"fact_{key}": value for key, value in fields.items()}
        return json.dumps(line, default=str)
