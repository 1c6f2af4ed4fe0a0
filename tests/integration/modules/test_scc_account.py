# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""``avi_scc_account`` and its info module, with and without SecurityContextConstraints."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_CLOUD,
    NAMESPACE,
    SECURITY_CONTEXT_CONSTRAINTS,
    SERVICE_ACCOUNT,
)
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient
from ansible_collections.avi.egress.plugins.module_utils.module import scc_account, scc_account_info
from ansible_collections.avi.egress.plugins.module_utils.workload.accounts import security_context_constraints

from tests.support.ansible_run import Ansible
from tests.support.api_server import ApiServer
from tests.support.module_tasks import (
    account,
    changed,
    checked,
)
from tests.support.namespaces import other_project


def test_without_security_context_constraints(
    ansible: Ansible, cluster: KubeClient, kubernetes: None, project: str, cloud: str
) -> None:
    results = ansible.tasks(
        checked(account(project, uuid=cloud)),
        account(project, uuid=cloud),
        account(project, uuid=cloud),
        account(project, uuid=cloud, state="absent"),
        account(project, uuid=cloud, state="absent"),
        account("no-such-project", uuid=cloud),
        account(project, uuid="ABC"),
        {"avi.egress.avi_scc_account": {"cloud": "none", "project": project}},
    )

    assert changed(results[:5]) == [True, True, False, True, False]
    assert [item["platform"]["has_scc"] for item in results[:5]] == [False] * 5
    assert results[0]["diff"]["after"].keys() == results[1]["diff"]["after"].keys()
    assert results[1]["accounts"][0]["metadata"]["name"] == f"avivantage-{cloud}"
    assert [item["msg"] for item in results[5:]] == [
        "project no-such-project does not exist; create the namespace first",
        "avi_scc_account: uuid is 'ABC'; give the UUID of the cloud, in lower case (RFC 4122)",
        f"EgressCloud none does not exist; there are: {cloud}",
    ]
    assert cluster.get(SERVICE_ACCOUNT, f"avivantage-{cloud}", project) is None


def test_a_uuid_of_no_cloud_is_refused_and_what_it_left_can_go(
    ansible: Ansible, cluster: KubeClient, openshift: None, project: str
) -> None:
    gone_cloud = str(uuid.uuid4())
    cluster.create(SECURITY_CONTEXT_CONSTRAINTS, security_context_constraints(gone_cloud, [project]))

    made, foreseen, gone = ansible.tasks(
        account(project, uuid=gone_cloud),
        checked(account(project, uuid=gone_cloud)),
        account(project, uuid=gone_cloud, state="absent"),
    )

    told = (
        f"no EgressCloud has uuid {gone_cloud}, so projects {project} can keep no account of it; create it first, by "
        "avi.egress.site with egress_cloud_uuid"
    )
    assert (made["msg"], made["reason"], made["changed"]) == (told, "ProjectNotIncluded", False)
    assert (foreseen["warnings"], changed([foreseen, gone])) == ([told], [True, True])
    assert cluster.get(SERVICE_ACCOUNT, f"avivantage-{gone_cloud}", project) is None


def test_with_security_context_constraints(
    ansible: Ansible, cluster: KubeClient, openshift: None, project: str, cloud: str
) -> None:
    other = f"{project}-b"
    cluster.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other}})
    scc = f"avivantage-scc-{cloud}"

    made = ansible.tasks(
        checked(account(project, other, uuid=cloud)),
        account(project, other, uuid=cloud),
        account(project, other, uuid=cloud),
    )
    users = cluster.get(SECURITY_CONTEXT_CONSTRAINTS, scc)
    assert users
    cluster.patch(SECURITY_CONTEXT_CONSTRAINTS, scc, {"users": [*users["users"], "somebody"]})
    taken = ansible.tasks(
        account(other, uuid=cloud, state="absent"),
        account(other, uuid=cloud, state="absent"),
        account(project, uuid=cloud),
    )

    assert changed(made) == [True, True, False]
    assert made[0]["diff"]["after"].keys() == made[1]["diff"]["after"].keys()
    assert changed(taken) == [True, False, False]
    assert taken[2]["scc"]["users"] == [
        f"system:serviceaccount:{project}:avivantage-{cloud}",
        "somebody",
    ]


def test_projects_added_at_the_same_time_are_all_there(
    api: ApiServer, cluster: KubeClient, openshift: None, project: str, cloud: str
) -> None:
    projects = [f"{project}-{number}" for number in range(4)]
    for name in projects:
        cluster.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    cluster.create(SECURITY_CONTEXT_CONSTRAINTS, security_context_constraints(cloud, []))

    def add(name: str) -> None:
        options = {"uuid": cloud, "cloud": None, "projects": [name], "state": "present"}
        scc_account.reconcile(api.cluster(), options, False)

    with ThreadPoolExecutor(len(projects)) as pool:
        list(pool.map(add, projects))

    found = cluster.get(SECURITY_CONTEXT_CONSTRAINTS, f"avivantage-scc-{cloud}")
    assert found
    assert sorted(found["users"]) == [f"system:serviceaccount:{name}:avivantage-{cloud}" for name in projects]


def test_a_hundred_projects_that_are_as_they_should_be_cost_one_list(
    api: ApiServer, cluster: KubeClient, openshift: None, project: str, cloud: str
) -> None:
    projects = [f"{project}-{number}" for number in range(100)]
    for name in projects:
        cluster.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    options = {"uuid": cloud, "cloud": None, "projects": projects, "state": "present"}
    first, second, third = api.cluster(), api.cluster(), api.cluster()

    made = scc_account.reconcile(first, options, False)
    same = scc_account.reconcile(second, options, False)
    gone = scc_account.reconcile(third, {**options, "projects": projects[:2], "state": "absent"}, False)

    assert [item.changed for item in (made, same, gone)] == [True, False, True]
    # Whether there are SCCs, this one, the accounts, and for those that are to be made the namespaces and the cloud.
    assert (first.requests - first.writes, first.writes) == (5, 101)
    assert (second.requests, second.writes) == (3, 0)
    assert (third.requests - third.writes, third.writes) == (3, 3)


def test_a_hundred_projects_cost_one_list_of_each_kind(api: ApiServer, cluster: KubeClient, openshift: None) -> None:
    reader = api.cluster()
    options = {"cloud": None, "uuid": str(uuid.uuid4()), "projects": [f"p{number}" for number in range(100)]}

    found = scc_account_info.report(reader, options, False)

    assert len(found.values["clouds"][0]["projects"]) == 100
    # The clouds, whether there are SCCs, this one, the projects and the accounts.
    assert (reader.requests, reader.writes) == (5, 0)


def test_what_projects_have_and_lack(ansible: Ansible, cluster: KubeClient, openshift: None, project: str) -> None:
    def info(**options: Any) -> dict[str, Any]:
        return {"avi.egress.avi_scc_account_info": options}

    other, cloud = other_project(cluster, project), str(uuid.uuid4())
    outside = f"{project}-outside"
    cluster.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": outside}})
    label = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}
    cluster.patch(NAMESPACE, project, label)
    spec = {"uuid": cloud, "projects": {"include": {"names": [project, other]}}}
    body = {"apiVersion": "egress.avi.dev/v1", "kind": "EgressCloud", "metadata": {"name": project}, "spec": spec}
    cluster.create(EGRESS_CLOUD, body)

    results = ansible.tasks(
        info(cloud=project),
        account(project, uuid=cloud),
        checked(info(cloud=project)),
        info(uuid=cloud, project=[project]),
        info(),
        info(cloud="none"),
        info(cloud=project, uuid=cloud),
        info(uuid="ABC"),
        account(project, outside, uuid=cloud),
        account(outside, uuid=cloud, state="absent"),
        checked(account(outside, uuid=cloud)),
    )

    assert changed([*results[:5]]) == [False, True, False, False, False]
    assert [item["missing"] for item in results[0]["clouds"][0]["projects"]] == [
        ["account", "scc_user"],
        ["account", "scc_user"],
    ]
    (found,) = results[2]["clouds"]
    assert (found["cloud"], found["account"], found["scc"]) == (
        project,
        f"avivantage-{cloud}",
        f"avivantage-scc-{cloud}",
    )
    assert found["scc_users"] == [f"system:serviceaccount:{project}:avivantage-{cloud}"]
    assert [(item["namespace"], item["missing"]) for item in found["projects"]] == [
        (project, []),
        (other, ["account", "scc_user"]),
    ]
    assert results[3]["clouds"] == [{**found, "projects": found["projects"][:1]}]
    assert found in results[4]["clouds"]
    assert results[5]["msg"].startswith("EgressCloud none does not exist; there are: ")
    assert results[6]["msg"] == "parameters are mutually exclusive: cloud|uuid"
    assert results[7]["msg"].startswith("avi_scc_account_info: uuid is 'ABC'; give the UUID of the cloud")
    refusal = (
        f"projects {outside} can keep no account of EgressCloud {project}: its spec.projects does not include them"
    )
    assert results[8]["msg"].startswith(refusal)
    assert (results[8]["reason"], changed(results[9:])) == ("ProjectNotIncluded", [False, True])
    assert results[10]["warnings"][0].startswith(refusal)
    assert cluster.get(SERVICE_ACCOUNT, f"avivantage-{cloud}", outside) is None
    found_cloud = cluster.get(EGRESS_CLOUD, project)
    assert found_cloud
    cluster.delete(EGRESS_CLOUD, found_cloud)
