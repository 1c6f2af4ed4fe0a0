#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether one's account may do what a playbook is about to do."""

from __future__ import annotations

DOCUMENTATION = r"""
module: avi_access_info
short_description: Tell which rights of a list the account lacks in the cluster
version_added: 0.2.0
description:
  - Asks the cluster, before anything is changed, whether the account of the connection has some rights there
    (C(SelfSubjectAccessReview)). It changes nothing.
  - It also tells in one sentence that the server cannot be reached, or that it does not accept the credentials.
  - An account that may do everything costs one request, others one for each verb.
  - It tells which resources the cluster does not have of those that need not be there.
options:
  rights:
    description: The rights to ask for.
    type: list
    elements: dict
    required: true
    suboptions:
      resource:
        description:
          - The resource, such as V(namespaces) or V(statefulsets.apps), or a subresource, such as
            V(deployments.apps/scale).
        type: str
        required: true
      verbs:
        description: What is to be done with it.
        type: list
        elements: str
        required: true
      namespace:
        description: Where; in all namespaces, or outside of them, by default.
        type: str
      if_served:
        description:
          - Whether to ask only if the cluster has the resource, in version V(v1).
          - Each API group of these costs one request more.
        type: bool
        default: false
extends_documentation_fragment:
  - avi.egress.connection
  - avi.egress.attributes
author:
  - avi.egress contributors (@avi-egress)
"""

EXAMPLES = r"""
- name: Ask for what the next tasks need
  avi.egress.avi_access_info:
    rights:
      - {resource: namespaces, verbs: [create, patch]}
      - {resource: services, verbs: [create, patch], namespace: green}
      - {resource: securitycontextconstraints.security.openshift.io, verbs: [patch], if_served: true}
  register: access

- name: Refuse to begin without
  ansible.builtin.assert:
    that: access.missing | length == 0
    fail_msg: "{{ access.message }}"
"""

RETURN = r"""
missing:
  description: The rights that the account lacks, in the order of O(rights); empty if it lacks none.
  returned: success
  type: list
  elements: dict
  contains:
    resource: {description: The resource., type: str, sample: namespaces}
    namespace: {description: Where; null stands for the cluster., type: str, sample: green}
    verbs:
      description: What it may not do with it.
      type: list
      elements: str
      sample: [create, patch]
message:
  description: The same as a sentence; null if it lacks none.
  returned: success
  type: str
  sample: this account may not create, patch namespaces in the cluster; create services in namespace green
absent:
  description: Those of the resources with C(if_served) that the cluster does not have.
  returned: success
  type: list
  elements: str
  sample: [securitycontextconstraints.security.openshift.io]
other_user:
  description:
    - By what C(kubernetes.core), with the same connection options, would be known beside the user that they give; null
      if by nothing.
  returned: success
  type: str
  sample: api_key is given, and the kubeconfig's user has a client certificate, which would go before it
reason:
  description: One word for what went wrong.
  returned: failure
  type: str
  sample: ApiError
"""

from ansible_collections.avi.egress.plugins.module_utils.module import access_info, runner


def main() -> None:
    runner.run(access_info.SPEC, access_info.report, access_info.validate)


if __name__ == "__main__":
    main()
