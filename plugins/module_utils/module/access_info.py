# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""``avi_access_info``: whether an account may do what a playbook is about to do."""

from __future__ import annotations

from typing import Any, Iterable, Mapping

from ..api.errors import InvalidInput
from ..api.resources import SELF_SUBJECT_ACCESS_REVIEW
from ..client.kube_client import KubeClient
from .argument_specs import ArgumentSpec
from .result import Result

SUBJECT = "avi_access_info"
VERSION = "v1"
"""Of the resources whose being there decides."""

SPEC = ArgumentSpec(
    {
        "rights": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {
                "resource": {"type": "str", "required": True},
                "verbs": {"type": "list", "elements": "str", "required": True},
                "namespace": {"type": "str"},
                "if_served": {"type": "bool", "default": False},
            },
        }
    }
)

Options = Mapping[str, Any]


def validate(options: Options) -> None:
    """Refuse a right without a verb, which would be granted to everybody."""
    for place, right in enumerate(options["rights"]):
        if not right["verbs"]:
            raise InvalidInput(SUBJECT, f"rights[{place}].verbs", [], "name a verb, such as get")


def report(cluster: KubeClient, options: Options, check_mode: bool) -> Result:
    """The rights that are missing; nothing is ever changed. Who may do everything is known by one request."""
    absent = _absent(cluster, options["rights"])
    there = [right for right in options["rights"] if right["resource"] not in absent]
    missing = [] if _may(cluster, "*", "*.*") else list(_missing(cluster, there))
    message = f"this account may not {'; '.join(map(_sentence, missing))}" if missing else None
    other_user = cluster.connection.other_user()
    return Result(False, {}, {}, {"missing": missing, "message": message, "absent": absent, "other_user": other_user})


def _absent(cluster: KubeClient, rights: Iterable[Options]) -> list[str]:
    """Of the resources that need not be there, those that are not."""
    asked = dict.fromkeys(right["resource"] for right in rights if right["if_served"])
    groups = dict.fromkeys(resource.partition(".")[2] for resource in asked)
    served = {f"{plural}.{group}" for group in groups for plural in cluster.served(group, VERSION)}
    return [resource for resource in asked if resource not in served]


def _missing(cluster: KubeClient, rights: Iterable[Options]) -> Iterable[dict[str, Any]]:
    for right in rights:
        resource, namespace = right["resource"], right["namespace"]
        verbs = [verb for verb in right["verbs"] if not _may(cluster, verb, resource, namespace)]
        if verbs:
            yield {"resource": resource, "namespace": namespace, "verbs": verbs}


def _may(cluster: KubeClient, verb: str, resource: str, namespace: str | None = None) -> bool:
    whole, _slash, subresource = resource.partition("/")
    plural, _dot, group = whole.partition(".")
    given = {"namespace": namespace, "subresource": subresource}
    asked = {"verb": verb, "group": group, "resource": plural, **{key: value for key, value in given.items() if value}}
    review = {
        "apiVersion": SELF_SUBJECT_ACCESS_REVIEW.api_version,
        "kind": SELF_SUBJECT_ACCESS_REVIEW.kind,
        "metadata": {},
        "spec": {"resourceAttributes": asked},
    }
    return bool(cluster.create(SELF_SUBJECT_ACCESS_REVIEW, review)["status"]["allowed"])


def _sentence(right: Mapping[str, Any]) -> str:
    where = f"in namespace {right['namespace']}" if right["namespace"] else "in the cluster"
    return f"{', '.join(right['verbs'])} {right['resource']} {where}"
