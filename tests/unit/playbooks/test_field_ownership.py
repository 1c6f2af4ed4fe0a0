# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Fields of one manager become another's, once."""

from __future__ import annotations

from typing import Any

from ansible_collections.avi.egress.plugins.plugin_utils.field_ownership import takeover
from ansible_collections.avi.egress.plugins.plugin_utils.given import given

US, FORMER = "avi.egress", "OpenAPI-Generator"


def entry(manager: str, operation: str, fields: dict[str, Any], **more: str) -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "apiVersion": "x/v1", "fieldsV1": fields, **more}


def obj(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": "lan", "resourceVersion": "7", "managedFields": list(entries)}}


def owners(patch: list[dict[str, Any]]) -> list[dict[str, Any]]:
    test, replace = patch
    assert test == {"op": "test", "path": "/metadata/resourceVersion", "value": "7"}
    assert (replace["op"], replace["path"]) == ("replace", "/metadata/managedFields")
    found: list[dict[str, Any]] = replace["value"]
    return found


def test_the_spec_goes_over_and_what_is_beside_it_stays() -> None:
    metadata = {"f:labels": {"f:a": {}}}
    theirs = entry("kubectl-edit", "Update", {"f:spec": {"f:uplink": {}}})
    before = entry(FORMER, "Update", {"f:metadata": metadata, "f:spec": {"f:quotas": {}, "f:reservations": {}}})

    assert owners(takeover(obj(theirs, before), US, FORMER, ["reservations"])) == [
        theirs,
        entry(FORMER, "Update", {"f:metadata": metadata, "f:spec": {"f:reservations": {}}}),
        entry(US, "Apply", {"f:spec": {"f:quotas": {}}}),
    ]


def test_nothing_goes_over_once_the_manager_has_applied() -> None:
    before = entry(FORMER, "Update", {"f:spec": {"f:quotas": {}}})
    assert takeover(obj(before, entry(US, "Apply", {"f:spec": {}})), US, FORMER) == []


def test_what_was_applied_or_is_of_a_subresource_stays() -> None:
    spec = {"f:spec": {"f:quotas": {}}}
    assert takeover(obj(entry(FORMER, "Apply", spec)), US, FORMER) == []
    assert takeover(obj(entry(FORMER, "Update", spec, subresource="status")), US, FORMER) == []
    assert takeover(obj(entry("kubectl-edit", "Update", spec)), US, FORMER) == []
    assert takeover({"metadata": {"name": "lan"}}, US, FORMER) == []


def test_an_entry_that_has_nothing_left_goes() -> None:
    before = entry(FORMER, "Update", {"f:spec": {"f:quotas": {}}})
    assert owners(takeover(obj(before), US, FORMER)) == [entry(US, "Apply", {"f:spec": {"f:quotas": {}}})]


def test_only_values_are_given() -> None:
    empty = {"a": None, "b": "", "c": [], "d": {"e": {"f": None}}}
    labels = {"matchLabels": {"quarantined": ""}}
    assert given({"include": labels, "exclude": {"names": []}}) == {"include": labels}
    allowed = [{"destinations": ["*"], "namespaces": {"names": []}}, {"destinations": ["*"], "namespaces": None}]
    refused = [{"destinations": ["*"], "namespaces": {}}, {"destinations": ["*"]}]
    assert given({"allowedDestinations": allowed}) == {"allowedDestinations": refused}, "which the API server refuses"
    assert given({"allowedDestinations": []}) == {"allowedDestinations": []}
    assert given({"allowedDestinations": None}) == {}
    assert given({**empty, "g": False, "h": 0, "i": [{"j": "", "k": 1}]}) == {"g": False, "h": 0, "i": [{"k": 1}]}
