# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The kinds of objects in AWX's API, and what each requires, refers to, and is unique by."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping

NOTIFIED = ("notification_templates_started", "notification_templates_success", "notification_templates_error")
ASKED = (
    *("variables", "limit", "tags", "skip_tags", "job_type", "verbosity", "inventory", "credential", "diff_mode"),
    *("execution_environment", "forks", "instance_groups", "job_slice_count", "labels", "timeout", "scm_branch"),
)
PROMPTS: Mapping[str, Any] = {f"ask_{name}_on_launch": False for name in ASKED}


@dataclass(frozen=True)
class Kind:
    """One kind of object, as its endpoint takes it."""

    type: str
    fields: Mapping[str, Any]
    """Each field that may be written, with its default, whose type is the field's; None for a reference or any JSON."""
    required: tuple[str, ...] = ("name",)
    references: Mapping[str, str] = field(default_factory=dict)
    """From field to the endpoint of what it refers to."""
    unique: tuple[tuple[str, ...], ...] = (("name", "organization"),)
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lists: Mapping[str, str] = field(default_factory=dict)
    """From a related list to the endpoint of its items."""
    roles: tuple[str, ...] = ()
    read_only: Mapping[str, Any] = field(default_factory=dict)
    derived: Mapping[str, str] = field(default_factory=dict)
    """As ``references``, for those that AWX itself decides."""

    @property
    def targets(self) -> Mapping[str, str]:
        """From each field that refers to another object to the endpoint of that."""
        return {**self.references, **self.derived}

    @property
    def title(self) -> str:
        return self.type.replace("_", " ").capitalize()


def _notified(*more: str) -> dict[str, str]:
    return dict.fromkeys((*NOTIFIED, *more), "notification_templates")


_NODES = {f"{name}_nodes": "workflow_job_template_nodes" for name in ("success", "failure", "always")}
_LAUNCH = {"labels": "labels", "instance_groups": "instance_groups", "credentials": "credentials"}
_LAUNCHED: Mapping[str, Any] = {
    **{"extra_data": {}, "inventory": None, "scm_branch": None, "job_type": None, "job_tags": None, "skip_tags": None},
    **{"limit": None, "diff_mode": None, "verbosity": None, "execution_environment": None, "forks": None},
    **{"job_slice_count": None, "timeout": None, "unified_job_template": None},
}
_LAUNCHED_BY = {
    "inventory": "inventories",
    "execution_environment": "execution_environments",
    "unified_job_template": "unified_job_templates",
}
_IN_ORGANIZATION = {"organization": "organizations"}

KINDS: Mapping[str, Kind] = {
    "organizations": Kind(
        "organization",
        {"name": "", "description": "", "max_hosts": 0, "custom_virtualenv": None, "default_environment": None},
        references={"default_environment": "execution_environments"},
        unique=(("name",),),
        lists={**_notified("notification_templates_approvals"), "instance_groups": "instance_groups"},
        roles=("admin", "execute", "member", "read"),
    ),
    "teams": Kind(
        "team",
        {"name": "", "description": "", "organization": None},
        required=("name", "organization"),
        references=_IN_ORGANIZATION,
        roles=("admin", "member", "read"),
    ),
    "execution_environments": Kind(
        "execution_environment",
        {"name": "", "description": "", "organization": None, "image": "", "credential": None, "pull": ""},
        required=("name", "image"),
        references={**_IN_ORGANIZATION, "credential": "credentials"},
        unique=(("name",),),
        choices={"pull": ("", "always", "missing", "never")},
    ),
    "credential_types": Kind(
        "credential_type",
        {"name": "", "description": "", "kind": "", "inputs": {}, "injectors": {}},
        required=("name", "kind"),
        unique=(("name", "kind"),),
        choices={"kind": ("net", "cloud")},
        read_only={"managed": False, "namespace": None},
    ),
    "credentials": Kind(
        "credential",
        {"name": "", "description": "", "organization": None, "credential_type": None, "inputs": {}},
        required=("name", "credential_type"),
        references={**_IN_ORGANIZATION, "credential_type": "credential_types"},
        unique=(("organization", "name", "credential_type"),),
        roles=("admin", "use", "read"),
        read_only={"kind": None, "managed": False},
    ),
    "projects": Kind(
        "project",
        {
            **{"name": "", "description": "", "organization": None, "local_path": "", "scm_type": "", "scm_url": ""},
            **{"scm_branch": "", "scm_refspec": "", "scm_clean": False, "scm_delete_on_update": False, "timeout": 0},
            **{"scm_track_submodules": False, "credential": None, "scm_update_on_launch": False},
            **{"scm_update_cache_timeout": 0, "allow_override": False, "custom_virtualenv": None},
            **{"default_environment": None, "signature_validation_credential": None},
        },
        references={
            **_IN_ORGANIZATION,
            **{"credential": "credentials", "default_environment": "execution_environments"},
            "signature_validation_credential": "credentials",
        },
        choices={"scm_type": ("", "git", "svn", "insights", "archive")},
        lists=_notified(),
        roles=("admin", "use", "update", "read"),
        read_only={"status": "never updated", "scm_revision": "", "last_job_failed": False, "playbook_files": ()},
    ),
    "inventories": Kind(
        "inventory",
        {
            **{"name": "", "description": "", "organization": None, "kind": "", "host_filter": None},
            **{"variables": "", "prevent_instance_group_fallback": False},
        },
        required=("name", "organization"),
        references=_IN_ORGANIZATION,
        choices={"kind": ("", "smart", "constructed")},
        lists={"instance_groups": "instance_groups"},
        roles=("admin", "use", "adhoc", "update", "read"),
    ),
    "hosts": Kind(
        "host",
        {"name": "", "description": "", "inventory": None, "enabled": True, "instance_id": "", "variables": ""},
        required=("name", "inventory"),
        references={"inventory": "inventories"},
        unique=(("name", "inventory"),),
    ),
    "labels": Kind(
        "label", {"name": "", "organization": None}, required=("name", "organization"), references=_IN_ORGANIZATION
    ),
    "instance_groups": Kind("instance_group", {"name": ""}, unique=(("name",),)),
    "notification_templates": Kind(
        "notification_template",
        {
            **{"name": "", "description": "", "organization": None, "notification_type": ""},
            **{"notification_configuration": {}, "messages": None},
        },
        required=("name", "organization", "notification_type", "notification_configuration"),
        references=_IN_ORGANIZATION,
    ),
    "job_templates": Kind(
        "job_template",
        {
            **{"name": "", "description": "", "job_type": "run", "inventory": None, "project": None, "playbook": ""},
            **{"scm_branch": "", "forks": 0, "limit": "", "verbosity": 0, "extra_vars": "", "job_tags": ""},
            **{"force_handlers": False, "skip_tags": "", "start_at_task": "", "timeout": 0, "use_fact_cache": False},
            **{"execution_environment": None, "host_config_key": "", "survey_enabled": False, "diff_mode": False},
            **{"become_enabled": False, "allow_simultaneous": False, "custom_virtualenv": None, "job_slice_count": 1},
            **{"webhook_service": "", "webhook_credential": None, "prevent_instance_group_fallback": False},
            **PROMPTS,
        },
        references={
            **{"inventory": "inventories", "project": "projects", "execution_environment": "execution_environments"},
            "webhook_credential": "credentials",
        },
        choices={"job_type": ("run", "check")},
        lists={**_LAUNCH, **_notified()},
        roles=("admin", "execute", "read"),
        # AWX takes it from the project, and takes no other.
        read_only={"organization": None},
        derived=_IN_ORGANIZATION,
    ),
    "workflow_job_templates": Kind(
        "workflow_job_template",
        {
            **{"name": "", "description": "", "organization": None, "extra_vars": "", "survey_enabled": False},
            **{"allow_simultaneous": False, "inventory": None, "limit": None, "scm_branch": None, "job_tags": None},
            **{"skip_tags": None, "webhook_service": "", "webhook_credential": None},
            **{name: PROMPTS[name] for name in PROMPTS if name.split("_")[1] in ("variables", "inventory", "limit")},
        },
        references={**_IN_ORGANIZATION, "inventory": "inventories", "webhook_credential": "credentials"},
        lists={"labels": "labels", **_notified("notification_templates_approvals")},
        roles=("admin", "execute", "read", "approval"),
    ),
    "workflow_job_template_nodes": Kind(
        "workflow_job_template_node",
        {**_LAUNCHED, "workflow_job_template": None, "identifier": "", "all_parents_must_converge": False},
        required=("workflow_job_template",),
        references={**_LAUNCHED_BY, "workflow_job_template": "workflow_job_templates"},
        unique=(("workflow_job_template", "identifier"),),
        lists={**_NODES, **_LAUNCH},
    ),
    "schedules": Kind(
        "schedule",
        {**_LAUNCHED, "name": "", "description": "", "rrule": "", "enabled": True},
        required=("name", "rrule", "unified_job_template"),
        references=_LAUNCHED_BY,
        unique=(("unified_job_template", "name"),),
        lists=_LAUNCH,
    ),
}

UNIFIED = ("projects", "job_templates", "workflow_job_templates")
"""What ``unified_job_templates`` lists; ids are unique among them."""
CASCADING = {
    ("schedules", "unified_job_template"),
    ("hosts", "inventory"),
    ("workflow_job_template_nodes", "workflow_job_template"),
}
"""References whose holder goes with what it refers to; others become null."""
BEARER_TOKEN = "OpenShift or Kubernetes API Bearer Token"
MANAGED_TYPES: Mapping[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    BEARER_TOKEN: (
        "kubernetes",
        ("host", "bearer_token", "verify_ssl", "ssl_ca_cert"),
        ("bearer_token", "ssl_ca_cert"),
    ),
    "Source Control": (
        "scm",
        ("username", "password", "ssh_key_data", "ssh_key_unlock"),
        ("password", "ssh_key_data", "ssh_key_unlock"),
    ),
    "Vault": ("vault", ("vault_password", "vault_id"), ("vault_password",)),
    "Container Registry": ("registry", ("host", "username", "password", "verify_ssl"), ("password",)),
}
"""AWX's own credential types that matter here: kind, fields, and which of them it never tells again."""
