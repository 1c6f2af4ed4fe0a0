# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The words of ``kubectl get`` that the tests know."""

from __future__ import annotations

import pytest

from tests.support.query import Query


@pytest.mark.parametrize(
    ("words", "query"),
    [
        ("get nodes", Query(("nodes",))),
        ("get service mine -n green", Query(("service",), "mine", "green")),
        ("-n green get service mine", Query(("service",), "mine", "green")),
        ("-n green get deployment/mine", Query(("deployment",), "mine", "green")),
        ("-n green get pods,services", Query(("pods", "services"), namespace="green")),
        ("-n green get pods -l a/b=c,d=e", Query(("pods",), namespace="green", selector="a/b=c,d=e")),
        ("get pods -A --field-selector=a.b=c", Query(("pods",), all_namespaces=True, field_selector="a.b=c")),
        ("get pods -A --field-selector a.b=c", Query(("pods",), all_namespaces=True, field_selector="a.b=c")),
    ],
)
def test_words_ask_for_what_they_ask_kubectl_for(words: str, query: Query) -> None:
    assert Query.of(words.split()) == query


@pytest.mark.parametrize("words", ["delete pod mine", "get pods --as=somebody", "get pod one other", "get pods -w"])
def test_words_that_are_not_known_here_are_refused(words: str) -> None:
    with pytest.raises(ValueError, match="not known here"):
        Query.of(words.split())
