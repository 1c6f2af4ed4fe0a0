# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What every module of this collection has in common."""

from __future__ import annotations


class ModuleDocFragment:
    """The attributes that all modules share."""

    DOCUMENTATION = r"""
options: {}
attributes:
  action:
    support: full
    description: Has an action plugin of the same name, which runs the module in Ansible's own process where it can.
    details:
      - So it is with a local connection, without C(become) and C(async), if C(ansible_python_interpreter) is not set to
        another Python than Ansible's and C(environment) sets nothing but C(K8S_AUTH_*). The libraries below are then
        those of Ansible's Python, and the items of a loop share one connection, unless the kubeconfig holds keys or
        certificates in itself. The results are the same either way.
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
  - kubernetes >= 25.3.0
  - netaddr >= 0.10.1
"""
