#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Leases brought from another cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: avi_ipam_lease_import
short_description: Bring leases of source addresses from another cluster
version_added: 0.2.0
description:
  - Makes leases as they were in another cluster, with their addresses, moments and history, so that the services get
    the addresses that firewalls know as soon as they are created.
  - The playbooks C(avi.egress.leases_export) and C(avi.egress.leases_import) carry a file of them.
  - All are checked before the first is written. An EgressNetwork of each name must be there and lease the address;
    the projects need not exist yet, and quotas are not asked.
  - A lease that is there already with the same address stays as it is, whatever has become of it since. One with
    another address, and an address that another lease holds, are refused.
  - An import that broke off is completed by repeating it.
options:
  leases:
    description: The leases, of which each (network, namespace, service, slot) may occur once.
    type: list
    elements: dict
    required: true
    suboptions:
      network:
        description: The EgressNetwork.
        type: str
        required: true
      namespace:
        description: The project.
        type: str
        required: true
        aliases: [project]
      service:
        description: The secure egress service.
        type: str
        required: true
      slot:
        description: Which of the service's addresses.
        type: int
        default: 0
      phase:
        description: V(Bound), V(Released) while the address is in quarantine, V(Expired) for a record alone.
        type: str
        required: true
        choices: [Bound, Released, Expired]
      claimed_by:
        description:
          - Who gives the lease up. What the V(controller) claimed waits for its service as V(import) and is the
            controller's again when that is there. V(administrator) stays so, until M(avi.egress.avi_ipam_lease)
            releases it.
        type: str
        choices: [controller, administrator, import]
        default: controller
      address:
        description: The address; no other V(Bound) or V(Released) lease of the network may have it.
        type: str
        required: true
      bound_at:
        description: Since when, as in RFC 3339 with its zone.
        type: str
        required: true
      released_at:
        description:
          - Until when, as in RFC 3339 with its zone; the quarantine counts from here.
          - Required unless the lease is V(Bound).
        type: str
      reason:
        description: One word for why it was given back.
        type: str
      history:
        description: What the service held before, the oldest first; 8 at most.
        type: list
        elements: dict
        default: []
        suboptions:
          address:
            description: The address.
            type: str
            required: true
          bound_at:
            description: Since when, as in RFC 3339 with its zone.
            type: str
            required: true
          released_at:
            description: Until when, as in RFC 3339 with its zone; required.
            type: str
          reason:
            description: One word for why it was given back.
            type: str
extends_documentation_fragment:
  - avi.egress.connection
  - avi.egress.attributes
seealso:
  - module: avi.egress.avi_ipam_lease_info
author:
  - avi.egress contributors (@avi-egress)
"""

EXAMPLES = r"""
- name: Bring one lease
  avi.egress.avi_ipam_lease_import:
    leases:
      - network: dmz
        namespace: green
        service: archive
        address: 10.70.112.160
        phase: Bound
        bound_at: "2026-11-20T06:31:00Z"

- name: See beforehand what a file would bring
  avi.egress.avi_ipam_lease_import:
    leases: "{{ (lookup('ansible.builtin.file', 'egress-leases.yml') | from_yaml).leases }}"
  check_mode: true
  diff: true
"""

RETURN = r"""
imported:
  description: How many leases were made.
  returned: success
  type: int
  sample: 1
leases:
  description: What became of each lease, in the order given.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: The EgressLease., type: str, sample: dmz.green.secure-egress-service.0}
    changed: {description: Whether it was made; else it was there., type: bool}
reason:
  description: One word for what went wrong.
  returned: failure
  type: str
  sample: AddressTaken
"""

from ansible_collections.avi.egress.plugins.module_utils.module import runner
from ansible_collections.avi.egress.plugins.module_utils.module.lease import ipam_lease_import


def main() -> None:
    runner.run(ipam_lease_import.SPEC, ipam_lease_import.reconcile, ipam_lease_import.read)


if __name__ == "__main__":
    main()
