#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A lease of a source address."""

from __future__ import annotations

DOCUMENTATION = r"""
module: avi_ipam_lease
short_description: Lease a source address to a secure egress service, or give it back
version_added: 0.1.0
description:
  - Leases an address of an EgressNetwork to a service, before that service exists, so that firewalls can be told.
  - The egress controller finds the lease by its name and uses it. A service that has a lease keeps its address.
  - An address that is given back stays reserved for the same service until the network's quarantine is over.
options:
  network:
    description: The EgressNetwork to take the address from.
    type: str
    required: true
  namespace:
    description: The project of the service.
    type: str
    required: true
    aliases: [project]
  service:
    description: The secure egress service that the address is for; it need not exist yet.
    type: str
    required: true
  slot:
    description: Which of the service's addresses it is; V(1) is the second address of a service with two egress pods.
    type: int
    default: 0
  address:
    description:
      - The address wanted, IPv4 or IPv6; any free one of O(ip_family) by default.
      - A lease never moves to another address by itself.
    type: str
  ip_family:
    description:
      - The family of the address, which must be that of the service's destinations.
      - By default that of O(address), else of the address that the lease has, else V(IPv4).
      - A lease that is Bound to an address of the other family must be released first.
    type: str
    choices: [IPv4, IPv6]
  state:
    description:
      - V(present) acquires the lease.
      - V(absent) releases it, unless the service still uses it.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - avi.egress.connection
  - avi.egress.attributes
seealso:
  - module: avi.egress.avi_egress_service
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
    service: secure-egress-service
    address: 10.70.112.155

- name: Lease an IPv6 address, for a service with IPv6 destinations
  avi.egress.avi_ipam_lease:
    network: dmz
    namespace: green
    service: secure-egress-service-v6
    ip_family: IPv6

- name: Give it back
  avi.egress.avi_ipam_lease:
    network: dmz
    namespace: green
    service: secure-egress-service
    state: absent
"""

RETURN = r"""
lease:
  description: The EgressLease; null if there is none.
  returned: success
  type: dict
  sample:
    apiVersion: egress.avi.dev/v1
    kind: EgressLease
    metadata: {name: dmz.green.secure-egress-service.0}
    spec: {network: dmz, namespace: green, service: secure-egress-service, slot: 0}
    status: {phase: Bound, address: 10.70.112.155, boundAt: "2026-11-23T06:31:00Z"}
address:
  description:
    - The leased address.
    - In check mode, where the address would be drawn only at the time of the lease, how many there are to draw from.
  returned: success
  type: str
  sample: 10.70.112.155
phase:
  description: V(Bound), or V(Released) while the address is in quarantine; null if there is no lease.
  returned: success
  type: str
  sample: Bound
reason:
  description: One word for what went wrong.
  returned: failure
  type: str
  sample: AddressTaken
"""

from ansible_collections.avi.egress.plugins.module_utils import lease_state, runner


def main() -> None:
    runner.run(lease_state.SPEC, lease_state.reconcile, lease_state.validate)


if __name__ == "__main__":
    main()
