# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The leases of a cluster as an inventory, for the side of the firewall."""

from __future__ import annotations

DOCUMENTATION = r"""
name: leases
short_description: Tell the leases of a cluster as an inventory
version_added: 0.2.0
author:
  - avi.egress contributors (@avi-egress)
description:
  - Each host is a lease, by the name of its EgressLease. It is nothing to log in to, but what a firewall has a rule
    for.
  - All are in the group C(egress_leases), and in a group for each project, network and phase, such as C(project_green),
    C(network_dmz) and C(phase_bound). A dash becomes an underscore, as Ansible's names of groups have none.
  - The variables of a host are C(address) and C(ansible_host), C(ip_family), C(project), C(service), C(slot),
    C(network), C(phase), C(claimed_by), C(bound_at), C(released_at) and C(reason), as
    M(avi.egress.avi_ipam_lease_info) tells them. Text that comes from the cluster is never a template.
  - The name of its file ends with C(egress_leases.yml) or C(egress_leases.yaml). An option that there is not is
    refused.
options:
  plugin:
    description: This plugin.
    type: str
    required: true
    choices: [avi.egress.leases]
  network:
    description: Only leases of this EgressNetwork; one that nothing is known of is an error.
    type: str
  phases:
    description:
      - Only leases that are in one of these phases. By default those that keep their address from other projects.
      - The address of a lease that is V(Expired) may be another's by now.
    type: list
    elements: str
    choices: [Bound, Released, Expired]
    default: [Bound, Released]
extends_documentation_fragment:
  - avi.egress.connection
  - ansible.builtin.constructed
notes:
  - The account has to list EgressLeases, and to get the EgressNetwork that O(network) names if no lease is of it.
  - Ansible makes a warning of an inventory that fails, and goes on without its hosts. Set
    C(ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED) so that it stops.
seealso:
  - module: avi.egress.avi_ipam_lease_info
  - plugin: avi.egress.source_ips
    plugin_type: lookup
"""

EXAMPLES = r"""
# firewall.egress_leases.yml
plugin: avi.egress.leases
network: dmz
phases: [Bound]
compose:
  rule: project ~ "/" ~ service
groups:
  ipv6: ip_family == "IPv6"
keyed_groups:
  - key: service
    prefix: service
"""

from typing import Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Constructable
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.avi.egress.plugins.module_utils.api.errors import EgressError
from ansible_collections.avi.egress.plugins.module_utils.module.lease import inventory as leases
from ansible_collections.avi.egress.plugins.plugin_utils.questions import ask

ENDINGS = ("egress_leases.yml", "egress_leases.yaml")
ANSIBLES_OWN = ("plugin", "strict", "compose", "groups", "keyed_groups", "use_extra_vars", "leading_separator")
"""Options that are not for the cluster."""


class InventoryModule(BaseInventoryPlugin, Constructable):  # type: ignore[misc]
    NAME = "avi.egress.leases"

    def verify_file(self, path: str) -> bool:
        return bool(super().verify_file(path)) and path.endswith(ENDINGS)

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        config = self._read_config_data(path)
        given = {name: value for name, value in config.items() if name not in ANSIBLES_OWN}
        try:
            found = ask(given, leases.SPEC, leases.hosts, leases.validate)
        except EgressError as error:
            raise AnsibleParserError(str(error)) from None  # Ansible would add what caused it, line by line
        inventory.add_group("egress_leases")
        for host in found:
            self._add(host)

    def _add(self, host: leases.Host) -> None:
        self.inventory.add_host(host.name, group="egress_leases")
        for group in host.groups:
            self.inventory.add_host(host.name, group=self.inventory.add_group(self._sanitize_group_name(group)))
        # Text from a cluster is no template; ansible-core before 2.19 takes all text for one that isn't marked so.
        variables = {name: wrap_var(value) for name, value in host.variables.items()}
        for name, value in variables.items():
            self.inventory.set_variable(host.name, name, value)
        strict = self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), variables, host.name, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), variables, host.name, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, host.name, strict=strict)
