# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Why a pass ends early although nothing is wrong."""

from __future__ import annotations


class NotYet(Exception):
    """A cache that the pass needs has not seen enough; it comes back shortly."""
