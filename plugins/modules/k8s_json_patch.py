#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The documentation of the action of this name, which runs kubernetes.core's module."""

from __future__ import annotations

DOCUMENTATION = r"""
module: k8s_json_patch
short_description: Patch objects of the cluster as kubernetes.core.k8s_json_patch does
version_added: 0.2.0
description:
  - Changes an object by C(kubernetes.core.k8s_json_patch) itself, with its options and its results, but without
    a Python process for each task and for each item of a loop.
  - The role's tasks are of this kind, so C(group/avi.egress.all) in C(module_defaults) connects all of them.
options: {}
extends_documentation_fragment:
  - avi.egress.connection
  - avi.egress.attributes
author:
  - avi.egress contributors (@avi-egress)
"""

EXAMPLES = r"""
- name: Label a project
  avi.egress.k8s_json_patch:
    api_version: v1
    kind: Namespace
    name: green
    patch:
      - {op: add, path: /metadata/labels/team, value: green}
"""

RETURN = r"""
result:
  description: What C(kubernetes.core.k8s_json_patch) returns.
  returned: success
  type: dict
  sample: {apiVersion: v1, kind: Namespace, metadata: {name: green, labels: {team: green}}}
"""
