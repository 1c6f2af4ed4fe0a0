# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The egress router: gives one pod's traffic the source address that its project was allocated."""
