# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""SHA-256 by the interpreter's own code: ``hashlib`` loads OpenSSL for it, which is a sixth of the router's memory."""

from __future__ import annotations

import importlib

# Built in under the first name since Python 3.12, under the second before.
for _name in ("_sha2", "_sha256", "hashlib"):
    try:
        _module = importlib.import_module(_name)
    except ImportError:
        continue
    break


def sha256_hex(data: bytes) -> str:
    """The digest as 64 hexadecimal digits."""
    return str(_module.sha256(data).hexdigest())
