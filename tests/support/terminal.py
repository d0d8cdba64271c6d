# SPDX-License-Identifier: Apache-2.0
"""A reader's terminal: a shell that stays, in a copy of the repository that may be written to."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.documents import REPOSITORY, Commands, expected, plain

_DONE = "castover-documents-done"
_NOT_COPIED = (".git", "demo-output")
_BUILT_IN_PLACE = ("castover_client",)
"""pip leaves what it builds beside the source."""
_END_S = 20.0


class TerminalError(AssertionError):
    """A command failed or took too long; the message has all that it said."""


@dataclass(frozen=True, slots=True)
class Said:
    """What the commands of one block printed."""

    output: str
    errors: str


def copy_repository(folder: Path) -> Path:
    """Links to all that is in the repository, so that what a reader writes, or edits in place, is not written there."""
    folder.mkdir()
    for path in REPOSITORY.iterdir():
        if path.name in _BUILT_IN_PLACE:
            shutil.copytree(path, folder / path.name, ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
        elif path.name not in _NOT_COPIED:
            (folder / path.name).symlink_to(path)
    return folder


@contextlib.contextmanager
def private_ground() -> Iterator[list[str]]:
    """Words to put before a command so that it runs with a loopback interface, network namespaces and labs of its own.

    What is up on this machine does not meet it: no port is taken, and no lab has the name.
    """
    # The whole of /run: a mount on a folder in it is gone as soon as somebody outside removes that folder.
    script = "ip link set lo up && mount -t tmpfs tmpfs /run && mkdir /run/netns && echo ready && exec cat"
    # cat ends with us, whatever happens to us, and takes the namespaces with it.
    ground = subprocess.Popen(
        ["unshare", "--mount", "--net", "--propagation", "private", "sh", "-c", script],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )
    assert ground.stdin is not None
    assert ground.stdout is not None
    with ground:
        assert ground.stdout.readline() == "ready\n"
        yield ["nsenter", f"--target={ground.pid}", "--mount", "--net"]
        ground.stdin.close()


class Terminal:
    """`run` takes the blocks of a page one after the other; variables and working directory stay from one to the next."""

    def __init__(self, folder: Path, prefix: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> None:
        self._folder, self._prefix = folder, list(prefix)
        self._environment = {**os.environ, "COLUMNS": "160", **(environment or {})}
        self._errors = folder / f".errors-{id(self)}"
        self._errors.touch()
        self._shell = self._start(["bash", "-e"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._write(f"cd '{folder}'; exec 2>'{self._errors}'; trap 'printf \"\\n{_DONE} %d\\n\" $?' EXIT\n")
        self._beside: list[tuple[subprocess.Popen[bytes], Path]] = []

    def _start(self, command: list[str], **options: object) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
            [*self._prefix, *command], env=self._environment, start_new_session=True, **options,
        )

    def _write(self, script: str) -> None:
        assert self._shell.stdin is not None
        self._shell.stdin.write(script.encode())
        self._shell.stdin.flush()

    def run(self, script: str, timeout_s: float = 60.0) -> Said:
        """Raises TerminalError unless every command succeeds in time."""
        before = self._errors.stat().st_size
        self._write(f"{{\n{script}\n}} </dev/null\nprintf '\\n{_DONE} 0\\n'\n")
        output = self._read(timeout_s)
        errors = self._errors.read_bytes()[before:].decode(errors="replace")
        text, found, code = output.rpartition(f"\n{_DONE} ")
        if not found or code.strip() != "0":
            ended = f"ended with {code.strip()}" if found else f"did not end within {timeout_s:g} s"
            raise TerminalError(f"{ended}:\n{script}\nprinted:\n{text if found else output}\n{errors}")
        return Said(text, errors)

    def _read(self, timeout_s: float) -> str:
        assert self._shell.stdout is not None
        output, deadline = b"", time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([self._shell.stdout], [], [], left)[0]:
                break
            more = os.read(self._shell.stdout.fileno(), 65536)
            output += more
            if not more or (_DONE.encode() in output and output.endswith(b"\n")):
                break
        return output.decode(errors="replace")

    def run_beside(self, script: str, wanted: str | None, timeout_s: float = 30.0) -> None:
        """In a terminal of its own, until `close`; returns when it has printed what `wanted` says."""
        log = self._folder / f".beside-{len(self._beside)}"
        full = f"cd '{self._folder}'; exec >'{log}' 2>&1; {script}"
        process = self._start(["bash", "-e", "-c", full], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self._beside.append((process, log))
        deadline = time.monotonic() + timeout_s
        pattern = expected(wanted or "")
        while not (log.exists() and pattern.search(said := plain(log.read_text(encoding="utf-8", errors="replace")))):
            if process.poll() is not None or time.monotonic() > deadline:
                raise TerminalError(f"{script}\nwas to print:\n{wanted}\nprinted:\n{said if log.exists() else ''}")
            time.sleep(0.02)

    def end_beside(self) -> list[str]:
        """Ctrl-C in every other terminal, the last one first; what each of them has printed in all."""
        printed = []
        while self._beside:
            process, log = self._beside.pop()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise TerminalError(f"Ctrl-C did not end it:\n{log.read_text(encoding='utf-8')}") from None
            printed.append(log.read_text(encoding="utf-8", errors="replace"))
        return printed

    def follow(self, blocks: Sequence[Commands]) -> None:
        """A page as its reader follows it; AssertionError where it fails or prints something else than the page says."""
        for block in blocks:
            try:
                if block.way.endswith("beside"):
                    self.run_beside(block.script, block.output)
                    continue
                said = self.run(block.script)
            except TerminalError as error:
                raise TerminalError(f"{block.where}: {error}") from None
            if block.output is not None and not expected(block.output).fullmatch(plain(said.output)):
                raise TerminalError(
                    f"{block.where}: {block.script}is to print\n{block.output}\nand printed\n{said.output}\n{said.errors}"
                )

    def close(self) -> None:
        """End everything that was started here."""
        try:
            self.end_beside()
        finally:
            assert self._shell.stdin is not None
            # What could not be written to a shell that has ended is written once more by close.
            with contextlib.suppress(BrokenPipeError):
                self._shell.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._shell.wait(_END_S)
            self.kill()

    def kill(self) -> None:
        """End the shell and what it runs, in the background, too."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._shell.pid, signal.SIGKILL)
        self._shell.wait()
        for pipe in (self._shell.stdin, self._shell.stdout):
            if pipe is not None:
                pipe.close()
