# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The laws of the smallest patch: it leads there, it leads nowhere else, and there is none from there on."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.merge_patch import ATOMIC, merge_patch, patched
from hypothesis import given
from hypothesis import strategies as st

scalars = st.booleans() | st.integers(0, 3) | st.text("ab", max_size=2)
plain_keys = st.sampled_from(["a", "b", "c", "spec"])
any_keys = plain_keys | st.sampled_from(sorted(ATOMIC))
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_keys, inner, max_size=3), max_leaves=8
)
objects = st.dictionaries(any_keys, values, max_size=4)
wishes = st.dictionaries(
    plain_keys,
    st.recursive(
        values | st.none(), lambda inner: st.dictionaries(plain_keys, inner, max_size=3) | values, max_leaves=6
    ),
    max_size=4,
)
"""Desired objects; None (a field that is to be absent) stands only in maps that are not atomic."""


@given(wishes | objects, objects)
def test_the_patch_leads_to_what_is_desired_and_there_is_none_from_there(desired: Any, observed: Any) -> None:
    reached = patched(observed, merge_patch(desired, observed))
    assert merge_patch(desired, reached) == {}
    assert merge_patch(desired, copy.deepcopy(desired)) == {}


@given(wishes | objects, objects)
def test_nothing_that_is_not_named_is_changed(desired: Any, observed: Any) -> None:
    assert_kept(desired, observed, patched(observed, merge_patch(desired, observed)))


def assert_kept(desired: dict[str, Any], before: dict[str, Any], after: dict[str, Any]) -> None:
    for key, value in before.items():
        if key not in desired:
            assert after[key] == value
        elif key not in ATOMIC and isinstance(desired[key], dict) and isinstance(value, dict):
            assert_kept(desired[key], value, after[key])


@given(objects, objects)
def test_neither_side_is_touched(desired: Any, observed: Any) -> None:
    before = copy.deepcopy((desired, observed))
    patched(observed, merge_patch(desired, observed))
    assert (desired, observed) == before


@given(st.sampled_from(sorted(ATOMIC)), values, values)
def test_an_atomic_field_is_exact_or_empty(key: str, desired: Any, observed: Any) -> None:
    reached = patched({key: observed}, merge_patch({key: desired}, {key: observed}))
    assert reached[key] == desired


@given(wishes, objects)
def test_only_what_differs_is_in_the_patch(desired: Any, observed: Any) -> None:
    for key in merge_patch(desired, observed):
        assert merge_patch({key: desired[key]}, observed)
        assert observed.get(key) != desired[key]


@pytest.mark.parametrize(
    ("desired", "observed", "patch"),
    [
        ({"a": None}, {"a": 1}, {"a": None}),
        ({"a": None}, {}, {}),
        ({"a": {"b": None}}, {"a": {"b": 1, "c": 2}}, {"a": {"b": None}}),
        ({"a": {}}, {}, {}),
        ({"a": []}, {}, {}),
        ({"a": []}, {"a": [1]}, {"a": []}),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1, "added": 2}]}, {}),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1}, {"b": 2}]}, {"a": [{"b": 1}]}),
        ({"a": [1, 2]}, {"a": [2, 1]}, {"a": [1, 2]}),
        (
            {"selector": {"name": "x"}},
            {"selector": {"name": "x", "app": "y"}},
            {"selector": {"app": None, "name": "x"}},
        ),
        ({"selector": None}, {"selector": {"name": "x"}}, {"selector": None}),
        ({"nodeSelector": {}}, {}, {}),
        ({"nodeSelector": {}}, {"nodeSelector": {"a": "b"}}, {"nodeSelector": {"a": None}}),
        ({"a": 1}, {"a": {"b": 1}}, {"a": 1}),
        ({"a": {"b": 1}}, {"a": 1}, {"a": {"b": 1}}),
    ],
)
def test_patches_as_a_reader_expects_them(desired: Any, observed: Any, patch: Any) -> None:
    assert merge_patch(desired, observed) == patch


OWN_PODS = [{"from": [{"podSelector": {}}]}]


@pytest.mark.parametrize(
    "intruder",
    [
        [{"from": [{"namespaceSelector": {}}]}],
        [{"from": [{"podSelector": {}, "namespaceSelector": {}}]}],
        [{"from": [{"podSelector": {}}, {"ipBlock": {"cidr": "0.0.0.0/0"}}]}],
        [{}],
        [],
        [*OWN_PODS, {}],
        [{"from": [{"podSelector": {"matchLabels": {"a": "b"}}}]}],
    ],
)
def test_a_network_policy_that_somebody_widened_is_put_right(intruder: list[Any]) -> None:
    observed = {"spec": {"ingress": intruder}}
    patch = merge_patch({"spec": {"ingress": OWN_PODS}}, observed)
    assert patched(observed, patch) == {"spec": {"ingress": OWN_PODS}}


def test_a_patched_objects_empty_maps_follow_rfc_7386() -> None:
    assert patched({"a": "b"}, {"a": {"b": {"c": None}}}) == {"a": {"b": {}}}
    assert patched({"a": [1]}, {"a": None, "b": [None]}) == {"b": [None]}
