# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Values that a variable of the role cannot have."""

from __future__ import annotations

from typing import Any, Callable

from ansible_collections.avi.egress.plugins.plugin_utils.values import faults

DOCUMENTATION = r"""
name: value_faults
short_description: Find values that a variable cannot have
version_added: 0.2.0
author:
  - avi.egress contributors
description:
  - Holds the role's variables to their types, choices and keys, as C(ansible-doc -t role avi.egress.egress) tells
    them, and says of each mistake where it is, which value is there and what would be right.
  - A number, and what is true or false, may be text where it is a whole variable, as surveys give it.
  - Null and an empty text are as good as no variable. They are refused where the variable's default is another value,
    which somebody may think to get so.
options:
  _input:
    description: Values of variables by their names; others than the role's are passed over.
    type: dict
    required: true
  more:
    description: Further variables, each with its C(type) and what else an argument spec may say of it.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Tell what is wrong with a variable
  ansible.builtin.debug:
    msg: "{{ {'egress_networks': 'lan'} | avi.egress.value_faults }}"
    # ["egress_networks is 'lan'; give a list of dictionaries with name, subnets"]
"""

RETURN = r"""
_value:
  description: A sentence for each mistake.
  type: list
  elements: str
"""


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"value_faults": faults}
