# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The project's account and its place in the SCC are the article's."""

from __future__ import annotations

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.resources import account_user
from ansible_collections.avi.egress.plugins.module_utils.workload.accounts import (
    scc_users,
    security_context_constraints,
    service_account,
)
from ansible_collections.avi.egress.plugins.module_utils.workload.plan import Observed, account_writes, scc_writes
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import UUID
from tests.support.observed import stored

DESCRIBED = {
    "Name": f"avivantage-scc-{UUID}",
    "Priority": None,
    "Users": [f"system:serviceaccount:default:avivantage-{UUID}"],
    "Groups": [],
    "Allow Privileged": True,
    "Default Add Capabilities": None,
    "Required Drop Capabilities": None,
    "Allowed Capabilities": None,
    "Allowed Volume Types": ["*"],
    "Allow Host Network": True,
    "Allow Host Ports": True,
    "Allow Host PID": False,
    "Allow Host IPC": False,
    "Read Only Root Filesystem": False,
    "Run As User Strategy": {"type": "RunAsAny"},
    "SELinux Context Strategy": {"type": "RunAsAny"},
    "FSGroup Strategy": {"type": "RunAsAny"},
    "Supplemental Groups Strategy": {"type": "RunAsAny"},
}
"""The article's ``oc describe scc``; UID, User, Role, Type, Level and Ranges are [NONE] there and so not set here."""
FIELD_OF = {
    "Priority": "priority",
    "Users": "users",
    "Groups": "groups",
    "Allow Privileged": "allowPrivilegedContainer",
    "Default Add Capabilities": "defaultAddCapabilities",
    "Required Drop Capabilities": "requiredDropCapabilities",
    "Allowed Capabilities": "allowedCapabilities",
    "Allowed Volume Types": "volumes",
    "Allow Host Network": "allowHostNetwork",
    "Allow Host Ports": "allowHostPorts",
    "Allow Host PID": "allowHostPID",
    "Allow Host IPC": "allowHostIPC",
    "Read Only Root Filesystem": "readOnlyRootFilesystem",
    "Run As User Strategy": "runAsUser",
    "SELinux Context Strategy": "seLinuxContext",
    "FSGroup Strategy": "fsGroup",
    "Supplemental Groups Strategy": "supplementalGroups",
}
UNSET = {"allowedFlexVolumes", "allowedUnsafeSysctls", "defaultAllowPrivilegeEscalation", "forbiddenSysctls"}
"""What it does not show and no egress pod needs."""


def test_every_setting_is_as_the_articles_oc_describe_shows_it() -> None:
    scc = security_context_constraints(UUID, ["default"])
    told = {"Name": scc["metadata"]["name"], **{label: scc[field] for label, field in FIELD_OF.items()}}
    assert told == DESCRIBED
    rest = set(scc) - set(FIELD_OF.values()) - {"apiVersion", "kind", "metadata"}
    # Volume type * includes the host's directories; a privileged container may gain rights. It does not show either.
    assert rest - UNSET == {"allowHostDirVolumePlugin", "allowPrivilegeEscalation"}
    assert all(scc[field] is None for field in UNSET)
    assert scc["apiVersion"] == "security.openshift.io/v1"


def test_the_account_is_named_as_in_the_article_and_mounts_no_token() -> None:
    account = service_account(UUID, "default")
    assert account["metadata"]["name"] == "avivantage-bfff9603-1ffd-4bcc-aef6-118268e5f2b5"
    assert account["metadata"]["namespace"] == "default"
    assert account["automountServiceAccountToken"] is False


namespaces = st.sets(st.sampled_from(["blue", "default", "green", "red"]))
foreign = st.lists(st.sampled_from(["system:admin", account_user("other", "green")]), unique=True)


@given(foreign, namespaces, namespaces, namespaces)
def test_users_are_those_that_were_there_with_some_added_and_some_gone(
    others: list[str], before: set[str], present: set[str], absent: set[str]
) -> None:
    observed = others + [account_user(UUID, name) for name in sorted(before)]
    found = scc_users(observed, UUID, present, absent)
    assert set(found) == set(others) | {account_user(UUID, name) for name in (before - absent) | present}
    assert len(found) == len(set(found))
    assert [user for user in found if user in others] == others
    assert scc_users(found, UUID, present, absent - present) == found


@pytest.mark.parametrize("present", [[], ["default"]])
def test_an_unchanged_set_is_an_unchanged_list(present: list[str]) -> None:
    observed = [account_user(UUID, "red"), account_user(UUID, "default"), "system:admin"]
    assert scc_users(observed, UUID, present) == observed


@pytest.mark.parametrize(
    ("field", "value", "right"),
    [
        ("allowPrivilegeEscalation", False, True),
        ("defaultAllowPrivilegeEscalation", False, None),
        ("allowedFlexVolumes", [{"driver": "a/b"}], None),
        ("allowedUnsafeSysctls", ["net.*"], None),
        ("forbiddenSysctls", ["*"], None),
        ("userNamespaceLevel", "RequirePodLevel", "AllowHostLevel"),
    ],
)
def test_what_somebody_changes_in_the_scc_by_hand_is_put_back(field: str, value: object, right: object) -> None:
    (write,) = scc_writes(UUID, {**stored(security_context_constraints(UUID, ["default"])), field: value}, ["default"])
    assert write.body == {field: right, "metadata": {"resourceVersion": "1"}}


def test_a_platform_that_knows_no_user_namespaces_is_not_asked_for_them() -> None:
    scc = stored(security_context_constraints(UUID, ["default"]))
    assert scc_writes(UUID, scc, ["default"]) == []


def test_the_right_comes_before_the_account_that_the_label_syncer_looks_at() -> None:
    writes = account_writes(UUID, "default", Observed(has_scc=True))
    assert [write.resource.kind for write in writes] == ["SecurityContextConstraints", "ServiceAccount"]
