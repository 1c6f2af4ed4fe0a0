# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The names of services in Corefiles as clusters have them, and in some that nobody should have."""

from __future__ import annotations

import re

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.errors import InvalidInput
from ansible_collections.avi.egress.plugins.plugin_utils.corefile import BEGIN, END, InvalidCorefile, with_names
from hypothesis import given
from hypothesis import strategies as st

RULE = r"    rewrite stop name regex ^([^.]+)\.([^.]+)\.sub-domain\.$ {1}.{2}.svc.cluster.local answer auto"
KUBEADM = """\
.:53 {
    errors
    health {
       lameduck 5s
    }
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       ttl 30
    }
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30
    reload
}
"""
BEFORE_IT = """\
# .:53 {
(snippet) {
    errors
}
example.org:53 {
    template IN A {
        answer "{{ .Name }} 60 IN A 10.0.0.1 } .:53 {"
    }
}
"""
OPENINGS = (
    ".:53 {\n",
    "\t.:53  {  \n",
    ". {\n",
    "example.org:53, .:53 {\n",
    "example.org:53,\n.:53 {\n",
    "dns://.:53 {\n",
    ".:53 { # everything else {\n",
    ".:53 {\r\n",
)


def named(corefile: str, sub_domain: str = "sub-domain", cluster_domain: str = "cluster.local") -> str:
    return with_names(corefile, sub_domain, cluster_domain)


def test_the_block_is_the_first_in_the_server_block_of_everything() -> None:
    expected = KUBEADM.replace(".:53 {\n", f".:53 {{\n    {BEGIN}\n{RULE}\n    {END}\n")

    assert named(KUBEADM) == expected


@pytest.mark.parametrize("before", ["", BEFORE_IT])
@pytest.mark.parametrize("opening", OPENINGS)
def test_every_opening_is_found_and_everything_else_kept(before: str, opening: str) -> None:
    corefile = f"{before}{opening}    errors\n}}  \n\n# the end, without a newline"

    added = named(corefile)

    assert added.startswith(f"{before}{opening}    # BEGIN avi.egress")
    assert len(added) > len(corefile)
    assert with_names(added, "", "cluster.local") == corefile
    assert (f"{END}\r\n" in added) == ("\r\n" in opening)


def test_a_second_time_changes_nothing_and_another_domain_replaces_the_first() -> None:
    once = named(KUBEADM)

    assert named(once) == once
    assert named(once, "other.example") == named(KUBEADM, "other.example")
    assert with_names(KUBEADM, "", "cluster.local") == KUBEADM


@given(st.text(alphabet='abc {}\n\r\t#"\\.:53,é'))
def test_whatever_stands_in_the_file_comes_back_to_the_byte(text: str) -> None:
    for corefile in (text, f".:53 {{\n{text}"):
        try:
            added = named(corefile)
        except InvalidCorefile:
            continue
        assert with_names(added, "", "cluster.local") == corefile
        assert named(added) == added


@pytest.mark.parametrize("given_as", ["Apps.Example", "apps.example."])
def test_case_and_a_final_dot_make_no_difference(given_as: str) -> None:
    assert named(KUBEADM, given_as) == named(KUBEADM, "apps.example")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("secure-egress-service.default.apps.example.", "secure-egress-service.default.svc.cluster.local"),
        ("default.apps.example.", None),
        ("a.b.c.apps.example.", None),
        ("a.b.appsXexample.", None),
        ("a.b.apps.example.green.svc.cluster.local.", None),
    ],
)
def test_the_pattern_takes_a_service_and_a_project_and_nothing_else(name: str, expected: str | None) -> None:
    rule = next(line.split() for line in named(KUBEADM, "apps.example").splitlines() if "rewrite" in line)
    pattern, replacement = rule[4:6]
    found = re.search(pattern, name)

    assert (replacement.format("", *found.groups()) if found else None) == expected


@pytest.mark.parametrize(
    "domain",
    ["-a", "a-", "a..b", "a b", "a/b", "*.a", ".", "a.b\n", "a_b", "ä.example", "a" * 64, ".".join(["abc"] * 32)],
)
def test_what_is_no_domain_is_refused(domain: str) -> None:
    with pytest.raises(InvalidInput, match=r"^role egress: egress_sub_domain is .*; give a DNS domain such as"):
        named(KUBEADM, domain)
    with pytest.raises(InvalidInput, match="egress_cluster_domain is"):
        named(KUBEADM, "apps.example", domain)


@pytest.mark.parametrize("domain", ["cluster.local", "svc.Cluster.local."])
def test_the_clusters_own_domain_is_refused(domain: str) -> None:
    with pytest.raises(InvalidInput, match=r"give a domain outside the cluster's own, cluster\.local"):
        named(KUBEADM, domain)


ON_ONE_LINE = ".:53 { errors\n    health {\n    }\n}\nexample.org {\n}\n"


@pytest.mark.parametrize(
    "corefile", [ON_ONE_LINE, "", "example.org:53 {\n}\n", ".:5353 {\n}\n", "# .:53 {\n", ".:53 { errors\n}\n"]
)
def test_a_corefile_without_the_server_block_is_refused(corefile: str) -> None:
    with pytest.raises(InvalidCorefile, match=r"no line opens the server block '\.:53'"):
        named(corefile)
    assert with_names(corefile, "", "cluster.local") == corefile


@pytest.mark.parametrize("lost", [BEGIN, END])
def test_half_of_the_marks_is_told_and_nothing_guessed(lost: str) -> None:
    broken = named(KUBEADM).replace(f"    {lost}\n", "")

    with pytest.raises(InvalidCorefile, match="has lost its partner"):
        named(broken)
