# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The egress controller: a level-triggered reconciler over the core of the collection ``avi.egress``."""
