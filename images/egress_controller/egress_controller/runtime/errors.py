# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The exceptions by which a reconciler defers a key although nothing is wrong."""

from __future__ import annotations


class NotYet(Exception):
    """A cache that is needed has not seen enough yet; the key comes back shortly."""


class StillWaiting(NotYet):
    """What was begun takes its time, and nothing tells of its end; the key comes back later and later."""
