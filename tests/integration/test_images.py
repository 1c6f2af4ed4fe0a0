# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The images' way into a real registry, and what the cluster is told of them; a story in order.

The API server has no nodes; they pull in ``tests/e2e/test_image_delivery.py``.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    CUSTOM_RESOURCE_DEFINITION,
    EGRESS_CLOUD,
    SERVICE_ACCOUNT,
    KubeObject,
    Resource,
)
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient

from images.build import build_all
from tests.support.ansible_run import Ansible, Run
from tests.support.api_server import ADMIN_TOKEN, ApiServer
from tests.support.checkout import CHECKOUT
from tests.support.kinds import DEPLOYMENT, ROLE_BINDING, SECRET
from tests.support.registry import PULLER, PULLER_PASSWORD, PUSHER, PUSHER_PASSWORD, Registry
from tests.support.waiting import wait_for

IMAGE_CONFIG = Resource("config.openshift.io", "v1", "Image", "images", namespaced=False)
NAMES = ("avi-egress-controller", "avi-egress-router")
PROJECT = "green"
FOREIGN = "avivantage-dockercfg-x7k2p"
"""A pull secret such as OpenShift adds to every account."""
INTERNAL = "image-registry.openshift-image-registry.svc:5000"


@pytest.fixture(scope="module")
def cluster(api: ApiServer) -> KubeClient:
    return api.cluster()


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    found = Registry(tmp_path_factory.mktemp("registry"), tmp_path_factory.mktemp("storage"))
    found.start()
    yield found
    found.stop()


@pytest.fixture(scope="module")
def delivery(registry: Registry) -> dict[str, Any]:
    """The variables that deliver images to the registry."""
    return {
        "egress_registry": f"{registry.host}/avi",
        "egress_registry_username": PUSHER,
        "egress_registry_password": PUSHER_PASSWORD,
        "egress_registry_ca": str(registry.ca),
    }


def site(delivery: dict[str, Any], **variables: Any) -> dict[str, Any]:
    own = {"egress_wait": False, "egress_image_source": "build", "egress_projects": [PROJECT]}
    own["egress_placement"] = "project"  # where the projects need what the images are pulled with
    return {**own, **delivery, **variables}


def play(ansible: Ansible, name: str, *arguments: str, variables: dict[str, Any], **environment: str) -> Run:
    return ansible.playbook(f"avi.egress.{name}", "-e", json.dumps(variables), *arguments, environment=environment)


def told(run: Run) -> dict[str, str]:
    """The images that a run says it has delivered."""
    images: dict[str, str] = run.result("Tell the images")["msg"]
    return images


def version() -> str:
    found: dict[str, str] = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text())
    return found["version"]


def writes(registry: Registry) -> int:
    return sum(request.writes for request in registry.requests())


def test_check_mode_tells_what_it_would_push_and_pushes_nothing(
    ansible: Ansible, registry: Registry, delivery: dict[str, Any]
) -> None:
    run = play(ansible, "images", "--check", variables=delivery)

    assert (run.failure, run.stats["changed"]) == ("", 1)
    for name in NAMES:
        assert re.fullmatch(rf"{registry.host}/avi/{name}:[0-9a-f]{{12}}", told(run)[name])
    assert writes(registry) == 0


def test_both_images_are_pushed_and_named_by_the_digests_that_the_registry_has(
    ansible: Ansible, registry: Registry, delivery: dict[str, Any]
) -> None:
    run = play(ansible, "images", variables=delivery)

    assert (run.failure, run.stats["changed"]) == ("", 1)
    pushed = {
        request.path for request in registry.requests() if request.method == "PUT" and "/manifests/" in request.path
    }
    assert len(pushed) == len(NAMES)
    for name in NAMES:
        digest = told(run)[name].removeprefix(f"{registry.host}/avi/{name}@sha256:")
        assert registry.has(f"avi/{name}", digest)
    assert PUSHER_PASSWORD not in json.dumps(run.tasks)


def test_the_routers_image_has_less_than_120_megabytes() -> None:
    """Its layers as they are unpacked, which every node with an egress pod has to pull."""
    assert build_all()["avi-egress-router"].archive.stat().st_size < 120_000_000


@pytest.mark.parametrize("arguments", [(), ("--check",)])
def test_an_unchanged_source_pushes_nothing(
    ansible: Ansible, registry: Registry, delivery: dict[str, Any], arguments: tuple[str, ...]
) -> None:
    before = len(registry.requests())

    run = play(ansible, "images", *arguments, variables=delivery)

    asked = registry.requests()[before:]
    assert (run.failure, run.stats["changed"]) == ("", 0)
    assert asked
    assert not [request for request in asked if request.writes]
    assert not [request for request in asked if "/blobs/uploads" in request.path]
    assert all("@sha256:" in image for image in told(run).values())


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (
            {"egress_registry_password": "wrong"},
            "the login of pusher is refused; mend egress_registry_username or egress_registry_password",
        ),
        (
            {"egress_registry_username": "", "egress_registry_password": ""},
            "it asks for a login; give egress_registry_username and egress_registry_password",
        ),
        (
            {"egress_registry_ca": ""},
            "its certificate is not trusted here; name its authority's file in egress_registry_ca",
        ),
        ({"egress_registry": "127.0.0.1:1/avi"}, "it does not answer; mend the host or port, or the way there"),
    ],
)
def test_what_stands_in_the_way_is_one_sentence(
    ansible: Ansible, registry: Registry, delivery: dict[str, Any], wrong: dict[str, str], sentence: str
) -> None:
    before = writes(registry)
    variables = {**delivery, **wrong}

    run = play(ansible, "images", variables=variables)

    assert run.failure.startswith(f"egress_registry {variables['egress_registry']}: {sentence} (")
    assert "\n" not in run.failure
    assert (run.stats["failures"], run.stats["changed"]) == (1, 0)
    assert writes(registry) == before


def test_an_installed_collection_has_all_that_the_images_are_made_of(
    ansible: Ansible, registry: Registry, delivery: dict[str, Any], tmp_path: Path
) -> None:
    galaxy = str(Path(sys.executable).with_name("ansible-galaxy"))
    for arguments in (
        ["build", str(CHECKOUT), "--output-path", str(tmp_path)],
        ["install", str(tmp_path / f"avi-egress-{version()}.tar.gz"), "-p", str(tmp_path), "--no-deps", "--offline"],
    ):
        subprocess.run([galaxy, "collection", *arguments], check=True, capture_output=True, timeout=120)

    run = play(ansible, "images", variables=delivery, ANSIBLE_COLLECTIONS_PATH=str(tmp_path))

    assert (run.failure, run.stats["changed"]) == ("", 0)


def test_the_site_runs_what_was_pushed_with_a_login_that_may_pull(
    ansible: Ansible, cluster: KubeClient, registry: Registry, delivery: dict[str, Any]
) -> None:
    variables = site(delivery, egress_registry_pull_username=PULLER, egress_registry_pull_password=PULLER_PASSWORD)
    foreseen = play(ansible, "site", "--check", "--diff", variables=variables)
    run = play(ansible, "site", variables=variables)

    assert foreseen.failure == ""
    assert run.failure == ""
    pod = _of(cluster.get(DEPLOYMENT, "avi-egress-controller", "avi-egress"))["spec"]["template"]["spec"]
    cloud = _of(cluster.get(EGRESS_CLOUD, "default"))
    images = told(run)
    assert pod["containers"][0]["image"] == images["avi-egress-controller"]
    assert cloud["spec"]["routerImage"] == images["avi-egress-router"]
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    login = base64.b64encode(f"{PULLER}:{PULLER_PASSWORD}".encode()).decode()
    for name, namespace in (("registry", "avi-egress"), ("avi-egress-registry", PROJECT)):
        secret = _of(cluster.get(SECRET, name, namespace))
        assert secret["type"] == "kubernetes.io/dockerconfigjson"
        configuration = json.loads(base64.b64decode(secret["data"][".dockerconfigjson"]))
        assert configuration == {"auths": {registry.host: {"auth": login}}}
    assert _pull_secrets(cluster) == ["avi-egress-registry"]
    printed = json.dumps(run.tasks) + json.dumps(foreseen.tasks)
    assert not [secret for secret in (PULLER_PASSWORD, PUSHER_PASSWORD, login) if secret in printed]


def test_a_second_run_changes_nothing(ansible: Ansible, registry: Registry, delivery: dict[str, Any]) -> None:
    before = writes(registry)
    variables = site(delivery, egress_registry_pull_username=PULLER, egress_registry_pull_password=PULLER_PASSWORD)

    run = play(ansible, "site", variables=variables)

    assert (run.failure, run.stats["changed"]) == ("", 0)
    assert writes(registry) == before


def test_onboarding_alone_needs_no_password(ansible: Ansible, cluster: KubeClient) -> None:
    run = play(ansible, "onboard_project", variables={"egress_projects": ["blue"]})

    assert run.failure == ""
    assert cluster.get(SECRET, "avi-egress-registry", "blue")
    assert _pull_secrets(cluster, "blue") == ["avi-egress-registry"]


def test_a_login_that_is_taken_back_is_taken_from_the_projects_too(
    ansible: Ansible, cluster: KubeClient, delivery: dict[str, Any]
) -> None:
    account = _account(cluster)
    cluster.patch(
        SERVICE_ACCOUNT,
        account["metadata"]["name"],
        {"imagePullSecrets": [{"name": FOREIGN}, *account["imagePullSecrets"]]},
        PROJECT,
    )

    run = play(ansible, "site", variables=site(delivery))
    again = play(ansible, "onboard_project", variables={"egress_projects": [PROJECT]})

    assert run.failure == ""
    assert cluster.get(SECRET, "registry", "avi-egress") is None
    assert cluster.get(SECRET, "avi-egress-registry", PROJECT) is None
    assert _pull_secrets(cluster) == [FOREIGN]
    assert again.stats["changed"] == 0


def test_a_secret_that_the_role_has_not_made_stays_as_it_is(
    ansible: Ansible, cluster: KubeClient, delivery: dict[str, Any]
) -> None:
    """An administrator's own, by chance of that name, as ``egress_image_pull_secrets`` may name it."""
    theirs = {"metadata": {"name": "registry", "namespace": "avi-egress"}, "stringData": {"whose": "theirs"}}
    before = cluster.create(SECRET, {"apiVersion": "v1", "kind": "Secret", **theirs})
    login = {"egress_registry_pull_username": PULLER, "egress_registry_pull_password": PULLER_PASSWORD}

    without = play(ansible, "site", "--tags", "controller", variables=site(delivery))
    run = play(ansible, "site", "--tags", "controller", variables=site(delivery, **login))

    assert without.failure == ""
    assert run.failure.startswith("egress_registry_pull_username is to become Secret avi-egress/registry, and there is")
    assert cluster.get(SECRET, "registry", "avi-egress") == before
    cluster.delete_named(SECRET, "registry", "avi-egress")


def test_a_pull_secret_that_is_none_is_told(ansible: Ansible, cluster: KubeClient) -> None:
    patch = {"spec": {"template": {"spec": {"imagePullSecrets": [{"name": "nobodys"}]}}}}
    cluster.patch(DEPLOYMENT, "avi-egress-controller", patch, "avi-egress")

    run = play(ansible, "onboard_project", variables={"egress_projects": [PROJECT]})

    assert run.failure == (
        "egress_image_pull_secrets names nobodys, but namespace avi-egress has no such Secret of type "
        "kubernetes.io/dockerconfigjson; create it, or leave it out"
    )


def test_offboarding_takes_the_pull_secret_away(ansible: Ansible, cluster: KubeClient) -> None:
    run = play(ansible, "offboard_project", variables={"egress_projects": ["blue"]})

    assert run.failure == ""
    assert cluster.get(SECRET, "avi-egress-registry", "blue") is None


class TestOpenShift:
    """Its registry is the loopback one here, and its configuration is served by a definition of ours."""

    def test_a_cluster_that_is_none_is_told(self, ansible: Ansible) -> None:
        run = play(ansible, "images", variables={"egress_image_source": "openshift"})

        assert run.failure == (
            "egress_image_source is openshift, but this cluster has no images.config.openshift.io/cluster, which "
            "OpenShift alone has; set it to build"
        )

    def test_a_registry_that_is_not_exposed_is_told(self, ansible: Ansible, cluster: KubeClient) -> None:
        cluster.create(CUSTOM_RESOURCE_DEFINITION, _image_configuration_kind())
        wait_for("OpenShift's kind to be served", lambda: cluster.serves(IMAGE_CONFIG))
        cluster.create(
            IMAGE_CONFIG,
            {
                "apiVersion": IMAGE_CONFIG.api_version,
                "kind": IMAGE_CONFIG.kind,
                "metadata": {"name": "cluster"},
                "status": {"internalRegistryHostname": INTERNAL},
            },
        )

        run = play(ansible, "images", variables={"egress_image_source": "openshift"})

        assert "its image registry is not exposed" in run.failure
        assert "set defaultRoute of configs.imageregistry.operator.openshift.io/cluster to true" in run.failure

    def test_a_missing_token_is_told(self, ansible: Ansible, cluster: KubeClient, registry: Registry) -> None:
        cluster.patch(IMAGE_CONFIG, "cluster", {"status": {"externalRegistryHostnames": [registry.host]}})

        run = play(ansible, "images", variables={"egress_image_source": "openshift"})

        assert "set egress_registry_password to one (oc whoami -t), or K8S_AUTH_API_KEY" in run.failure

    def test_the_connections_token_is_the_password(self, ansible: Ansible, registry: Registry) -> None:
        variables = {"egress_image_source": "openshift", "egress_registry_ca": str(registry.ca)}

        run = play(ansible, "images", "--check", variables=variables, K8S_AUTH_API_KEY=ADMIN_TOKEN)

        # No user of this registry: that it was tried is all that can be seen here.
        assert "the login of openshift is refused" in run.failure

    def test_images_are_pushed_by_the_route_and_pulled_by_the_service(
        self, ansible: Ansible, cluster: KubeClient, registry: Registry, delivery: dict[str, Any]
    ) -> None:
        login = {key: value for key, value in delivery.items() if key != "egress_registry"}
        variables = {"egress_image_source": "openshift", **login}

        foreseen = play(ansible, "images", "--check", variables=variables)
        runs = [play(ansible, "images", variables=variables) for _run in range(2)]

        assert [run.failure for run in (foreseen, *runs)] == ["", "", ""]
        assert [run.stats["changed"] for run in (foreseen, *runs)] == [2, 2, 0]
        for name in NAMES:
            place, digest = told(runs[0])[name].split("@sha256:")
            assert place == f"{INTERNAL}/avi-egress/{name}"
            assert registry.has(f"avi-egress/{name}", digest)
        binding = _of(cluster.get(ROLE_BINDING, "avi-egress-image-puller", "avi-egress"))
        assert binding["roleRef"]["name"] == "system:image-puller"
        assert [subject["name"] for subject in binding["subjects"]] == ["system:serviceaccounts"]


def _image_configuration_kind() -> KubeObject:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": IMAGE_CONFIG.version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"images.{IMAGE_CONFIG.group}"},
        "spec": {
            "group": IMAGE_CONFIG.group,
            "scope": "Cluster",
            "names": {"kind": IMAGE_CONFIG.kind, "plural": "images"},
            "versions": [version],
        },
    }


def _of(found: KubeObject | None) -> KubeObject:
    assert found is not None
    return found


def _account(cluster: KubeClient, project: str = PROJECT) -> KubeObject:
    (account,) = cluster.list(SERVICE_ACCOUNT, project, labels="egress.avi.dev/cloud")
    return account


def _pull_secrets(cluster: KubeClient, project: str = PROJECT) -> list[str]:
    return [item["name"] for item in _account(cluster, project).get("imagePullSecrets") or ()]
