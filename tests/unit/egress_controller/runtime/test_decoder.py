# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The controller's decoder reads what Python's own reads, but for managed fields; and a page object by object."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.client.decoder import StandardDecoder
from egress_controller.runtime.decoder import FastDecoder
from hypothesis import given
from hypothesis import strategies as st

from tests.support.kept_memory import kept

MANY, PAGES = 500, 3
WHAT_IS_READ = (
    "annotations",
    "creationTimestamp",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "uid",
)
"""In the metadata of any object, by anybody here."""

numbers = st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
metadata = st.fixed_dictionaries({}, optional={name: values for name in (*WHAT_IS_READ, "managedFields")})
objects = st.dictionaries(st.text(), values, max_size=4).flatmap(
    lambda rest: metadata.map(lambda found: {**rest, "metadata": found})
)


def page(items: list[Any] | None, **more: Any) -> bytes:
    return json.dumps({"kind": "List", "metadata": {"resourceVersion": "7", **more}, "items": items}).encode()


@given(st.lists(objects, max_size=4), st.sampled_from([{}, {"continue": ""}, {"continue": "x"}]))
def test_a_page_is_read_as_by_pythons_own_but_for_managed_fields(items: list[Any], more: dict[str, Any]) -> None:
    text = page(items, **more)
    ours, standard = FastDecoder().page(text), StandardDecoder().page(text)
    wanted = list(standard.items)
    for obj in wanted:
        obj["metadata"].pop("managedFields", None)
    assert list(ours.items) == wanted
    assert (ours.version, ours.more) == (standard.version, standard.more)
    assert ours.more in (None, "x")


@given(values)
def test_any_other_answer_is_read_whole(value: Any) -> None:
    text = json.dumps(value).encode()
    assert FastDecoder().document(text) == StandardDecoder().document(text)


@pytest.mark.parametrize("decoder", [FastDecoder(), StandardDecoder()])
def test_a_list_of_nothing_may_have_no_items(decoder: FastDecoder | StandardDecoder) -> None:
    assert [*decoder.page(page(None)).items] == [*decoder.page(page([])).items] == []


@pytest.mark.parametrize("decoder", [FastDecoder(), StandardDecoder()])
def test_what_is_no_json_is_a_value_error(decoder: FastDecoder | StandardDecoder) -> None:
    for read in (decoder.document, decoder.page):
        with pytest.raises(ValueError, match=r"."):
            read(b'{"metadata": {"resourceVersion": "7"}, "items": [')


def test_of_a_page_only_the_text_is_in_memory_whole() -> None:
    fields = [{"name": f"NAME_{number}", "value": "x"} for number in range(40)]
    text = page([{"metadata": {"name": f"s{number}"}, "spec": {"env": fields}} for number in range(MANY)])
    (_ours, small), (_standard, large) = (
        kept(lambda _obj, decoder=decoder: decoder.page(text), "null", PAGES)  # type: ignore[misc]
        for decoder in (FastDecoder(), StandardDecoder())
    )
    assert small < large / 5
