# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What ends the router's process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from egress_router.main import EX_SOFTWARE

DIES = """
import pathlib, sys, threading
from egress_router.main import end_with_a_thread
end_with_a_thread(pathlib.Path(sys.argv[1]))
threading.Thread(target=lambda: [][0], name="health").start()
threading.Event().wait(30)
"""


def test_a_thread_that_dies_takes_the_router_along(tmp_path: Path) -> None:
    """And says why, where the kubelet looks."""
    words = tmp_path / "termination-log"
    words.touch()
    done = subprocess.run([sys.executable, "-c", DIES, str(words)], check=False, capture_output=True, timeout=60)
    assert done.returncode == EX_SOFTWARE
    assert words.read_text() == "egress router: defect in thread health: IndexError('list index out of range')"
