#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The documentation of the action of this name, which runs kubernetes.core's module."""

from __future__ import annotations

DOCUMENTATION = r"""
module: k8s
short_description: Manage objects of the cluster as kubernetes.core.k8s does
version_added: 0.2.0
description:
  - Creates, changes and deletes objects by C(kubernetes.core.k8s) itself, with its options and its results, but without
    a Python process for each task and for each item of a loop.
  - The error of a wait for a Deployment that did not become ready repeats what its conditions C(ReplicaFailure) and
    C(Progressing) say.
  - Of its options, C(template) is not taken.
  - The role's tasks are of this kind, so C(group/avi.egress.all) in C(module_defaults) connects all of them.
options: {}
extends_documentation_fragment:
  - avi.egress.connection
  - avi.egress.attributes
author:
  - avi.egress contributors (@avi-egress)
"""

EXAMPLES = r"""
- name: Have a project
  avi.egress.k8s:
    definition:
      apiVersion: v1
      kind: Namespace
      metadata:
        name: green
"""

RETURN = r"""
result:
  description: What C(kubernetes.core.k8s) returns.
  returned: success
  type: dict
  sample: {apiVersion: v1, kind: Namespace, metadata: {name: green}}
"""
