# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Kubernetes says of a Deployment that does not become ready."""

from __future__ import annotations

from ansible_collections.avi.egress.plugins.module_utils.api.conditions import conditions_of
from ansible_collections.avi.egress.plugins.module_utils.api.resources import KubeObject

TROUBLE = (("ReplicaFailure", "True"), ("Progressing", "False"))
"""Types and statuses of the conditions that tell of some; the first has the API server's words on refused pods."""


def trouble(deployment: KubeObject) -> str:
    """Its conditions' messages, after a semicolon each; empty where it tells of no trouble."""
    told = {(item["type"], item["status"]): item for item in conditions_of(deployment)}
    found = [told[kind] for kind in TROUBLE if kind in told]
    return "".join(f"; {item.get('reason')}: {' '.join(str(item.get('message')).split())}" for item in found)
