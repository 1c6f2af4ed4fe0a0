# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the controller could not read of the objects that it is configured by."""

from __future__ import annotations

from typing import Any, Callable, Iterable

DOCUMENTATION = r"""
name: configuration_faults
short_description: Find what the controller could not read
version_added: 0.2.0
author:
  - avi.egress contributors
description:
  - The API server holds an EgressCloud or EgressNetwork to its schema, which knows no subnets and ranges. What makes
    no sense of these the controller refuses, by a condition; this filter finds it before anything is written.
options:
  _input:
    description: Objects as they are to be written; of other kinds than EgressCloud and EgressNetwork nothing is told.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Tell what is wrong with a network
  ansible.builtin.debug:
    msg: "{{ [network] | avi.egress.configuration_faults }}"
    # ["EgressNetwork lan: spec.subnets[0].cidr is '10.0.0.0/33'; give a subnet, such as 10.70.112.0/24"]
  vars:
    network:
      apiVersion: egress.avi.dev/v1
      kind: EgressNetwork
      metadata: {name: lan}
      spec: {subnets: [{cidr: 10.0.0.0/33}]}
"""

RETURN = r"""
_value:
  description: A sentence for each object that would be refused.
  type: list
  elements: str
"""


def configuration_faults(objects: Iterable[dict[str, Any]]) -> list[str]:
    """A sentence for each object that would be refused."""
    # Not at the head of this file: Ansible reads all files of filters wherever a task uses one of them.
    from ansible_collections.avi.egress.plugins.plugin_utils.configuration import faults

    return faults(objects)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"configuration_faults": configuration_faults}
