# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a namespace can have a name."""

from __future__ import annotations

from typing import Any, Callable

from ansible_collections.avi.egress.plugins.module_utils.api.resources import NAMESPACE_NAME

DOCUMENTATION = r"""
name: namespace_name
short_description: Tell whether a namespace can have this name
version_added: 0.2.0
author:
  - avi.egress contributors
description:
  - Kubernetes takes names of up to 63 lower-case letters, digits and hyphens, with no hyphen at an end.
options:
  _input:
    description: The name; what is no text is none.
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: Refuse a name that no project can have
  ansible.builtin.assert:
    that: project is avi.egress.namespace_name
"""

RETURN = r"""
_value:
  description: Whether a namespace can have it.
  type: bool
"""


def is_namespace_name(value: Any) -> bool:
    return isinstance(value, str) and NAMESPACE_NAME.fullmatch(value) is not None


class TestModule:
    """The tests of this file."""

    def tests(self) -> dict[str, Callable[..., Any]]:
        return {"namespace_name": is_namespace_name}
