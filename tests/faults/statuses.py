# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Errors as the API server words them: objects of the kind Status."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from tests.faults.rules import Refuse

GONE = {"code": 410, "reason": "Expired", "message": "too old resource version"}


def refusal(fault: Refuse) -> web.Response:
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    said = {"code": fault.code, "reason": fault.reason, "message": f"{fault.reason}: a fault put in by the test"}
    return web.json_response(_status(said), status=fault.code, headers=headers)


def gone() -> web.Response:
    return web.json_response(_status(GONE), status=410)


def gone_event() -> bytes:
    """One line of a watch's stream."""
    return json.dumps({"type": "ERROR", "object": _status(GONE)}).encode() + b"\n"


def _status(said: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", **said}
