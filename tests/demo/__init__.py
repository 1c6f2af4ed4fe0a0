# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The demonstration: a cluster, the product installed by its own playbook, and a proof with real traffic."""
