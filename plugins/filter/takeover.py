# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a former release has set becomes the role's own, for its tasks."""

from __future__ import annotations

from typing import Any, Callable

from ansible_collections.avi.egress.plugins.plugin_utils.field_ownership import takeover

DOCUMENTATION = r"""
name: takeover
short_description: Make a manager the owner of what another one has set
version_added: 0.2.0
author:
  - avi.egress contributors
description:
  - Server-side apply removes what is no longer applied, if nobody else owns it. What a client wrote by patches before
    it began to apply is owned by that client under another operation, and would stay for ever.
options:
  _input:
    description: An object as the API server has it, with C(metadata.managedFields).
    type: dict
    required: true
  manager:
    description: The field manager that applies the object from now on.
    type: str
    required: true
  former:
    description: The field manager that has written it so far.
    type: str
    required: true
  kept:
    description: Names of fields of C(spec) that stay the former manager's.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Own the fields of a network that an earlier release has written
  kubernetes.core.k8s_json_patch:
    api_version: egress.avi.dev/v1
    kind: EgressNetwork
    name: lan
    patch: "{{ found.resources[0] | avi.egress.takeover('avi.egress', 'OpenAPI-Generator', ['reservations']) }}"
"""

RETURN = r"""
_value:
  description: A JSON patch of C(metadata.managedFields); empty once the manager has applied anything.
  type: list
  elements: dict
"""


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"takeover": takeover}
