#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who holds which source address, and who held it when."""

from __future__ import annotations

DOCUMENTATION = r"""
module: avi_ipam_lease_info
short_description: Tell who holds which source address, who held it when, and how many are left
version_added: 0.2.0
description:
  - Lists leases, and how much of each EgressNetwork is in use. It changes nothing.
  - A lease remembers its last 8 holdings. It stays as a record for the network's C(historySeconds) after its address
    was given back, so that long it can be told who held an address at a given time.
options:
  network:
    description: Only leases of this EgressNetwork, and the figures of it alone.
    type: str
  namespace:
    description: Only leases of this project.
    type: str
    aliases: [project]
  service:
    description: Only leases of services of this name.
    type: str
  address:
    description:
      - Only leases of this address, which they have or had last.
      - With O(at), those that had it then.
    type: str
  phases:
    description: Only leases that are in one of these phases now; in any by default.
    type: list
    elements: str
    choices: [Bound, Released, Expired]
  at:
    description:
      - A moment, as in RFC 3339 with its zone. Only leases that held an address at that time, with that address.
      - An address in quarantine is held by nobody.
    type: str
extends_documentation_fragment:
  - avi.egress.connection
  - avi.egress.attributes
seealso:
  - module: avi.egress.avi_ipam_lease
author:
  - avi.egress contributors (@avi-egress)
"""

EXAMPLES = r"""
- name: List what project green holds
  avi.egress.avi_ipam_lease_info:
    namespace: green
    phases: [Bound]
  register: green

- name: Find out who sent from an address when the firewall logged it
  avi.egress.avi_ipam_lease_info:
    address: 10.70.112.155
    at: "2026-11-20T03:14:15+01:00"
  register: then

- name: Say it
  ansible.builtin.debug:
    msg: "{{ then.leases | map(attribute='namespace') | join(', ') | default('nobody', true) }}"

- name: Read how full the networks are
  avi.egress.avi_ipam_lease_info:
  register: all

- name: Fail when one of them is nearly full
  ansible.builtin.assert:
    that: all.networks | selectattr('percent') | selectattr('percent', 'ge', 90) | length == 0
"""

RETURN = r"""
leases:
  description: The leases, by network, IP version and address in the order of numbers; those without an address last.
  returned: success
  type: list
  elements: dict
  contains:
    network: {description: The EgressNetwork., type: str, sample: dmz}
    namespace: {description: The project., type: str, sample: green}
    service: {description: The secure egress service., type: str, sample: secure-egress-service}
    slot: {description: Which of the service's addresses., type: int, sample: 0}
    phase:
      description: What the lease is now, V(Bound), V(Released) or V(Expired); null while it is being claimed.
      type: str
      sample: Bound
    claimed_by:
      description:
        - V(controller) if it is given up with its service, V(administrator) if it stays until
          M(avi.egress.avi_ipam_lease) releases it, V(import) if it was brought from another cluster and its service is
          not there yet.
      type: str
      sample: controller
    address:
      description: The address that it has or had last; with O(at) the one of then; null while it is being claimed.
      type: str
      sample: 10.70.112.155
    bound_at: {description: Since when; null while it is being claimed., type: str, sample: "2026-11-20T06:31:00Z"}
    released_at: {description: Until when; null if it has it still., type: str, sample: "2026-11-23T06:31:00Z"}
    reason: {description: One word for why it was given back; null if it was not., type: str, sample: ServiceDeleted}
    history:
      description: What the service held before, the oldest first.
      type: list
      elements: dict
      contains:
        address: {description: The address., type: str, sample: 10.70.112.17}
        bound_at: {description: Since when., type: str, sample: "2026-10-01T00:00:00Z"}
        released_at: {description: Until when., type: str, sample: "2026-10-02T00:00:00Z"}
        reason: {description: One word for why it was given back., type: str, sample: ReleasedByModule}
networks:
  description: The networks by name, each as its controller counts it, both families together.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: The EgressNetwork., type: str, sample: dmz}
    error: {description: Why its spec can't be read; null if it can. The figures are null then., type: str}
    capacity: {description: Addresses that it leases., type: int, sample: 100}
    reserved: {description: How many of them only one project may have., type: int, sample: 5}
    available: {description: Addresses that are free for whoever asks., type: int, sample: 60}
    bound: {description: Leases in use., type: int, sample: 30}
    released: {description: Leases in quarantine., type: int, sample: 5}
    conflicts: {description: Addresses that a strange host answers for., type: int, sample: 0}
    percent:
      description:
        - The share that is held of the addresses that are not reserved, rounded down. Of two families that of the
          scarcer one; null if there are none.
      type: int
      sample: 36
    families:
      description: The same for each family that it has addresses of.
      type: list
      elements: dict
      contains:
        ip_family: {description: V(IPv4) or V(IPv6)., type: str, sample: IPv4}
        capacity: {description: As above., type: int, sample: 100}
        reserved: {description: As above., type: int, sample: 5}
        available: {description: As above., type: int, sample: 60}
        bound: {description: As above., type: int, sample: 30}
        released: {description: As above., type: int, sample: 5}
        conflicts: {description: As above., type: int, sample: 0}
        percent: {description: As above; null if there are none., type: int, sample: 36}
reason:
  description: One word for what went wrong.
  returned: failure
  type: str
  sample: InvalidInput
"""

from ansible_collections.avi.egress.plugins.module_utils.module import runner
from ansible_collections.avi.egress.plugins.module_utils.module.lease import ipam_lease_info


def main() -> None:
    runner.run(ipam_lease_info.SPEC, ipam_lease_info.report, ipam_lease_info.validate)


if __name__ == "__main__":
    main()
