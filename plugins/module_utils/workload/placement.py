# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Where the egress pods of a service are, and what their objects are called there.

``project``, as in the article: in the service's own namespace, by the service's name. ``gateway``: in the egress
controller's namespace, together with those of all other projects.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Mapping

from ..annotations.egress_service import EgressService
from ..api.resources import NAMESPACE_LABEL, SERVICE_LABEL, KubeObject, egress_pod_name
from ..ipam.cloud import EgressCloud
from .network_policy import Project, namespace_peer

NAME_LABEL = "name"
"""The article's one label on RC, NetworkPolicy and pod; objects without it are none of ours."""
_SUFFIX = egress_pod_name("")
_READABLE = 20
"""Characters of project and service in a name; with the digest they are as long as a Service's may be with ``ha``."""
_DIGEST = 16
"""Characters of 5 bits each: nobody finds a second project and service with the digest of a first."""
_REMEMBERED = 256
"""Places: each look at a service asks for its own again and again."""


@dataclass(frozen=True)
class Place:
    """The one namespace and the one name that all objects of a service's egress pods have."""

    namespace: str
    name: str
    marks: Mapping[str, str]
    """Labels that tell whose they are; empty in the service's own namespace."""
    project: Project

    @property
    def is_apart(self) -> bool:
        """Whether it is another namespace than the service's: no Service selects or owns anything in it."""
        return bool(self.marks)

    @property
    def labels(self) -> dict[str, str]:
        return {NAME_LABEL: self.name, **self.marks}


def of(service: EgressService, cloud: EgressCloud) -> Place:
    """Where the egress pods of a service belong."""
    if cloud.gateway:
        return in_gateway(cloud.gateway, service.namespace, service.name)
    return in_project(service.namespace, service.name)


def places(gateway: str, project: str, service: str) -> tuple[Place, Place]:
    """Wherever there may be something of a service's egress pods."""
    return in_project(project, service), in_gateway(gateway, project, service)


@lru_cache(maxsize=_REMEMBERED)
def in_project(project: str, service: str) -> Place:
    """In its own namespace, as the article has it."""
    return Place(project, egress_pod_name(service), {}, Project(project, {"podSelector": {}}))


@lru_cache(maxsize=_REMEMBERED)
def in_gateway(gateway: str, project: str, service: str) -> Place:
    """``gateway`` is the namespace that the egress pods of all projects share."""
    digest = hashlib.sha256(f"{project}/{service}".encode()).digest()
    unique = base64.b32encode(digest[: _DIGEST * 5 // 8]).decode().lower()
    readable = f"{project}-{service}"[:_READABLE].rstrip("-")
    marks = {NAMESPACE_LABEL: project, SERVICE_LABEL: service}
    return Place(gateway, egress_pod_name(f"{readable}-{unique}"), marks, Project(project, namespace_peer(project)))


def served_by(obj: KubeObject, gateway: str) -> tuple[str, str] | None:
    """Project and name of the service that an object is for; None if it is for none.

    Labels that name another project count in the gateway's namespace alone, where no tenant sets any.
    """
    namespace, labels = obj["metadata"]["namespace"], obj["metadata"].get("labels") or {}
    name = labels.get(NAME_LABEL) or ""
    if not name.endswith(_SUFFIX):
        return None
    if namespace == gateway and NAMESPACE_LABEL in labels and SERVICE_LABEL in labels:
        return labels[NAMESPACE_LABEL], labels[SERVICE_LABEL]
    return namespace, name[: -len(_SUFFIX)]
