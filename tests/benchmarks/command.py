# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The command line of a benchmark: its figures as tables and, if asked for, as a file."""

from __future__ import annotations

import json
import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console


def run(parser: ArgumentParser, measure: Callable[[Namespace], Any], show: Callable[[Any, Console], None]) -> int:
    """Measure as the arguments say and show the results, which are a dataclass; gives the exit code."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    arguments = parser.parse_args()
    # An ordered end: the servers go with the benchmark.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    results = measure(arguments)
    show(results, Console(width=150))
    if arguments.json:
        arguments.json.write_text(json.dumps(asdict(results), indent=2) + "\n")
    return 0


def say(text: str) -> None:
    """Tell how far it is, apart from the figures."""
    print(text, file=sys.stderr, flush=True)
