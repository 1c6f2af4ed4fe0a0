# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report of avi.egress.audit as a page for a browser."""

from __future__ import annotations

from typing import Any, Callable

from ansible_collections.avi.egress.plugins.plugin_utils.audit_page import audit_page

DOCUMENTATION = r"""
name: audit_page
short_description: Make a page of HTML of an audit's report
version_added: 0.2.0
author:
  - avi.egress contributors
description:
  - Tells what is wrong, who has which address, how far the networks are used, and who had which address before.
  - The page is one file that loads nothing and runs no script. What the cluster's objects say is shown as text.
  - It is for the playbook C(avi.egress.audit).
options:
  _input:
    description: What P(avi.egress.audit_report#filter) returned.
    type: dict
    required: true
  as_of:
    description: The time of the look, as it is to be shown.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: The page of a cluster without the custom resources
  ansible.builtin.debug:
    msg: "{{ {'networks': none} | avi.egress.audit_report | avi.egress.audit_page('2026-11-29T08:00:00Z') }}"
"""

RETURN = r"""
_value:
  description: The page.
  type: str
"""


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"audit_page": audit_page}
