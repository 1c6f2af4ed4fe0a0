#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A secure egress service."""

from __future__ import annotations

DOCUMENTATION = r"""
module: avi_egress_service
short_description: Give projects authorized source IP addresses towards applications outside the cluster
version_added: 0.1.0
description:
  - Creates, changes or deletes a secure egress service, a Service whose C(egress_pod) annotation says where its
    connections go.
  - Whatever the project's pods send to the Service reaches the destination from an address that belongs to that
    project and to nobody else.
  - The egress options as a whole are what is wanted, so one that is left out gets its default. O(ports), O(labels),
    O(annotations) and O(avi_proxy) stay as they are where they are left out.
  - One Service is described by the options themselves, many by O(services).
options:
  name:
    description:
      - Name of the Service; at most 42 characters, 37 with O(ha=true), for the egress pod's name is made of it.
      - Required without O(services), as is O(namespace).
    type: str
  namespace:
    description: The project that the Service belongs to.
    type: str
    aliases: [project]
  state:
    description:
      - V(present) makes the Service be there as the other options say.
      - V(absent) deletes it; its source address is quarantined for the same service before another may have it.
    type: str
    choices: [present, absent]
    default: present
  destination_ip:
    description:
      - The application outside the cluster that every port of the Service leads to, as an IPv4 or IPv6 address or a
        host name.
      - The source address is of the same family. With a host name it is of the family of O(source_ip), else of the
        first of the Service's families.
      - One of O(destination_ip) and O(destinations) is required with O(state=present), in an item of O(services) too.
    type: str
  destinations:
    description:
      - Several applications outside the cluster, as a dictionary from address or host name to a dictionary from
        the Service's port to the application's port.
      - A port is TCP, unless it is written as V(53/udp).
      - All addresses are of one family.
    type: dict
  ports:
    description:
      - The ports of the Service.
      - They are required for a new Service with O(destination_ip). Those that O(destinations) names are added.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the port; made of protocol and number by default.
        type: str
      port:
        description: The port that clients connect to.
        type: int
        required: true
      target_port:
        description: The application's port; the same as O(ports[].port) by default.
        type: int
      protocol:
        description: The port's protocol.
        type: str
        choices: [TCP, UDP]
        default: TCP
  hm_port:
    description: The port that the egress pod answers health checks on; 4 by default.
    type: int
  image:
    description: The egress pod's image, if not the cloud's; the EgressCloud must allow it.
    type: str
  node_selector:
    description: Labels of the nodes that the egress pod may run on, such as those that reach the outside network.
    type: dict
  tolerations:
    description:
      - Taints that the egress pod tolerates, each with C(key), C(operator), C(value), C(effect) and
        C(tolerationSeconds) as in a pod.
      - The EgressCloud's C(spec.allowedTolerations) must list their keys.
    type: list
    elements: dict
    version_added: 0.2.0
  ha:
    description: Whether to have two egress pods, each with a source address of its own.
    type: bool
    default: false
  network:
    description:
      - The EgressNetwork of the source address; by default the cloud's first that allows the project.
      - One that is not there is refused before anything is written, if the task may list EgressNetworks; else the
        egress controller refuses it.
    type: str
  source_ip:
    description:
      - The source address, acquired for this service or reserved for its project by M(avi.egress.avi_ipam_lease); two
        with O(ha=true).
      - Any other one is refused before anything is written, if the task may list EgressNetworks and EgressLeases; else
        the egress controller refuses it.
    type: list
    elements: str
  resolve:
    description:
      - When a destination's host name is resolved, V(ttl) for each time the answer's time to live is over, V(once) for
        only when the egress pod starts.
      - V(ttl) by default.
    type: str
    choices: [ttl, once]
  probe:
    description: How the egress pod tries its TCP destinations from the leased address.
    type: dict
    suboptions:
      interval:
        description: Seconds from one attempt to the next, V(0) for none. V(30) by default.
        type: int
      timeout:
        description: Seconds that an attempt may take. V(3) by default.
        type: int
  drain_seconds:
    description:
      - With O(ha), for how many seconds an egress pod that ends goes on forwarding what its clients have open.
      - V(25) by default.
    type: int
  avi_proxy:
    description: The C(avi_proxy) annotation, such as a C(networksecuritypolicy) with its rules.
    type: dict
  labels:
    description: Labels that the Service is to have besides those that it has.
    type: dict
  annotations:
    description: Further annotations that the Service is to have besides those that it has.
    type: dict
  type:
    description: The Service's type; with V(LoadBalancer) no node ports are allocated.
    type: str
    choices: [ClusterIP, LoadBalancer]
    default: ClusterIP
  ip_families:
    description:
      - The families of the Service's cluster IPs, the preferred one first, of which the egress must be one.
      - The cluster decides by default, and V(IPv6) has to be asked for where the cluster prefers V(IPv4).
      - Kubernetes does not let the first one be changed.
    type: list
    elements: str
    choices: [IPv4, IPv6]
    version_added: 0.2.0
  ip_family_policy:
    description: Whether the Service has one cluster IP or, where the cluster can, one of each family.
    type: str
    choices: [SingleStack, PreferDualStack, RequireDualStack]
    version_added: 0.2.0
  services:
    description:
      - Many Services at once, in place of the other options but O(wait) and O(wait_timeout). They are read by one list,
        of their project if they have only one, else of all projects, and only what differs is written.
      - All are checked before the first is written, each by itself, against the others, and by the API server, which
        tries every change without keeping it. They are then written, eight at a time. The first one that fails all the
        same ends the task, and the message says which it is and what was changed already.
      - What somebody else made or changed in between is read again and decided on anew.
      - All are waited for at the same time.
    type: list
    elements: dict
    version_added: 0.2.0
    suboptions:
      name:
        description: See O(name).
        type: str
        required: true
      namespace:
        description: See O(namespace).
        type: str
        required: true
        aliases: [project]
      state:
        description: See O(state).
        type: str
        default: present
        choices: [present, absent]
      destination_ip:
        description: See O(destination_ip).
        type: str
      destinations:
        description: See O(destinations).
        type: dict
      ports:
        description: See O(ports).
        type: list
        elements: dict
        suboptions:
          name:
            description: See O(ports[].name).
            type: str
          port:
            description: See O(ports[].port).
            type: int
            required: true
          target_port:
            description: See O(ports[].target_port).
            type: int
          protocol:
            description: See O(ports[].protocol).
            type: str
            default: TCP
            choices: [TCP, UDP]
      hm_port:
        description: See O(hm_port).
        type: int
      image:
        description: See O(image).
        type: str
      node_selector:
        description: See O(node_selector).
        type: dict
      tolerations:
        description: See O(tolerations).
        type: list
        elements: dict
        version_added: 0.2.0
      ha:
        description: See O(ha).
        type: bool
        default: false
      network:
        description: See O(network).
        type: str
      source_ip:
        description: See O(source_ip).
        type: list
        elements: str
      resolve:
        description: See O(resolve).
        type: str
        choices: [ttl, once]
      probe:
        description: See O(probe).
        type: dict
        suboptions:
          interval:
            description: See O(probe.interval).
            type: int
          timeout:
            description: See O(probe.timeout).
            type: int
      drain_seconds:
        description: See O(drain_seconds).
        type: int
      avi_proxy:
        description: See O(avi_proxy).
        type: dict
      labels:
        description: See O(labels).
        type: dict
      annotations:
        description: See O(annotations).
        type: dict
      type:
        description: See O(type).
        type: str
        default: ClusterIP
        choices: [ClusterIP, LoadBalancer]
      ip_families:
        description: See O(ip_families).
        type: list
        choices: [IPv4, IPv6]
        elements: str
      ip_family_policy:
        description: See O(ip_family_policy).
        type: str
        choices: [SingleStack, PreferDualStack, RequireDualStack]
  wait:
    description:
      - Whether to wait until the Service's condition C(EgressReady) is true, or with O(state=absent) until its egress
        pod is gone and its address given back.
      - A refusal by the egress controller ends the wait at once. With O(services) the others are waited for all the
        same, and the message names those that are not ready, each with its condition and its last Event.
    type: bool
    default: true
  wait_for:
    description:
      - What O(wait) waits for with O(state=present). V(ready) is the Service's condition C(EgressReady).
      - V(reachable) is also its condition C(DestinationsReachable), that every TCP destination accepts connections from
        the source address, such as when a firewall has learnt of it. If that does not come in time, the message names
        each destination that does not answer, with its verdict.
      - V(reachable) is refused if the egress pod tries nothing, as with O(probe.interval=0) or if all destinations are
        UDP.
    type: str
    choices: [ready, reachable]
    default: ready
    version_added: 0.2.0
  wait_timeout:
    description: How many seconds to wait, for all of O(services) together.
    type: int
    default: 120
extends_documentation_fragment:
  - avi.egress.connection
  - avi.egress.attributes
seealso:
  - module: avi.egress.avi_egress_service_info
  - module: avi.egress.avi_ipam_lease
  - module: avi.egress.avi_scc_account
author:
  - avi.egress contributors (@avi-egress)
"""

EXAMPLES = r"""
- name: Let project green reach an application from its own source address
  avi.egress.avi_egress_service:
    name: secure-egress-service
    namespace: green
    destination_ip: 10.10.10.200
    ports:
      - name: foo
        port: 80

- name: Wait until the firewall lets the address through
  avi.egress.avi_egress_service:
    name: secure-egress-service
    namespace: green
    destination_ip: 10.10.10.200
    probe: {interval: 5}
    wait_for: reachable
    wait_timeout: 3600

- name: Reach two applications through one source address
  avi.egress.avi_egress_service:
    name: secure-egress-service
    namespace: green
    destinations:
      dest-service1.mycompany.com:
        "8080": 80
      10.10.20.20:
        "9080": 80
    node_selector:
      external-accessible-node: "true"

- name: Reach an application by IPv6
  avi.egress.avi_egress_service:
    name: secure-egress-service-v6
    namespace: green
    destination_ip: 2001:db8:10::200
    ip_families: [IPv6]
    ports:
      - port: 80

- name: Bring the services of two projects into their states
  avi.egress.avi_egress_service:
    services:
      - {name: payments, namespace: green, destination_ip: 10.10.10.200, ports: [{port: 443}]}
      - {name: reports, namespace: green, destinations: {reports.mycompany.com: {"8443": 443}}, ha: true}
      - {name: payments, namespace: blue, destination_ip: 10.10.10.200, ports: [{port: 443}]}
      - {name: ledger, namespace: blue, state: absent}
  register: many

- name: Tell the firewall's owners
  ansible.builtin.debug:
    msg: "{{ many.services | map(attribute='source_ips') | flatten | join(', ') }}"

- name: Delete the service and give its address back
  avi.egress.avi_egress_service:
    name: secure-egress-service
    namespace: green
    state: absent
"""

RETURN = r"""
service:
  description: The Service as the API server has it.
  returned: O(state=present), without O(services)
  type: dict
  sample:
    apiVersion: v1
    kind: Service
    metadata:
      annotations:
        egress.avi.dev/source-ips: 10.70.112.155
        egress_pod: '{"destination_ip": "10.10.10.200"}'
      name: secure-egress-service
      namespace: green
    spec:
      clusterIP: 172.30.212.151
      ports: [{name: foo, port: 80, protocol: TCP, targetPort: 80}]
      selector: {name: secure-egress-service-avi-egress-pod}
      type: ClusterIP
cluster_ip:
  description: The address that the project's pods connect to, of the family of the source addresses.
  returned: O(state=present), without O(services)
  type: str
  sample: 172.30.212.151
source_ips:
  description: The addresses that the destination sees; empty as long as none is leased.
  returned: O(state=present), without O(services)
  type: list
  elements: str
  sample: [10.70.112.155]
condition:
  description: The Service's condition C(EgressReady); null before the egress controller has set it.
  returned: O(state=present), without O(services)
  type: dict
  sample:
    type: EgressReady
    status: "True"
    reason: EgressReady
    message: traffic leaves from 10.70.112.155
    lastTransitionTime: "2026-11-23T06:31:00Z"
reachable:
  description:
    - The Service's condition C(DestinationsReachable), what the egress pods have found out about the destinations; null
      if that is not known, and where O(probe.interval=0) or all destinations are UDP.
  returned: O(state=present), without O(services)
  type: dict
  sample:
    type: DestinationsReachable
    status: "False"
    reason: DestinationsNotReachable
    message: "from 10.70.112.155: 10.10.10.200:80 Prohibited by 10.70.112.1"
    lastTransitionTime: "2026-11-23T06:31:02Z"
services:
  description: What became of each Service, in the order given.
  returned: with O(services)
  type: list
  elements: dict
  contains:
    namespace: {description: The project., type: str, sample: green}
    name: {description: Name of the Service., type: str, sample: payments}
    changed: {description: Whether it was written., type: bool, sample: true}
    service: {description: The Service as the API server has it; null if it is absent., type: dict}
    cluster_ip:
      description: The address that the project's pods connect to; null if it is absent.
      type: str
      sample: 172.30.212.151
    source_ips:
      description: The addresses that the destination sees; empty as long as none is leased.
      type: list
      elements: str
      sample: [10.70.112.155]
    condition:
      description: The Service's condition C(EgressReady); null before the egress controller has set it.
      type: dict
      sample:
        type: EgressReady
        status: "True"
        reason: EgressReady
        message: traffic leaves from 10.70.112.155
        lastTransitionTime: "2026-11-23T06:31:00Z"
    reachable:
      description: The Service's condition C(DestinationsReachable); null if it is not known.
      type: dict
reason:
  description: One word for what went wrong.
  returned: failure
  type: str
  sample: PoolExhausted
"""

from ansible_collections.avi.egress.plugins.module_utils.module import runner
from ansible_collections.avi.egress.plugins.module_utils.module.service import egress_service


def main() -> None:
    runner.run(egress_service.SPEC, egress_service.reconcile, egress_service.validate)


if __name__ == "__main__":
    main()
