# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Has the filters and tests of this collection loaded in the process that Ansible's workers are forked from.

Each task has a worker of its own, which looks for a filter by loading the collection's files of filters, with all that
they import, from their source. What is there already, it finds at once. Ansible imports the action of a task before it
forks the task's worker, and the actions of this collection have all of them loaded.
"""

from __future__ import annotations

from contextlib import suppress

from ansible.plugins.loader import filter_loader, test_loader

A_FILTER, A_TEST = "avi.egress.given", "avi.egress.namespace_name"
"""To look for one loads all files of its kind."""


def preload() -> None:
    """Load them; one that can't be loaded is told to whoever uses it."""
    with suppress(KeyError):
        filter_loader.get(A_FILTER)
        test_loader.get(A_TEST)
