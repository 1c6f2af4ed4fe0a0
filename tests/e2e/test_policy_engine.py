# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A policy engine that refuses egress pods: its own words reach whoever asks, and the pods come when it lets them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from images.build import Image
from tests.support.ansible_run import Ansible
from tests.support.client import client_pod
from tests.support.module_tasks import service_item, services
from tests.support.outside import DemoError, Outside
from tests.support.project import Project
from tests.support.waiting import wait_for

WORDS = 'pods here need the label "cost-centre", ask the platform team (POL-17)'
ONE, PAIR, TRIAL = "refused-one", "refused-pair", "trial"
LONGER_THAN_A_REFUSAL_TAKES = 120


@contextmanager
def policy_engine(project: Project, trial_image: str) -> Iterator[None]:
    """Plays Kyverno or Gatekeeper: from when it is enforced until the end, egress pods of the test can't be made."""
    run, name = project.kubectl.run, f"engine-{project.name}"
    egress_pods = [f"{service}-avi-egress-pod" for service in (ONE, PAIR)]
    pods = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    constraints = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": project.name}},
        "objectSelector": {"matchExpressions": [{"key": "name", "operator": "In", "values": [*egress_pods, TRIAL]}]},
        "resourceRules": [pods],
    }
    policy = {"matchConstraints": constraints, "validations": [{"expression": "false", "message": WORDS}]}
    binding = {"policyName": name, "validationActions": ["Deny"]}
    head = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": name}}
    trial = client_pod(project.name, trial_image, name=TRIAL)
    trial["metadata"]["labels"] = {"name": TRIAL}

    def is_enforced() -> bool:
        try:
            run("create", "--dry-run=server", "-f", "-", stdin=json.dumps(trial))
        except DemoError as error:
            return WORDS in str(error)
        return False

    project.kubectl.apply(
        {**head, "kind": "ValidatingAdmissionPolicy", "spec": policy},
        {**head, "kind": "ValidatingAdmissionPolicyBinding", "spec": binding},
    )
    try:
        wait_for("the policy to be enforced", is_enforced)
        yield
    finally:
        run("delete", f"validatingadmissionpolicybinding/{name}", f"validatingadmissionpolicy/{name}")


def test_a_policy_engines_words_end_the_wait_and_its_end_lets_pods_come(
    green: Project, product: Path, images: dict[str, Image], outside: Outside, tmp_path: Path
) -> None:
    ansible = Ansible(tmp_path, product)
    with policy_engine(green, images["avi-egress-controller"].name):
        items = [service_item(green.name, name, destination_ip=outside.destination) for name in (ONE, PAIR)]
        items[1]["ha"] = True
        (told,) = ansible.tasks(services(*items, wait=True, wait_timeout=LONGER_THAN_A_REFUSAL_TAKES))
        assert told["reason"] == "PodRefused", told
        assert told["msg"].count(WORDS) == 2

        report = ansible.playbook("avi.egress.audit").result("Compare them")["ansible_facts"]["egress_audit_report"]
        findings = {item["subject"]: item for item in report["findings"]}
        for name in (ONE, PAIR):
            words = green.condition(name)["message"]
            assert WORDS in words
            found = {"kind": "PodRefused", "subject": f"Service {green.name}/{name}", "message": words}
            assert findings[found["subject"]] == found

    for name in (ONE, PAIR):
        green.wait_ready(name)
        green.delete(name)
