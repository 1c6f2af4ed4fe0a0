# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A proxy before a real API server that makes chosen requests fail (docs/explanation/testing.md)."""

from tests.faults.proxy import FaultProxy

__all__ = ["FaultProxy"]
