# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The one exception that the command line turns into a message."""

from __future__ import annotations


class ClusterError(Exception):
    """Something a person must put right: one sentence that names the thing and the remedy."""
