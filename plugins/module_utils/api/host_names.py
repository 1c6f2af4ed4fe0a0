# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Host names as people write them (RFC 1123), and which of them a resolver would take for an address."""

from __future__ import annotations

import re

DNS_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST_NAME = re.compile(rf"(?=.{{1,253}}\.?\Z){DNS_LABEL}(\.{DNS_LABEL})*\.?", re.I | re.A)
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*", re.I | re.A)


def is_host_name(text: str) -> bool:
    """Whether it is a host name, with or without a dot at its end.

    One whose last label is a number is none: resolvers read it as an address (WHATWG URL, "ends in a number").
    """
    return bool(_HOST_NAME.fullmatch(text)) and not _NUMERIC_LABEL.fullmatch(text.rstrip(".").rsplit(".", 1)[-1])
