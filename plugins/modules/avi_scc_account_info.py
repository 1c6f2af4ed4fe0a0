#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which projects may run egress pods, and what they lack."""

from __future__ import annotations

DOCUMENTATION = r"""
module: avi_scc_account_info
short_description: Tell which projects may run egress pods, and what they lack
version_added: 0.2.0
description:
  - Lists, for each EgressCloud, the projects that it includes and those that have its ServiceAccount or are users of
    its SecurityContextConstraints, with what each of them lacks or has left over. It changes nothing.
  - Each kind of object is listed once, the ServiceAccounts once for each cloud.
options:
  cloud:
    description: Only this EgressCloud; all of them by default.
    type: str
  uuid:
    description: Only the cloud of this UUID, which needs no EgressCloud.
    type: str
  projects:
    description:
      - Only these projects, whether they take part or not.
      - By default those that the cloud includes, or that have its account or are users of its
        SecurityContextConstraints.
    type: list
    elements: str
    aliases: [project, namespace, namespaces]
extends_documentation_fragment:
  - avi.egress.connection
  - avi.egress.attributes
seealso:
  - module: avi.egress.avi_scc_account
author:
  - avi.egress contributors (@avi-egress)
"""

EXAMPLES = r"""
- name: Read what the projects of all clouds have
  avi.egress.avi_scc_account_info:
  register: all

- name: Fail when one of them could not run egress pods
  ansible.builtin.assert:
    that: all.clouds | map(attribute='projects') | flatten | selectattr('missing') | length == 0

- name: Read what two projects lack
  avi.egress.avi_scc_account_info:
    cloud: default
    projects: [green, blue]
  register: two

- name: Give those the account that lack it
  avi.egress.avi_scc_account:
    cloud: default
    projects: "{{ two.clouds[0].projects | selectattr('missing', 'contains', 'account') | map(attribute='namespace') }}"
"""

RETURN = r"""
clouds:
  description: The clouds, by name.
  returned: success
  type: list
  elements: dict
  contains:
    cloud: {description: The EgressCloud; null if none has the UUID that is asked for., type: str, sample: default}
    uuid: {description: Its UUID., type: str, sample: bfff9603-1ffd-4bcc-aef6-118268e5f2b5}
    error: {description: Why its spec can't be read; null if it can., type: str}
    placement:
      description:
        - Where its egress pods are, V(project) or V(gateway), of which no project needs anything.
        - Null if there is no EgressCloud, or it can't be read.
      type: str
      sample: project
    account:
      description: The name of the ServiceAccount in each project.
      type: str
      sample: avivantage-bfff9603-1ffd-4bcc-aef6-118268e5f2b5
    scc:
      description: The SecurityContextConstraints; null if they are not there.
      type: str
      sample: avivantage-scc-bfff9603-1ffd-4bcc-aef6-118268e5f2b5
    scc_users:
      description: Their users, others than the projects' accounts too; null where the platform has none.
      type: list
      elements: str
      sample: ["system:serviceaccount:green:avivantage-bfff9603-1ffd-4bcc-aef6-118268e5f2b5"]
    projects:
      description: The projects, by name.
      type: list
      elements: dict
      contains:
        namespace: {description: The project., type: str, sample: green}
        exists: {description: Whether there is such a namespace., type: bool, sample: true}
        included:
          description:
            - Whether the cloud includes it; one that is being deleted takes no part any more.
            - Null if there is no EgressCloud, or it can't be read.
          type: bool
          sample: true
        account: {description: Whether it has the ServiceAccount., type: bool, sample: true}
        scc_user:
          description: Whether its account is a user of the SecurityContextConstraints; null where there are none.
          type: bool
          sample: true
        pod_security:
          description: Its label C(pod-security.kubernetes.io/enforce); null if it has none.
          type: str
          sample: privileged
        missing:
          description:
            - What it lacks for egress pods, of V(account), V(scc_user), and V(pod_security) if its label is
              V(baseline) or V(restricted). Without the label the API server's own default decides, which is not asked
              for here; as Kubernetes is delivered, it admits egress pods.
            - The egress controller sees to accounts and users while the cloud's C(secureEgressMode) is true.
            - Empty if it takes no part.
          type: list
          elements: str
          sample: []
        surplus:
          description: What it has still, of V(account) and V(scc_user), though it takes no part.
          type: list
          elements: str
          sample: []
platform:
  description: What the module found the platform to be.
  returned: success
  type: dict
  contains:
    has_scc:
      description: Whether it has SecurityContextConstraints.
      type: bool
  sample: {has_scc: true}
reason:
  description: One word for what went wrong.
  returned: failure
  type: str
  sample: Failed
"""

from ansible_collections.avi.egress.plugins.module_utils.module import runner, scc_account_info


def main() -> None:
    runner.run(scc_account_info.SPEC, scc_account_info.report, scc_account_info.validate)


if __name__ == "__main__":
    main()
