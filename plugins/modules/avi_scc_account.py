#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A project's ServiceAccount for egress pods."""

from __future__ import annotations

DOCUMENTATION = r"""
module: avi_scc_account
short_description: Give projects the ServiceAccount that their egress pods run as
version_added: 0.1.0
description:
  - Creates the ServiceAccount C(avivantage-UUID) in each project and, on OpenShift, makes it a user of the
    SecurityContextConstraints C(avivantage-scc-UUID), so that egress pods may run privileged.
  - On a platform without SecurityContextConstraints only the ServiceAccounts are made.
  - A project that the EgressCloud does not include, or whose egress pods are elsewhere by the cloud's C(placement), is
    refused before anything is written, for the egress controller would take the account away again; so is a UUID that
    no EgressCloud has. In check mode that is a warning, since an earlier task may be one that would include the project
    or make the EgressCloud. Where EgressClouds may not be read, or their kind is not there yet, accounts are made.
  - The SecurityContextConstraints stay when the last project goes; they go with the EgressCloud.
options:
  cloud:
    description: The EgressCloud whose UUID names the accounts. One of O(cloud) and O(uuid) is required.
    type: str
  uuid:
    description: The UUID of the EgressCloud, in place of its name.
    type: str
  projects:
    description:
      - The projects, each an existing namespace.
      - The accounts of many are read by one list, and only what differs is written.
    type: list
    elements: str
    required: true
    aliases: [project, namespace, namespaces]
  state:
    description: Whether the projects are to have the account or not.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - avi.egress.connection
  - avi.egress.attributes
seealso:
  - module: avi.egress.avi_scc_account_info
  - module: avi.egress.avi_egress_service
author:
  - avi.egress contributors (@avi-egress)
"""

EXAMPLES = r"""
- name: Prepare two projects for egress pods
  avi.egress.avi_scc_account:
    cloud: default
    projects: [green, blue]

- name: Take the account of one away
  avi.egress.avi_scc_account:
    cloud: default
    project: blue
    state: absent
"""

RETURN = r"""
accounts:
  description: The ServiceAccounts that are there afterwards.
  returned: success
  type: list
  elements: dict
  sample:
    - apiVersion: v1
      kind: ServiceAccount
      metadata: {name: avivantage-bfff9603-1ffd-4bcc-aef6-118268e5f2b5, namespace: green}
      automountServiceAccountToken: false
scc:
  description: The SecurityContextConstraints; null where the platform has none.
  returned: success
  type: dict
  sample:
    apiVersion: security.openshift.io/v1
    kind: SecurityContextConstraints
    metadata: {name: avivantage-scc-bfff9603-1ffd-4bcc-aef6-118268e5f2b5}
    users: ["system:serviceaccount:green:avivantage-bfff9603-1ffd-4bcc-aef6-118268e5f2b5"]
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
  sample: ApiError
"""

from ansible_collections.avi.egress.plugins.module_utils.module import runner, scc_account


def main() -> None:
    runner.run(scc_account.SPEC, scc_account.reconcile, scc_account.validate)


if __name__ == "__main__":
    main()
