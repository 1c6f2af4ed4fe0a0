# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What the answers to a survey's questions mean."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.avi.egress.plugins.filter.answer import answer


@pytest.mark.parametrize("text", ["green, blue", "green blue", "green\nblue\n", " green,\n blue,", "[green, blue]"])
def test_names_are_separated_as_people_do_it(text: str) -> None:
    assert answer(text, "list") == ["green", "blue"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("- green\n- blue\n", ["green", "blue"]),
        ('["green"]', ["green"]),
        ("green", ["green"]),
        ("- on\n- 007", ["on", "007"]),
        ("10.70.112.5,10.70.112.6", ["10.70.112.5", "10.70.112.6"]),
        ("2001:db8::1", ["2001:db8::1"]),
    ],
)
def test_names_are_text_whatever_yaml_takes_them_for(text: str, names: list[str]) -> None:
    assert answer(text, "list") == names


@pytest.mark.parametrize(
    ("value", "ports"),
    [
        ("80", [{"port": 80}]),
        (80, [{"port": 80}]),
        (
            "foo=80, 8080:80 53/udp",
            [{"name": "foo", "port": 80}, {"port": 8080, "target_port": 80}, {"port": 53, "protocol": "UDP"}],
        ),
        ("dns=53:5353/UDP", [{"name": "dns", "port": 53, "target_port": 5353, "protocol": "UDP"}]),
        ("[{name: foo, port: 80}]", [{"name": "foo", "port": 80}]),
        ("- {name: foo, port: 80}\n- 443\n", [{"name": "foo", "port": 80}, {"port": 443}]),
        ([{"port": 80}, "443"], [{"port": 80}, {"port": 443}]),
    ],
)
def test_ports(value: Any, ports: list[dict[str, Any]]) -> None:
    assert answer(value, "ports") == ports


@pytest.mark.parametrize(
    "text", ["10.10.20.20:\n  '9080': 80\n", '{"10.10.20.20": {"9080": 80}}', "{10.10.20.20: {'9080': 80}}"]
)
def test_dictionaries_in_yaml_and_json(text: str) -> None:
    assert answer(text, "dict") == {"10.10.20.20": {"9080": 80}}


@pytest.mark.parametrize("kind", ["text", "list", "dict", "ports"])
@pytest.mark.parametrize("value", ["", "  \n", None])
def test_an_empty_answer_is_none(value: str | None, kind: str) -> None:
    assert answer(value, kind, "omitted") == "omitted"


@pytest.mark.parametrize(
    ("value", "kind"), [(False, "text"), (0, "text"), ([], "list"), ({}, "dict"), ([], "ports"), (["green"], "list")]
)
def test_a_value_that_has_its_type_stays_as_it_is(value: Any, kind: str) -> None:
    found = answer(value, kind, "omitted")

    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        ("8080:80x", "ports", "'8080:80x' is no port; give 80, 8080:80, 53/udp or name=80"),
        ("80/sctp", "ports", "'80/sctp' is no port"),
        ("[{a: 1}]", "list", "'[{a: 1}]' is no list of names; give them separated by commas, spaces or lines"),
        ("some words", "dict", "'some words' is no dictionary; give lines of 'key: value', or JSON"),
        ("{a: [}", "dict", "'{a: [}' is no YAML: expected the node content, but found '}'"),
        ("{a: \x00}", "dict", "'{a: \\x00}' is no YAML: it has characters that YAML does not allow"),
        ("x", "number", "'number' is no kind of answer; known are text, list, dict, ports"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_sentence(value: Any, kind: str, message: str) -> None:
    with pytest.raises(AnsibleFilterError) as refusal:
        answer(value, kind)

    assert str(refusal.value).startswith(message)
    assert "\n" not in str(refusal.value)
