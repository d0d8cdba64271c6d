# SPDX-License-Identifier: Apache-2.0
"""Named network namespaces: create, remove, run something inside, find what runs inside.

A namespace belongs to a thread. What has to happen inside one is done by a short-lived thread that enters it: the
sockets and the processes that it opens stay there, and the caller never leaves its own namespace.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from pyroute2 import netns

from lab.errors import LabError
from lab.typed import typed

Result = TypeVar("Result")

_NAMESPACE_FOLDER = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def namespace_path(name: str) -> Path:
    """Where the namespace is bound; `nsenter --net=` takes it."""
    return _NAMESPACE_FOLDER / name


def namespace_exists(name: str) -> bool:
    """Whether a namespace of this name is on the machine."""
    return namespace_path(name).exists()


def create_namespace(name: str) -> None:
    """Create it with its loopback interface still down. Raises LabError when the name is taken."""
    if namespace_exists(name):
        raise LabError(f"network namespace {name} exists already", f"remove it: ip netns delete {name}")
    netns.create(name)
    if not namespace_exists(name):
        raise LabError(f"network namespace {name} could not be created", "root with CAP_SYS_ADMIN is needed")


def remove_namespace(name: str) -> bool:
    """Remove it, whatever state it is in. False when there was none."""
    path = namespace_path(name)
    if not path.exists():
        return False
    # MNT_DETACH = 2. Not mounted (EINVAL) is what a crash between creating the file and binding it leaves.
    _libc.umount2(os.fsencode(path), 2)
    path.unlink(missing_ok=True)
    return True


def enter_namespace(name: str) -> None:
    """Move the calling thread into the namespace, for good. Raises LabError when there is none of this name."""
    try:
        descriptor = os.open(namespace_path(name), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise LabError(f"there is no network namespace {name}", f"bring the lab up: {typed('lab', 'up')}") from None
    try:
        if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), name)
    finally:
        os.close(descriptor)


def run_inside(name: str, job: Callable[[], Result]) -> Result:
    """Run `job` in a thread of its own inside the namespace; its result, or its exception raised here."""
    results: list[Result] = []
    errors: list[BaseException] = []

    def body() -> None:
        try:
            enter_namespace(name)
            results.append(job())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=body, name=f"inside {name}")
    thread.start()
    try:
        thread.join()
    except BaseException:
        thread.join()  # interrupted: whoever cleans up next must find the job done
        raise
    if errors:
        raise errors[0]
    return results[0]


def write_setting(path: str, value: int | str) -> None:
    """Write one setting under /proc/sys/net of the calling thread's namespace, e.g. 'ipv6/conf/default/accept_dad'."""
    (Path("/proc/sys/net") / path).write_text(f"{value}\n", encoding="ascii")


def processes_inside(names: Iterable[str]) -> list[int]:
    """Process ids of everything in these namespaces, except the calling process."""
    wanted = set()
    for name in names:
        try:
            status = os.stat(namespace_path(name))
            ours = os.stat("/proc/self/ns/net")
        except FileNotFoundError:
            continue
        # A file that was never bound is not a namespace: its device is the folder's own, not nsfs.
        if status.st_dev == ours.st_dev:
            wanted.add(status.st_ino)
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if (entry / "ns/net").stat().st_ino in wanted:
                found.append(int(entry.name))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it ended meanwhile
    return sorted(found)
