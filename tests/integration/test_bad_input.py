# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What a user may get wrong: each is told in one sentence by every module that it concerns, and changes nothing."""

from __future__ import annotations

import base64
import json
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    CUSTOM_RESOURCE_DEFINITION,
    EGRESS_ADDRESS,
    EGRESS_LEASE,
    EGRESS_NETWORK,
    NAMESPACE,
    SERVICE,
    SERVICE_ACCOUNT,
)
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.support.ansible_run import Ansible
from tests.support.api_server import ADMIN_TOKEN, TENANT, TENANT_TOKEN, ApiServer
from tests.support.definitions import CRDS, define
from tests.support.waiting import wait_for

UUID = "bfff9603-1ffd-4bcc-aef6-118268e5f2b5"
NOT_INSTALLED = r"the cluster has no Egress\w+: avi\.egress is not installed there, or not whole; run avi\.egress\.site"

Task = dict[str, Any]
Options = dict[str, Any]

RECORD = {
    "network": "dmz",
    "namespace": "green",
    "service": "x",
    "address": "10.70.112.5",
    "phase": "Bound",
    "bound_at": "2026-11-20T06:31:00Z",
}
SERVICE_OPTIONS = {"name": "x", "namespace": "green", "destination_ip": "10.10.10.200", "ports": [{"port": 80}]}
GOOD: dict[str, Options] = {
    "avi_egress_service": {**SERVICE_OPTIONS, "wait": False},
    "avi_egress_service_info": {},
    "avi_ipam_lease": {"network": "dmz", "namespace": "green", "service": "x"},
    "avi_ipam_lease_import": {"leases": [RECORD]},
    "avi_ipam_lease_info": {},
    "avi_scc_account": {"cloud": "default", "projects": ["green"]},
    "avi_scc_account_info": {},
}
"""Options that would do, of every module."""


@dataclass(frozen=True)
class Case:
    """Something wrong, and what is said of it, as a regular expression for the whole sentence."""

    options: Callable[[ApiServer], Options]
    sentence: str


def _credentials(api: ApiServer, **changed: Any) -> Options:
    return {"host": api.host, "api_key": ADMIN_TOKEN, "validate_certs": False, **changed}


OF_ALL = {
    "an unknown option": Case(
        lambda _api: {"nonsense": 1},
        r"Unsupported parameters for \(avi\.egress\.\w+\) module: nonsense\. Supported parameters include: .*",
    ),
    "a wrong type": Case(
        lambda _api: {"validate_certs": "perhaps"},
        "argument 'validate_certs' is of type str and we were unable to convert to bool: .*",
    ),
    "an expired token": Case(
        lambda api: _credentials(api, api_key=_expired_token(api)),
        "the API server does not know these credentials; the token may have expired",
    ),
    "a server that does not listen": Case(
        lambda api: _credentials(api, host="https://127.0.0.1:1"),
        r"the API server at https://127\.0\.0\.1:1 cannot be reached: Connection refused",
    ),
    "a server without an address": Case(
        lambda api: _credentials(api, host="https://no-such-host.invalid:6443"),
        r"the API server at https://no-such-host\.invalid:6443 cannot be reached: "
        "(Name or service not known|Temporary failure in name resolution|No address associated with hostname)",
    ),
    "a server of an unknown authority": Case(
        lambda api: _credentials(api, validate_certs=True),
        r"the API server at \S+ cannot be reached: its certificate is not valid here: .*certificate.*",
    ),
    "a proxy that does not listen": Case(
        lambda api: _credentials(api, proxy="http://127.0.0.1:1"),
        r"the API server at \S+ cannot be reached through the proxy: Connection refused",
    ),
    "a host that is no URL": Case(
        lambda api: _credentials(api, host="api.example"),
        r"host is 'api\.example'; give a URL, such as https://api\.example:6443",
    ),
    "a kubeconfig that is not there": Case(
        lambda _api: {"kubeconfig": "/no/such/file"}, "kubeconfig is '/no/such/file'; there is no such file"
    ),
    "a kubeconfig that is a folder": Case(
        lambda _api: {"kubeconfig": "/etc"}, "kubeconfig is '/etc'; that is a folder; give the file"
    ),
    "a kubeconfig that is empty": Case(
        lambda api: {"kubeconfig": f"{_empty(api)}"}, r"kubeconfig is '\S+/empty'; that file is empty"
    ),
    "a kubeconfig that is none": Case(
        lambda _api: {"kubeconfig": "/etc/hostname"},
        "kubeconfig is '/etc/hostname'; it cannot be read as a kubeconfig",
    ),
    "a context that is not there": Case(
        lambda api: {"kubeconfig": str(api.kubeconfig), "context": "other"},
        r"context is 'other'; '\S+/kubeconfig' has no such context",
    ),
    "a certificate that is not there": Case(
        lambda api: _credentials(api, client_cert="/no/cert", client_key="/no/key"),
        "client_cert is '/no/cert'; there is no such file",
    ),
    "an authority that is a folder": Case(
        lambda api: _credentials(api, ca_cert="/etc"), "ca_cert is '/etc'; that is a folder; give the file"
    ),
    "groups without a user": Case(
        lambda api: _credentials(api, impersonate_groups=["a", "b"]),
        "impersonate_groups is 'a, b'; give impersonate_user too",
    ),
    "too few rights": Case(
        lambda api: _credentials(api, api_key=TENANT_TOKEN),
        rf'permission is missing: \S+( "\S+")? is forbidden: User "{TENANT}" cannot (get|list) resource "\w+" in API '
        r'group "\S*" (at the cluster scope|in the namespace "green")',
    ),
}
"""What is wrong whatever the module is for."""

OF_ONE: list[tuple[str, Options, str]] = [
    (
        "avi_egress_service",
        {"destinations": {"a.example": {"8080": 80}}},
        r"parameters are mutually exclusive: destination_ip\|destinations",
    ),
    (
        "avi_egress_service",
        {"ha": True, "source_ip": ["10.70.112.5"]},
        r"Service green/x: egress_pod\.source_ip is '10\.70\.112\.5'; give 2 address\(es\), for ha is true",
    ),
    (
        "avi_egress_service",
        {"source_ip": ["10.9.9.9"]},
        r"Service green/x: egress_pod\.source_ip is 10\.9\.9\.9; 10\.9\.9\.9 is none of the leasable addresses of "
        "EgressNetwork dmz, lab; have one acquired by avi_ipam_lease or reserved in .* first, or remove the key",
    ),
    (
        "avi_egress_service",
        {"source_ip": ["10.9.9.9"], "network": "dmz"},
        r"Service .*; 10\.9\.9\.9 is none of the leasable addresses of EgressNetwork dmz; have one acquired by .*",
    ),
    (
        "avi_egress_service",
        {"source_ip": ["10.70.112.9"]},
        "Service green/x: .*; no lease of this service holds that, and no EgressNetwork reserves it for its .*",
    ),
    (
        "avi_egress_service",
        {"source_ip": ["10.70.112.5"], "network": "lab"},
        r"Service green/x: .*; 10\.70\.112\.5 is none of the leasable addresses of EgressNetwork lab; have one .*",
    ),
    (
        "avi_egress_service",
        {"network": "lan"},
        "Service green/x: egress_pod.network names EgressNetwork 'lan', and there is none",
    ),
    (
        "avi_egress_service",
        {"ports": "80"},
        "Elements value for option 'ports' is of type str and we were unable to convert to dict: .*",
    ),
    ("avi_egress_service", {"labels": {"a": 1}}, r"Service green/x: labels\.a is 1; give a string, in quotes"),
    ("avi_egress_service", {"annotations": {"a": None}}, r"Service green/x: annotations\.a is None; give a string, .*"),
    ("avi_egress_service", {"namespace": ""}, "Service /x: namespace is ''; give the name of a project"),
    ("avi_egress_service", {"wait_timeout": -1}, "avi_egress_service: wait_timeout is -1; give seconds, 0 or more"),
    ("avi_egress_service", {"services": []}, r"parameters are mutually exclusive: services\|name, .*"),
    ("avi_egress_service", {"ports": [{"port": "http"}]}, "argument 'port' is of type str found in 'ports'.*"),
    (
        "avi_egress_service",
        {"type": "NodePort"},
        "value of type must be one of: ClusterIP, LoadBalancer, got: NodePort",
    ),
    ("avi_egress_service", {"namespace": "nowhere"}, "project nowhere does not exist; create the namespace first"),
    ("avi_egress_service_info", {"name": ""}, "avi_egress_service_info: name is ''; give a value, or leave it out .*"),
    (
        "avi_ipam_lease",
        {"address": "10.9.9.9"},
        r"EgressNetwork dmz: 10\.9\.9\.9 is none of its leasable addresses",
    ),
    (
        "avi_ipam_lease",
        {"address": "10.70.112.5", "ip_family": "IPv6"},
        r"EgressLease dmz\.green\.x\.0: ip_family is 'IPv6'; 10\.70\.112\.5 is of the other family; .*",
    ),
    ("avi_ipam_lease", {"network": ""}, r"EgressLease \.green\.x\.0: network is ''; give a name, which has no dots"),
    ("avi_ipam_lease", {"network": "lan"}, "EgressNetwork lan does not exist; there are: dmz, lab"),
    ("avi_ipam_lease", {"namespace": "nowhere"}, "project nowhere does not exist; create the namespace first"),
    ("avi_ipam_lease", {"leases": []}, r"parameters are mutually exclusive: leases\|network, .*"),
    (
        "avi_ipam_lease_import",
        {"leases": [{**RECORD, "address": "ten"}]},
        r"leases\[0\]: address is 'ten'; give an IPv4 or IPv6 address",
    ),
    (
        "avi_ipam_lease_import",
        {"leases": [RECORD, {**RECORD, "address": "10.9.9.9", "slot": 1}]},
        r"leases\[1\], dmz\.green\.x\.1: EgressNetwork dmz: 10\.9\.9\.9 is none of its leasable addresses",
    ),
    ("avi_ipam_lease_info", {"at": "noon"}, "avi_ipam_lease_info: at is 'noon'; give a moment with its zone, .*"),
    ("avi_ipam_lease_info", {"network": ""}, "avi_ipam_lease_info: network is ''; give a value, or leave it out .*"),
    ("avi_scc_account", {"uuid": UUID}, r"parameters are mutually exclusive: cloud\|uuid"),
    ("avi_scc_account", {"projects": ["green", ""]}, r"avi_scc_account: projects\[1\] is ''; give the name of a .*"),
    ("avi_scc_account", {}, r"EgressCloud default does not exist; there are none; run avi\.egress\.site"),
    ("avi_scc_account_info", {"cloud": ""}, "avi_scc_account_info: cloud is ''; give a value, or leave it out for all"),
    ("avi_scc_account_info", {"cloud": "x", "uuid": UUID}, r"parameters are mutually exclusive: cloud\|uuid"),
]
"""What can be wrong of one module's options."""


@pytest.fixture(scope="module")
def before_the_role(ansible: Ansible, api: ApiServer) -> list[Task]:
    """Of each module, when the cluster has the project and no custom resources."""
    _create(api.cluster(), "green")
    return ansible.tasks(*(_task(module, {}) for module in GOOD))


@pytest.fixture(scope="module")
def cluster(before_the_role: list[Task], api: ApiServer) -> KubeClient:
    """With the custom resources, a project and two networks, one of which has an address for it and one for others."""
    found = api.cluster()
    define(found, CRDS)
    reserved = [{"address": "10.70.112.5", "namespace": "green"}, {"address": "10.70.112.9", "namespace": "blue"}]
    for name, subnet, reservations in (("dmz", "10.70.112.0/24", reserved), ("lab", "10.70.113.0/24", [])):
        spec = {"subnets": [{"cidr": subnet}], "uplink": "eth1", "reservations": reservations}
        body = {"apiVersion": EGRESS_NETWORK.api_version, "kind": EGRESS_NETWORK.kind, "metadata": {"name": name}}
        found.create(EGRESS_NETWORK, {**body, "spec": spec})
    return found


@pytest.fixture(scope="module")
def told(ansible: Ansible, api: ApiServer, cluster: KubeClient) -> dict[tuple[str, str], Task]:
    """What every module says of what is wrong for all, by case and module."""
    keys = [(case, module) for case in OF_ALL for module in GOOD]
    results = ansible.tasks(*(_task(module, OF_ALL[case].options(api)) for case, module in keys))
    return dict(zip(keys, results, strict=True))


def test_without_the_custom_resources_each_module_tells_which_playbook_to_run(before_the_role: list[Task]) -> None:
    for module, result in zip(GOOD, before_the_role, strict=True):
        _assert_refused(module, result, NOT_INSTALLED)


@pytest.mark.parametrize("case", OF_ALL)
def test_every_module_says_it_in_one_sentence(told: dict[tuple[str, str], Task], case: str) -> None:
    for module in GOOD:
        _assert_refused(module, told[case, module], OF_ALL[case].sentence)


def test_each_module_says_it_in_one_sentence(ansible: Ansible, cluster: KubeClient) -> None:
    results = ansible.tasks(*(_task(module, options) for module, options, _sentence in OF_ONE))

    for (module, _options, sentence), result in zip(OF_ONE, results, strict=True):
        _assert_refused(module, result, sentence)


def test_a_process_of_its_own_says_the_same(
    ansible: Ansible, api: ApiServer, told: dict[tuple[str, str], Task], tmp_path: Path
) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    keys = list(
        zip([case for case in OF_ALL if case.startswith(("a server", "a proxy", "an exp", "too", "a kube"))], GOOD)
    )

    results = ansible.tasks(
        *(_task(module, OF_ALL[case].options(api)) for case, module in keys),
        variables={"ansible_python_interpreter": str(python)},
    )

    for key, result in zip(keys, results, strict=True):
        assert re.fullmatch(OF_ALL[key[0]].sentence, result["msg"]), result["msg"]
        assert result.get("reason") == told[key].get("reason")


def test_nothing_was_changed(told: dict[tuple[str, str], Task], cluster: KubeClient) -> None:
    accounts = [item for item in cluster.list(SERVICE_ACCOUNT) if item["metadata"]["name"].startswith("avivantage")]

    assert [item["metadata"]["name"] for item in cluster.list(SERVICE)] == ["kubernetes"]
    assert [*accounts, *cluster.list(EGRESS_LEASE), *cluster.list(EGRESS_ADDRESS)] == []


@pytest.mark.usefixtures("told")
def test_where_one_custom_resource_is_missing_that_one_is_told(ansible: Ansible, cluster: KubeClient) -> None:
    """As after half of an uninstallation. kubernetes.core goes on to know the kind, from the tasks before."""
    ansible.tasks({"avi.egress.k8s_info": {"api_version": EGRESS_LEASE.api_version, "kind": EGRESS_LEASE.kind}})
    cluster.delete_named(CUSTOM_RESOURCE_DEFINITION, f"{EGRESS_LEASE.plural}.{EGRESS_LEASE.group}")
    wait_for("the kind to be gone", lambda: not cluster.serves(EGRESS_LEASE))
    of_leases = ("avi_egress_service_info", "avi_ipam_lease", "avi_ipam_lease_import", "avi_ipam_lease_info")

    audit = ansible.playbook("avi.egress.audit")
    *results, looked_up = ansible.tasks(
        *(_task(module, {}) for module in of_leases),
        {"ansible.builtin.debug": {"msg": "{{ query('avi.egress.source_ips', 'green') }}"}},
    )

    (finding,) = audit.result("Compare them")["ansible_facts"]["egress_audit_report"]["findings"]
    assert audit.failure == ""
    assert finding["message"] == (
        "it is not installed whole: of its kinds only EgressCloud, EgressNetwork, EgressAddress are there; "
        "run avi.egress.site"
    )
    for module, result in zip(of_leases, results, strict=True):
        _assert_refused(module, result, NOT_INSTALLED.replace(r"Egress\w+", EGRESS_LEASE.kind))
    assert re.search(NOT_INSTALLED, looked_up["msg"]), looked_up["msg"]


def _task(module: str, options: Options) -> Task:
    return {f"avi.egress.{module}": {**GOOD[module], **options}}


def _assert_refused(module: str, result: Task, sentence: str) -> None:
    assert result.get("failed"), f"{module}: {result}"
    assert not result["changed"]
    assert re.fullmatch(sentence, result["msg"]), f"{module}: {result['msg']}"
    assert "module_stderr" not in result


def _create(cluster: KubeClient, project: str) -> None:
    cluster.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": project}})


def _empty(api: ApiServer) -> Path:
    path = api.kubeconfig.with_name("empty")
    path.touch()
    return path


def _expired_token(api: ApiServer) -> str:
    """A token of a ServiceAccount, signed by the API server's own key, whose time is over (RFC 7519)."""
    key = serialization.load_pem_private_key(api.accounts_key.read_bytes(), password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    issuer, now = "https://kubernetes.default.svc", int(time.time())
    claims = {"iss": issuer, "aud": [issuer], "sub": "system:serviceaccount:green:default"}
    body = {**claims, "iat": now - 7200, "nbf": now - 7200, "exp": now - 3600}
    signed = b".".join(_encoded(json.dumps(part).encode()) for part in ({"alg": "RS256", "typ": "JWT"}, body))
    return (signed + b"." + _encoded(key.sign(signed, padding.PKCS1v15(), hashes.SHA256()))).decode()


def _encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
