#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which secure egress services there are, and how they fare."""

from __future__ import annotations

DOCUMENTATION = r"""
module: avi_egress_service_info
short_description: Tell which secure egress services there are, where they lead, and from which addresses
version_added: 0.2.0
description:
  - Lists the Services with an C(egress_pod) annotation, each with its annotations parsed, its addresses, its condition,
    its leases, and what keeps its egress pods. It changes nothing.
  - Each kind of object is listed once. What the account's rights do not reach to is null, with a warning.
options:
  namespace:
    description: Only services of this project; of all projects by default.
    type: str
    aliases: [project]
  name:
    description: Only services of this name; of any by default.
    type: str
  label_selector:
    description: Only services whose labels are like this, as C(kubectl get -l) has it; all by default.
    type: str
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
- name: List the egress services of project green
  avi.egress.avi_egress_service_info:
    namespace: green
  register: green

- name: Tell which of them are not ready, and why
  ansible.builtin.debug:
    msg: "{{ item.name }}: {{ item.error or item.condition.message | default('no egress controller has seen it') }}"
  loop: "{{ green.services | rejectattr('ready') }}"
  loop_control:
    label: "{{ item.name }}"

- name: Read one of them
  avi.egress.avi_egress_service_info:
    namespace: green
    name: secure-egress-service
  register: one

- name: List those of all projects that a label names
  avi.egress.avi_egress_service_info:
    label_selector: team=payments,stage!=test
  register: payments

- name: Tell the firewall's owners who comes from where
  ansible.builtin.debug:
    msg: "{{ payments.services | map(attribute='source_ips') | flatten | sort | join(', ') }}"
"""

RETURN = r"""
services:
  description: The services, by project and name.
  returned: success
  type: list
  elements: dict
  contains:
    namespace: {description: The project., type: str, sample: green}
    name: {description: Name of the Service., type: str, sample: secure-egress-service}
    ready: {description: Whether its condition C(EgressReady) is true., type: bool, sample: true}
    egress_pod:
      description:
        - The C(egress_pod) annotation with its defaults, as options of M(avi.egress.avi_egress_service).
        - Null if it can't be read.
      type: dict
      sample:
        destination_ip: 10.10.10.200
        destinations: null
        drain_seconds: 0
        ha: false
        hm_port: 4
        image: null
        network: null
        node_selector: {}
        probe: {interval: 30, timeout: 3}
        resolve: ttl
        source_ip: null
        tolerations: null
    avi_proxy:
      description: The C(avi_proxy) annotation; null if there is none, or it can't be read.
      type: dict
      sample: {networksecuritypolicy: {rules: []}}
    error:
      description: Why the annotations are refused; null if they are not.
      type: str
      sample: >-
        Service green/secure-egress-service: egress_pod.hm_port is 80; the service uses this port; give another
    service:
      description: The Service as the API server has it.
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
      description:
        - The Service's condition C(DestinationsReachable), what the egress pods have found out about the destinations;
          null if that is not known.
      type: dict
      sample:
        type: DestinationsReachable
        status: "False"
        reason: DestinationsNotReachable
        message: "from 10.70.112.155: 10.10.10.200:80 Prohibited by 10.70.112.1"
        lastTransitionTime: "2026-11-23T06:31:02Z"
    leases:
      description:
        - The leases of the service, by network and slot, those that it had before in other networks too. Their fields
          are those of M(avi.egress.avi_ipam_lease_info).
        - Null if they can't be read.
      type: list
      elements: dict
      sample:
        - address: 10.70.112.155
          bound_at: "2026-11-20T06:31:00Z"
          claimed_by: controller
          history: []
          namespace: green
          network: dmz
          phase: Bound
          reason: null
          released_at: null
          service: secure-egress-service
          slot: 0
    controllers:
      description:
        - What keeps the egress pods. There are two while one takes over from the other, as C(ha) or the placement is
          changed, and none before the first address is leased.
        - Null if they can't be read.
      type: list
      elements: dict
      contains:
        kind: {description: V(ReplicationController) or V(StatefulSet)., type: str, sample: ReplicationController}
        namespace:
          description: Its namespace, the egress controller's where the cloud's placement is V(gateway).
          type: str
          sample: default
        name: {description: Its name., type: str, sample: secure-egress-service-avi-egress-pod}
        replicas: {description: How many egress pods it is to keep., type: int, sample: 1}
        ready_replicas: {description: How many of them are ready., type: int, sample: 1}
reason:
  description: One word for what went wrong.
  returned: failure
  type: str
  sample: ApiError
"""

from ansible_collections.avi.egress.plugins.module_utils.module import runner
from ansible_collections.avi.egress.plugins.module_utils.module.service import egress_service_info


def main() -> None:
    runner.run(egress_service_info.SPEC, egress_service_info.report, egress_service_info.validate)


if __name__ == "__main__":
    main()
