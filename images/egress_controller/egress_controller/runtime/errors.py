# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The exception by which a reconciler defers a key although nothing is wrong."""

from __future__ import annotations


class NotYet(Exception):
    """A cache that is needed has not seen enough yet; the key comes back shortly."""
