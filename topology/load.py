# SPDX-License-Identifier: Apache-2.0
"""topology.yaml -> `Domain`, or every reason at once why not."""

from __future__ import annotations

from pathlib import Path

from topology.build import build
from topology.crosscheck import cross_check
from topology.locate import Fault, locate
from topology.model import Domain
from topology.problem import Problem, TopologyError, show_location
from topology.validate import validate

FILE_BYTES_MAX = 1024 * 1024
"""64 MAGs and 256 mobile nodes with 50 subscriptions each stay below it."""


def load_topology(path: Path) -> Domain:
    """Read and check one file. Raises `TopologyError` with every problem, also when the file cannot be read."""
    name = str(path)
    try:
        with path.open("rb") as file:
            octets = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise _unreadable(name, (error.strerror or "an error").lower()) from error
    except ValueError as error:
        raise _unreadable(name, "a name that no file can have") from error
    try:
        # A file cut at the limit may end inside a character; parse_topology refuses its length anyway.
        text = octets.decode("utf-8-sig", errors="ignore" if len(octets) > FILE_BYTES_MAX else "strict")
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        found = f"octets that are not UTF-8 (0x{octets[error.start]:02x} at octet {error.start})"
        problem = Problem(file=name, line=line, path="", found=found, allowed="UTF-8 text")
        raise TopologyError([problem]) from error
    if len(octets) > FILE_BYTES_MAX:
        raise _too_long(name)
    return parse_topology(text, name)


def parse_topology(text: str, name: str) -> Domain:
    """Check the text of a topology file; `name` is how problems call the file. Raises `TopologyError`."""
    if len(text) > FILE_BYTES_MAX:
        raise _too_long(name)
    located = locate(text)
    document, faults = validate(located)
    faults = located.faults + faults
    if located.data is not None:
        faults += cross_check(document, located, faults)
    if faults:
        raise TopologyError([_problem(fault, name) for fault in faults])
    return build(document)


def _problem(fault: Fault, name: str) -> Problem:
    path = show_location(fault.location)
    return Problem(file=name, line=fault.line, path=path, found=fault.found, allowed=fault.allowed)


def _unreadable(name: str, reason: str) -> TopologyError:
    return TopologyError([Problem(file=name, line=0, path="", found=reason, allowed="a file that can be read")])


def _too_long(name: str) -> TopologyError:
    allowed = f"at most {FILE_BYTES_MAX} octets"
    return TopologyError([Problem(file=name, line=0, path="", found="a longer file", allowed=allowed)])
