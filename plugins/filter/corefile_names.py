# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The core's Corefile with names, for the role."""

from __future__ import annotations

from typing import Any, Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.avi.egress.plugins.module_utils.api.errors import EgressError
from ansible_collections.avi.egress.plugins.plugin_utils.corefile import with_names

DOCUMENTATION = r"""
name: corefile_names
short_description: Give secure egress services names below a domain, in a Corefile
version_added: 0.1.0
author:
  - avi.egress contributors
description:
  - Adds, changes or removes one marked block in the server block of C(.:53), which has CoreDNS answer
    C(<service>.<project>.<sub-domain>) as C(<service>.<project>.svc.<cluster domain>).
  - Everything else in the Corefile stays as it is, to the byte.
options:
  _input:
    description: The Corefile.
    type: str
    required: true
  sub_domain:
    description: The domain of the names; an empty string takes them away.
    type: str
    required: true
  cluster_domain:
    description: The cluster's own DNS domain.
    type: str
    default: cluster.local
"""

EXAMPLES = r"""
- name: The Corefile in which the services have names below sub-domain
  ansible.builtin.set_fact:
    corefile: "{{ coredns.resources[0].data.Corefile | avi.egress.corefile_names('sub-domain') }}"
"""

RETURN = r"""
_value:
  description: The Corefile with the names, or without.
  type: str
"""


def corefile_names(corefile: str, sub_domain: str, cluster_domain: str = "cluster.local") -> str:
    """The Corefile with the names; what cannot be done is told in one sentence."""
    try:
        return with_names(corefile, sub_domain, cluster_domain)
    except EgressError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"corefile_names": corefile_names}
