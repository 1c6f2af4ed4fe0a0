# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The source addresses of projects and services, for the side of the firewall."""

from __future__ import annotations

DOCUMENTATION = r"""
name: source_ips
short_description: Tell the source addresses of projects and services
version_added: 0.2.0
author:
  - avi.egress contributors (@avi-egress)
description:
  - The addresses from which a firewall sees the traffic of projects or services, as their leases say. It changes
    nothing.
  - A project, service or network that nothing is known of is an error, and so is a selector that chooses nothing. An
    empty list says that what was asked for is known and holds no address.
  - An option that there is not is refused, too.
options:
  _terms:
    description:
      - Projects, as in C(green), and services, as in C(green/web).
      - Without any, O(label_selector) or O(namespace_label_selector) chooses.
    type: list
    elements: str
  label_selector:
    description: Only addresses of secure egress services with these labels, as Kubernetes writes a selector.
    type: str
  namespace_label_selector:
    description: Only addresses of projects with these labels, as Kubernetes writes a selector.
    type: str
    aliases: [project_label_selector]
  network:
    description: Only addresses of this EgressNetwork.
    type: str
  ip_family:
    description: Only addresses of this family.
    type: str
    choices: [IPv4, IPv6]
  as_of:
    description:
      - A moment that is over, as in RFC 3339 with its zone. The addresses that were held then, whatever became of them.
      - Names and labels are those of today. A lease remembers its last 8 holdings, and its record stays for the
        network's C(historySeconds); it is an error if a lease does not remember as far back as that.
    type: str
  quarantined:
    description:
      - Whether addresses that were given back and are still kept from other projects are wanted, too.
      - Refused with O(as_of).
    type: bool
    default: false
  allow_empty:
    description: Whether O(label_selector) and O(namespace_label_selector) may choose nothing; the list is empty then.
    type: bool
    default: false
extends_documentation_fragment:
  - avi.egress.connection
notes:
  - It runs where Ansible runs, as all lookups do, so a task's C(environment) and C(module_defaults) do not reach it.
    Give options to it, or set the variables for Ansible itself.
  - The account has to list EgressLeases. It has to list namespaces or services if their labels choose, and to get
    a namespace, service or EgressNetwork that no lease is of.
seealso:
  - module: avi.egress.avi_ipam_lease_info
  - plugin: avi.egress.leases
    plugin_type: inventory
"""

EXAMPLES = r"""
- name: Say which addresses project green has
  ansible.builtin.debug:
    msg: "{{ query('avi.egress.source_ips', 'green') | join(', ') }}"

- name: Write a set of nftables for a service of one project and all of another
  ansible.builtin.copy:
    content: |
      flush set inet filter egress_sources
      {% for address in sources %}
      add element inet filter egress_sources { {{ address }} }
      {% endfor %}
    dest: egress_sources.nft
    mode: "0644"
  vars:
    sources: "{{ query('avi.egress.source_ips', 'green/secure-egress-service', 'blue', ip_family='IPv4') }}"

- name: Say which addresses production has, those that it gave back of late included
  ansible.builtin.debug:
    msg: "{{ query('avi.egress.source_ips', namespace_label_selector='stage=production', quarantined=true) }}"

- name: Say which addresses project green had when the firewall logged them
  ansible.builtin.debug:
    msg: "{{ query('avi.egress.source_ips', 'green', as_of='2026-11-20T03:14:15+01:00') }}"
"""

RETURN = r"""
_raw:
  description: The addresses, each once, IPv4 first, in the order of numbers.
  type: list
  elements: str
  sample: [10.70.112.155, "fd70:112::9b"]
"""

from typing import Any, Mapping, Sequence

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.avi.egress.plugins.module_utils.api.errors import EgressError
from ansible_collections.avi.egress.plugins.module_utils.module.lease import source_ips
from ansible_collections.avi.egress.plugins.plugin_utils.questions import ask


class LookupModule(LookupBase):  # type: ignore[misc]
    def run(self, terms: Sequence[Any], variables: Mapping[str, Any] | None = None, **options: Any) -> list[str]:
        given = {**options, "_terms": self._flatten(terms)}
        try:
            return ask(given, source_ips.SPEC, source_ips.addresses, source_ips.validate)
        except EgressError as error:
            raise AnsibleLookupError(str(error)) from None  # Ansible would add what caused it, line by line
