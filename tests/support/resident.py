# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A program that stays and answers each line with a line, so that a question costs no start of a process."""

from __future__ import annotations

import json
import select
import subprocess
import threading
import time
import weakref
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

ANSWER_SECONDS = 120.0
_PIECE = 1 << 16


class Ended(Exception):
    """The program ended instead of answering; the text is what it said of that."""


class Resident:
    """The program behind a command, started at the first question, and anew if it has ended since the last one.

    It has to end when its standard input does, and so ends with this process, however that ends.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = list(command)
        self._process: _Process | None = None
        self._one_at_a_time = threading.Lock()

    def ask(self, question: Any, seconds: float = ANSWER_SECONDS) -> Any:
        """The answer, both as JSON has them; ``Ended``, or TimeoutExpired after so many seconds."""
        with self._one_at_a_time:
            # Kept only if it answers: what comes after a time-out would be taken for the next question's answer.
            kept, self._process = self._process, None
            line = kept.ask(question, seconds) if kept else None
            if line is None:
                kept, line = self._start_and_ask(question, seconds)
            self._process = kept
            return json.loads(line)

    def _start_and_ask(self, question: Any, seconds: float) -> tuple[_Process, bytes]:
        process = _Process(self._command)
        line = process.ask(question, seconds)
        if line is None:
            raise Ended(process.last_words())
        return process, line


class _Process:
    """One run of the program."""

    def __init__(self, command: Sequence[str]) -> None:
        pipe = subprocess.PIPE
        self._run = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0)
        weakref.finalize(self, _end, self._run)

    def ask(self, question: Any, seconds: float) -> bytes | None:
        """A whole line; None if the program has ended before."""
        assert self._run.stdin
        assert self._run.stdout
        there = select.poll()
        there.register(self._run.stdout, select.POLLIN)
        line, end = b"", time.monotonic() + seconds
        with suppress(BrokenPipeError):
            self._run.stdin.write(json.dumps(question).encode() + b"\n")
        while not line.endswith(b"\n"):
            if not there.poll(max(0.0, end - time.monotonic()) * 1000):
                raise subprocess.TimeoutExpired(self._run.args, seconds)
            piece = self._run.stdout.read(_PIECE)
            if not piece:
                return None
            line += piece
        return line

    def last_words(self) -> str:
        """What it said of its end."""
        assert self._run.stderr
        return self._run.stderr.read().decode().strip()


def _end(process: subprocess.Popen[bytes]) -> None:
    with process:
        process.kill()
