# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What every module of this collection has in common."""

from __future__ import annotations


class ModuleDocFragment:
    """The attributes that all modules share."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return changed status prediction without modifying the cluster.
  diff_mode:
    support: full
    description: Returns details on what has changed (or would change in C(check_mode)), when in diff mode.
  idempotent:
    support: full
    description: A second run with the same options changes nothing.
  action_group:
    support: full
    membership: [avi.egress.all]
    description: Use C(group/avi.egress.all) in C(module_defaults) to set the connection options once.
requirements:
  - python >= 3.11
  - kubernetes >= 29.0.0
  - netaddr >= 1.0.0
"""
