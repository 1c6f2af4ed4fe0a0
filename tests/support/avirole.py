# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The article's ClusterRole."""

from __future__ import annotations

import yaml

AVIROLE = yaml.safe_load("""
apiVersion: v1
kind: ClusterRole
metadata:
  name: avirole
rules:
- apiGroups:
  - ""
  attributeRestrictions: null
  resources:
  - pods
  - replicationcontrollers
  - secrets
  - securitycontextconstraints
  - serviceaccounts
  - services
  verbs:
  - '*'
- apiGroups:
  - ""
  attributeRestrictions: null
  resources:
  - '*'
  verbs:
  - get
  - list
  - watch
- apiGroups:
  - ""
  attributeRestrictions: null
  resources:
  - routes/status
  verbs:
  - patch
  - update
- apiGroups:
  - extensions
  attributeRestrictions: null
  resources:
  - daemonsets
  - ingresses
  verbs:
  - create
  - delete
  - get
  - list
  - update
  - watch
- apiGroups:
  - apps
  attributeRestrictions: null
  resources:
  - statefulsets
  verbs:
  - create
  - delete
  - get
  - list
  - update
  - watch
""")
"""The sample of "Prerequisites"; the page that it was taken from has lost its indentation."""
LEGACY_API_VERSION = "authorization.openshift.io/v1"
"""What OpenShift 3.6 made of the article's ``v1``, when it gave its kinds groups of their own."""
