# SPDX-License-Identifier: Apache-2.0
"""What a machine needs before a lab can be built on it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from lab.errors import LabError

_TOOLS = ("ovs-vswitchd", "ovsdb-server", "ovsdb-tool", "ovs-vsctl", "ovs-ofctl", "ovs-appctl")
_TUN_DEVICE = Path("/dev/net/tun")
_SCHEMA_FOLDERS = ("/usr/share/openvswitch", "/usr/local/share/openvswitch")
_SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin")


def tool_search_path() -> str:
    """PATH with the system folders: Open vSwitch's daemons are in sbin, which a user's PATH often leaves out."""
    folders = [folder for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    return os.pathsep.join([*folders, *(folder for folder in _SYSTEM_FOLDERS if folder not in folders)])


def missing_requirement() -> LabError | None:
    """The first thing that keeps a lab from being built here, or None."""
    if os.geteuid() != 0:
        return LabError("a lab needs root (network namespaces, raw sockets)", "run it with sudo")
    missing = [tool for tool in _TOOLS if shutil.which(tool, path=tool_search_path()) is None]
    if missing:
        return LabError(f"not installed: {', '.join(missing)}", "apt-get install openvswitch-switch")
    if not _TUN_DEVICE.exists():
        return LabError(
            f"{_TUN_DEVICE} is missing (Open vSwitch's internal ports are tap devices)",
            "modprobe tun, or give the container --device /dev/net/tun",
        )
    if find_schema() is None:
        return LabError("vswitch.ovsschema not found", "apt-get install openvswitch-switch, or set OVS_PKGDATADIR")
    return None


def check_requirements() -> None:
    """Raise LabError naming what is missing and the mend."""
    problem = missing_requirement()
    if problem is not None:
        raise problem


def find_schema() -> Path | None:
    """The Open vSwitch database schema, or None."""
    folders = [os.environ["OVS_PKGDATADIR"]] if "OVS_PKGDATADIR" in os.environ else []
    for folder in (*folders, *_SCHEMA_FOLDERS):
        schema = Path(folder) / "vswitch.ovsschema"
        if schema.is_file():
            return schema
    return None
