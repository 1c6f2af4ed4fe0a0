# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The reconciling itself: watches, queue, workers, election, Events, health. It knows nothing of egress."""
