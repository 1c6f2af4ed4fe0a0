#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A lease of a source address."""

from __future__ import annotations

DOCUMENTATION = r"""
module: avi_ipam_lease
short_description: Lease source addresses to secure egress services, or give them back
version_added: 0.1.0
description:
  - Leases an address of an EgressNetwork to a service, before that service exists, so that firewalls can be told.
  - The egress controller finds the lease by its name and uses it. A service that has a lease keeps its address.
  - An address that is given back stays reserved for the same service until the network's quarantine is over. After that
    the lease is V(Expired), and the service gets the same address again if nobody else has it by then.
  - One lease is described by the options themselves, many by O(leases).
  - Everything that can be refused is refused before anything is written.
options:
  network:
    description:
      - The EgressNetwork to take the address from.
      - Required without O(leases), as is O(namespace).
    type: str
  namespace:
    description: The project of the service.
    type: str
    aliases: [project]
  service:
    description:
      - The secure egress service that the address is for; it need not exist yet.
      - Without it, O(address) is reserved for the project in the EgressNetwork (C(spec.reservations)). Only services
        of the project get it then, by C(source_ip) or by O(address). With O(state=absent) it is reserved no more;
        whoever leases it keeps it.
    type: str
  slot:
    description: Which of the service's addresses it is; V(1) is the second address of a service with two egress pods.
    type: int
    default: 0
  address:
    description:
      - The address wanted, IPv4 or IPv6; any free one of O(ip_family) by default.
      - An address that the network reserves for the project is leased only if it is asked for like this.
      - A lease never moves to another address by itself.
    type: str
  ip_family:
    description:
      - The family of the address, which must be that of the service's destinations.
      - By default that of O(address), else of the address that the lease has, else V(IPv4).
      - A lease that is Bound to an address of the other family must be released first.
    type: str
    choices: [IPv4, IPv6]
    version_added: 0.2.0
  transfer_from:
    description:
      - The service whose address this one is to have instead of a new one. It goes over without being free in between,
        even if it is in quarantine. The other lease becomes V(Expired), with the reason V(Transferred).
      - Refused while a secure egress service of that name is there and has the address.
      - Nothing is changed if this service has the address already. With O(address) only that one is transferred, so a
        task that is repeated much later takes no other address of that service.
      - Between projects, this is your decision. A firewall that trusts the address then trusts the other project.
        That project must be allowed by the network, have the quota, and not be shut out by a reservation.
    type: dict
    version_added: 0.2.0
    suboptions:
      namespace:
        description: Its project; O(namespace) by default.
        type: str
        aliases: [project]
      service:
        description: Its name; the service need not exist any more.
        type: str
        required: true
      slot:
        description: Which of its addresses.
        type: int
        default: 0
  state:
    description:
      - V(present) acquires the lease.
      - V(absent) releases it, unless the service still uses it.
    type: str
    choices: [present, absent]
    default: present
  leases:
    description:
      - Many leases at once, in place of the other options. The cluster is read once for all of them.
      - All are checked, each by itself and against each other, before the first is written. They are then written in
        order. The first one that fails all the same, because somebody else was faster, ends the task, and the message
        says which it is and what was changed before it.
      - No item draws an address that another one asks for.
    type: list
    elements: dict
    version_added: 0.2.0
    suboptions:
      network:
        description: See O(network).
        type: str
        required: true
      namespace:
        description: See O(namespace).
        type: str
        required: true
        aliases: [project]
      service:
        description: See O(service).
        type: str
        required: true
      slot:
        description: See O(slot).
        type: int
        default: 0
      address:
        description: See O(address).
        type: str
      ip_family:
        description: See O(ip_family).
        type: str
        choices: [IPv4, IPv6]
      transfer_from:
        description: See O(transfer_from); none whose address an item before acquires.
        type: dict
        suboptions:
          namespace:
            description: Its project; O(leases[].namespace) by default.
            type: str
            aliases: [project]
          service:
            description: Its name.
            type: str
            required: true
          slot:
            description: Which of its addresses.
            type: int
            default: 0
      state:
        description: See O(state).
        type: str
        choices: [present, absent]
        default: present
extends_documentation_fragment:
  - avi.egress.connection
  - avi.egress.attributes
seealso:
  - module: avi.egress.avi_egress_service
  - module: avi.egress.avi_ipam_lease_info
author:
  - avi.egress contributors (@avi-egress)
"""

EXAMPLES = r"""
- name: Lease an address, to open a firewall for it before the service is there
  avi.egress.avi_ipam_lease:
    network: dmz
    namespace: green
    service: secure-egress-service
  register: lease

- name: Lease the one address that the firewall already knows
  avi.egress.avi_ipam_lease:
    network: dmz
    namespace: green
    service: invoices
    address: 10.70.112.155

- name: Reserve an address for a project, whose services may ask for it by source_ip
  avi.egress.avi_ipam_lease:
    network: dmz
    namespace: green
    address: 10.70.112.20

- name: Lease an IPv6 address, for a service with IPv6 destinations
  avi.egress.avi_ipam_lease:
    network: dmz
    namespace: green
    service: secure-egress-service-v6
    ip_family: IPv6

- name: Give the address of a service that was renamed to its successor, so that no firewall has to change
  avi.egress.avi_ipam_lease:
    network: dmz
    namespace: green
    service: billing
    address: 10.70.112.155
    transfer_from:
      service: invoices

- name: Lease the two addresses of a service with two egress pods, and give another one back
  avi.egress.avi_ipam_lease:
    leases:
      - {network: dmz, namespace: green, service: ledger, slot: 0}
      - {network: dmz, namespace: green, service: ledger, slot: 1}
      - {network: dmz, namespace: blue, service: reports, state: absent}
  register: many

- name: Tell the firewall's owners
  ansible.builtin.debug:
    msg: "{{ many.leases | selectattr('phase', 'eq', 'Bound') | map(attribute='address') | join(', ') }}"

- name: Give it back
  avi.egress.avi_ipam_lease:
    network: dmz
    namespace: green
    service: secure-egress-service
    state: absent
"""

RETURN = r"""
lease:
  description: The EgressLease; null if there is none, or if an address was reserved.
  returned: success, without O(leases)
  type: dict
  sample:
    apiVersion: egress.avi.dev/v1
    kind: EgressLease
    metadata: {name: dmz.green.secure-egress-service.0}
    spec: {network: dmz, namespace: green, service: secure-egress-service, slot: 0}
    status: {phase: Bound, address: 10.70.112.155, boundAt: "2026-11-23T06:31:00Z"}
address:
  description:
    - The leased or reserved address; null if there is no lease.
    - In check mode, where the address would be drawn only at the time of the lease, how many there are to draw from.
  returned: success, without O(leases)
  type: str
  sample: 10.70.112.155
phase:
  description:
    - V(Bound), V(Released) while the address is in quarantine, V(Expired) after it; null if there is no lease.
  returned: success, without O(leases)
  type: str
  sample: Bound
leases:
  description: What became of each item, in the order of O(leases).
  returned: success, with O(leases)
  type: list
  elements: dict
  contains:
    network: {description: As in the item., type: str, sample: dmz}
    namespace: {description: As in the item., type: str, sample: green}
    service: {description: As in the item., type: str, sample: ledger}
    slot: {description: As in the item., type: int, sample: 0}
    changed: {description: Whether this lease was changed., type: bool}
    lease: {description: See RV(lease)., type: dict}
    address: {description: See RV(address)., type: str, sample: 10.70.112.156}
    phase: {description: See RV(phase)., type: str, sample: Bound}
reason:
  description: One word for what went wrong.
  returned: failure
  type: str
  sample: AddressTaken
"""

from ansible_collections.avi.egress.plugins.module_utils.module import runner
from ansible_collections.avi.egress.plugins.module_utils.module.lease import ipam_lease


def main() -> None:
    runner.run(ipam_lease.SPEC, ipam_lease.reconcile, ipam_lease.validate)


if __name__ == "__main__":
    main()
