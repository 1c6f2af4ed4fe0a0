# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What variables really give, for the role's templates."""

from __future__ import annotations

from typing import Any, Callable

from ansible_collections.avi.egress.plugins.plugin_utils.given import given

DOCUMENTATION = r"""
name: given
short_description: Leave out keys without a value
version_added: 0.2.0
author:
  - avi.egress contributors
description:
  - Variables often say by V(null) or an empty text that something is not asked for. The API server takes these for
    values, or refuses them.
  - A dictionary or list that is empty, or becomes so, is left out too.
  - C(allowedDestinations) and its C(namespaces) stay where they are empty, for the API server to refuse them. Without
    them everything would be allowed.
  - The labels of C(matchLabels) and C(nodeSelector) stay as they are, for a label may have an empty value.
options:
  _input:
    description: A dictionary, or a list of them.
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: A network without an uplink
  ansible.builtin.set_fact:
    network: "{{ {'name': 'lan', 'uplink': none, 'subnets': [{'cidr': '10.70.0.0/16', 'gateway': ''}]}
      | avi.egress.given }}"
    # {'name': 'lan', 'subnets': [{'cidr': '10.70.0.0/16'}]}
"""

RETURN = r"""
_value:
  description: The value without keys, at any depth, whose value is null, or an empty text, dictionary or list.
  type: raw
"""


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"given": given}
