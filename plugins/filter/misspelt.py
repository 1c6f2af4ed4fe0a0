# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Variables that are nobody's, because their names are misspelt."""

from __future__ import annotations

from typing import Any, Callable

from ansible_collections.avi.egress.plugins.plugin_utils.variables import misspelt

DOCUMENTATION = r"""
name: misspelt
short_description: Find variables whose names are misspelt
version_added: 0.2.0
author:
  - avi.egress contributors
description:
  - Ansible takes no notice of a variable that nobody asks for, so what it was to say is not done, or done otherwise.
  - The role and the playbooks refuse to begin with such a variable, if its name looks like one of theirs. Others that
    begin with C(egress_) are left alone.
options:
  _input:
    description: Names of variables that begin with C(egress_).
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Tell which variables are misspelt
  ansible.builtin.debug:
    msg: "{{ query('ansible.builtin.varnames', '^egress_') | avi.egress.misspelt }}"
    # {'egress_projets': 'egress_projects'}
"""

RETURN = r"""
_value:
  description: The names that are misspelt, each with the variable that it looks like.
  type: dict
"""


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"misspelt": misspelt}
