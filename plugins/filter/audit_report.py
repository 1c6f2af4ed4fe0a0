# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report of avi.egress.audit, from what its tasks have read."""

from __future__ import annotations

from typing import Any, Callable, Mapping

DOCUMENTATION = r"""
name: audit_report
short_description: Make a report with findings of what was read of a cluster
version_added: 0.2.0
author:
  - avi.egress contributors
description:
  - Compares services, leases, networks, projects, the controller and the pods of the projects' privileged accounts with
    each other, and tells what somebody should look at.
  - It is for the playbook C(avi.egress.audit).
options:
  _input:
    description:
      - What was read, as results of the information modules and lists of objects, with the keys C(version),
        C(namespace), C(networks), C(services), C(leases), C(figures), C(clouds), C(controllers), C(policies),
        C(pods) and C(nodes).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: A cluster without the custom resources
  ansible.builtin.debug:
    msg: "{{ {'networks': none} | avi.egress.audit_report }}"
"""

RETURN = r"""
_value:
  description: >-
    The report, with C(installed), C(services), C(leases), C(networks), C(projects) and C(findings), a list of C(kind),
    C(subject) and C(message).
  type: dict
"""


def audit_report(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The report of what an audit's tasks have read."""
    # Not at the head of this file: Ansible reads all files of filters wherever a task uses one of them.
    from ansible_collections.avi.egress.plugins.plugin_utils.audit import audit

    return audit(facts)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"audit_report": audit_report}
