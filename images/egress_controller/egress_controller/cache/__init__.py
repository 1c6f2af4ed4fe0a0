# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What is watched, as caches in memory, and from its changes to the keys that they concern."""
