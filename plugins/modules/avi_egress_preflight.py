#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What nodes have in the way of egress pods."""

from __future__ import annotations

DOCUMENTATION = r"""
module: avi_egress_preflight
short_description: Tell what nodes have in the way of egress pods
version_added: 0.2.0
description:
  - Runs the looks that an egress router makes at its node, before the first service is there, by one short-lived
    privileged pod on each node, all side by side.
  - The pods are in the namespace C(avi-egress-preflight), which is made for them and deleted at the end, whatever has
    happened. What a task that was killed has left is taken away by the next one.
  - For each subnet an address is leased for as long as the pods run. They send from it a question for the gateway and a
    packet that ends there, and never answer for it. The lease is over at the end, without a quarantine.
  - Where no address is to be had, a warning says so, and the looks that need none are made.
  - In check mode nothing is made, and the findings say what would be looked at.
options:
  networks:
    description: The EgressNetworks to look for; all by default.
    type: list
    elements: str
    default: []
  node_selector:
    description:
      - Labels of the nodes to look at, whatever taints they have.
      - By default those of the EgressCloud's C(spec.pods.nodeSelector), else those without a taint, since egress pods
        are scheduled to no others.
    type: dict
    default: {}
  image:
    description: The router's image; by default that of the first EgressCloud by name.
    type: str
  controller_namespace:
    description: The namespace of the egress controller, whose pull secrets the pods get.
    type: str
    default: avi-egress
  wait_timeout:
    description: How many seconds the pods may take, from the pull of their image on.
    type: int
    default: 180
extends_documentation_fragment:
  - avi.egress.connection
  - avi.egress.attributes
seealso:
  - module: avi.egress.avi_egress_service
author:
  - avi.egress contributors (@avi-egress)
"""

EXAMPLES = r"""
- name: Look at all nodes for all networks
  avi.egress.avi_egress_preflight:
  register: preflight

- name: Tell what would not work
  ansible.builtin.debug:
    msg: "{{ item.node }}: {{ item.network }}: {{ item.reason }}: {{ item.message }}; {{ item.remedy }}"
  loop: "{{ preflight.findings | selectattr('reason') }}"

- name: Look at new nodes for one network
  avi.egress.avi_egress_preflight:
    networks: [dmz]
    node_selector: {rack: "7"}
"""

RETURN = r"""
findings:
  description: What was seen at each node for each subnet of each network.
  returned: success
  type: list
  elements: dict
  contains:
    node: {description: The node., type: str, sample: worker-1}
    network: {description: The EgressNetwork., type: str, sample: dmz}
    subnet: {description: The subnet., type: str, sample: 10.70.112.0/24}
    address:
      description: The address that was leased for the looks; null if there was none.
      type: str
      sample: 10.70.112.155
    looks:
      description:
        - The looks that were made, in their order, from V(uplink), V(route), V(proxy), V(address), V(kernel),
          V(gateway) and V(departure). Behind one that finds something none is made.
        - Empty if the node was not looked at, as in check mode.
      type: list
      elements: str
      sample: [uplink, route, proxy, address, kernel, gateway, departure]
    reason:
      description:
        - One word for what is in the way; null if nothing is.
        - A reason of the router's, such as V(NodeFirewall), V(NodeMasquerades), V(WrongRoute), V(GatewaySilent) or
          V(LanProxy), else V(UplinkUnusable), V(NoCarrier), V(NodeKernel), V(AddressInUse), V(Failed), V(NotLooked)
          or V(NodeNotReady).
      type: str
      sample: GatewaySilent
    message:
      description: What was seen; null if nothing is in the way.
      type: str
      sample: the gateway 10.70.112.1 does not answer the node by its uplink eth1
    remedy:
      description: What to do about it; null if nothing is in the way.
      type: str
      sample: check that the gateway is up
reason:
  description: One word for what went wrong.
  returned: failure
  type: str
  sample: NetworkNotFound
"""

from ansible_collections.avi.egress.plugins.module_utils.module import runner
from ansible_collections.avi.egress.plugins.module_utils.module.preflight import nodes


def main() -> None:
    runner.run(nodes.SPEC, nodes.report, nodes.validate)


if __name__ == "__main__":
    main()
