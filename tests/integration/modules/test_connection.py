# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""How modules reach an API server, and as whom."""

from __future__ import annotations

import yaml
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient

from tests.support.ansible_run import Ansible
from tests.support.api_server import ADMIN_TOKEN, TENANT, TENANT_TOKEN, ApiServer
from tests.support.http_proxy import HttpProxy
from tests.support.module_tasks import (
    account,
    changed,
    leases_info,
)


def test_a_token_is_enough_and_bad_ones_are_told(ansible: Ansible, api: ApiServer, project: str, cloud: str) -> None:
    by_token = {"uuid": cloud, "host": api.host, "api_key": "admin-token", "validate_certs": False}
    results = ansible.tasks(
        account(project, **by_token),
        account(project, **{**by_token, "api_key": "wrong"}),
        account(project, **{**by_token, "validate_certs": True}),
        account(project, **{**by_token, "host": "https://127.0.0.1:1"}),
        account(project, kubeconfig="/no/such/file"),
        account(project, **{**by_token, "api_key": TENANT_TOKEN}),
    )

    assert changed(results[:1]) == [True]
    told = [item["msg"] for item in results[1:]]
    assert told[0] == "the API server does not know these credentials; the token may have expired"
    assert "cannot be reached" in told[1]
    assert "certificate" in told[1].lower()
    assert told[2].startswith("the API server at https://127.0.0.1:1 cannot be reached: ")
    assert told[3] == "kubeconfig is '/no/such/file'; there is no such file"
    assert told[4].startswith("permission is missing: ")
    assert f'User "{TENANT}" cannot get resource "serviceaccounts"' in told[4]
    assert all("\n" not in message for message in told)


def test_module_defaults_and_environment(ansible: Ansible, api: ApiServer, project: str, cloud: str) -> None:
    credentials = {"host": api.host, "api_key": "admin-token", "validate_certs": False}
    variables = {
        "K8S_AUTH_KUBECONFIG": "",
        "K8S_AUTH_HOST": api.host,
        "K8S_AUTH_API_KEY": "admin-token",
        "K8S_AUTH_VERIFY_SSL": "false",
    }
    task = account(project, uuid=cloud)

    assert changed(ansible.tasks(task, defaults=credentials, environment={"K8S_AUTH_KUBECONFIG": ""}))
    assert changed(ansible.tasks(task, environment=variables)) == [False]


def test_a_client_certificate_and_the_servers_authority(ansible: Ansible, api: ApiServer, cluster: KubeClient) -> None:
    files = {"client_cert": str(api.client_cert), "client_key": str(api.client_key), "ca_cert": str(api.ca_cert)}
    variables = {
        "K8S_AUTH_KUBECONFIG": "",
        "K8S_AUTH_HOST": f"{api.host}/",
        "K8S_AUTH_CERT_FILE": str(api.client_cert),
        "K8S_AUTH_CLIENT_KEY": str(api.client_key),
        "K8S_AUTH_SSL_CA_CERT": str(api.ca_cert),
        "K8S_AUTH_VERIFY_SSL": "true",
    }

    assert changed(ansible.tasks(leases_info(host=api.host, validate_certs=True, **files))) == [False]
    assert changed(ansible.tasks(leases_info(), environment=variables)) == [False]


def test_a_kubeconfig_may_be_a_dictionary_whose_secrets_are_not_shown(
    ansible: Ansible, api: ApiServer, cluster: KubeClient
) -> None:
    given = yaml.safe_load(api.kubeconfig.read_text())
    given["users"][0]["user"]["token"] = "{{ secret }}"

    here, other = ansible.tasks(
        leases_info(kubeconfig=given),
        leases_info(kubeconfig=given, context="other"),
        variables={"secret": ADMIN_TOKEN},
        environment={"K8S_AUTH_KUBECONFIG": "/no/such/file"},
    )

    assert changed([here]) == [False]
    shown = here["invocation"]["module_args"]["kubeconfig"]
    assert ADMIN_TOKEN not in str(here)
    assert shown == {**given, "users": [{"name": "admin", "user": {"token": shown["users"][0]["user"]["token"]}}]}
    assert other["msg"] == "context is 'other'; the kubeconfig has no such context"


def test_requests_may_be_made_as_somebody_else(ansible: Ansible, cluster: KubeClient) -> None:
    variables = {"K8S_AUTH_IMPERSONATE_USER": TENANT, "K8S_AUTH_IMPERSONATE_GROUPS": "some,system:masters"}

    alone, grouped = ansible.tasks(
        leases_info(impersonate_user=TENANT),
        leases_info(impersonate_user=TENANT, impersonate_groups=["some", "system:masters"]),
    )

    assert f'User "{TENANT}" cannot list resource' in alone["msg"]
    assert changed([grouped, *ansible.tasks(leases_info(), environment=variables)]) == [False, False]


def test_a_proxy_is_used_as_it_wishes_but_for_what_is_excepted(ansible: Ansible, cluster: KubeClient) -> None:
    with HttpProxy() as proxy:
        by_option = ansible.tasks(
            leases_info(proxy=proxy.url, proxy_headers={"proxy_basic_auth": "user:pass", "user_agent": "foo/1.0"}),
            leases_info(proxy=proxy.url, no_proxy="localhost,127.0.0.1"),
        )
        variables = {"K8S_AUTH_PROXY": proxy.url, "K8S_AUTH_PROXY_HEADERS_PROXY_BASIC_AUTH": "user:other"}
        by_variable = ansible.tasks(leases_info(), environment=variables)

    assert changed([*by_option, *by_variable]) == [False] * 3
    told = [{key.lower(): value for key, value in headers.items()} for headers in proxy.asked]
    assert [item["proxy-authorization"] for item in told] == ["Basic dXNlcjpwYXNz", "Basic dXNlcjpvdGhlcg=="]
    assert told[0]["user-agent"] == "foo/1.0"
    assert "pass" not in str(by_option[0]["invocation"]["module_args"]["proxy_headers"])
