# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Log lines of ``key=value``, one an event; never a whole object, never a secret."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
import warnings

from urllib3.exceptions import InsecureRequestWarning

_PLAIN = re.compile(r"[\w.:/@%+,<>()-]+")


def line(event: str, **values: object) -> str:
    """``event=reconciled kind=service seconds=0.012``; values that hold more than plain text are quoted.

    Quoting is JSON's, so a hostile value can't start a line of its own.
    """
    return " ".join(f"{key}={_shown(value)}" for key, value in {"event": event, **values}.items())


def configure(level: str) -> None:
    """Log to standard error from ``level`` on; the official client's own loggers speak through ours."""
    handler = logging.StreamHandler(sys.stderr)
    formatter = logging.Formatter("time=%(asctime)s.%(msecs)03dZ level=%(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # Verification is off only by the kubeconfig's own word; urllib3 would warn with every request.
    warnings.filterwarnings("ignore", category=InsecureRequestWarning)
    # They log each renewal, and a traceback for each lost connection; informer.py and leader_election.py log it once.
    logging.getLogger("leaderelection").setLevel(logging.ERROR)
    logging.getLogger("kubernetes.informer.informer").setLevel(logging.CRITICAL + 1)
    logging.getLogger("urllib3").setLevel(logging.ERROR)


def _shown(value: object) -> str:
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text)
