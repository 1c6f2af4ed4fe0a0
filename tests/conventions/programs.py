# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Runs a program to its end, and tells what it printed when it fails."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

TIMEOUT_SECONDS = 1200
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def printed_by(command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """Both outputs in one, without colours; AssertionError with all of it unless the program ends well.

    Programs beside our own Python come first.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=TIMEOUT_SECONDS,
    )
    text = _COLOUR.sub("", done.stdout)
    assert done.returncode == 0, f"{' '.join(command[:6])} ... ended with {done.returncode}:\n{text}"
    return text
