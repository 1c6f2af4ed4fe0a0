# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Runtime of a controller: informers, work queue, workers, election, Events, health. It knows nothing of egress."""
