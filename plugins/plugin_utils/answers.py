# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the answer to a survey's question means: forms give text where playbooks want lists, dictionaries and ports.

Pure. A value that has its type already is given back as it is, so that one variable serves a form and a file.
"""

from __future__ import annotations

import re
from typing import Any, Callable, Mapping

import yaml
from ansible_collections.avi.egress.plugins.module_utils.api.errors import EgressError, shown
from ansible_collections.avi.egress.plugins.module_utils.api.reasons import Reason

_YAML_LIST = re.compile(r"\s*(\[|-\s)")
_SEPARATORS = re.compile(r"[\s,]+")
_PORT = re.compile(
    r"((?P<name>[a-z0-9-]+)=)?(?P<port>\d{1,5})(:(?P<target_port>\d{1,5}))?(/(?P<protocol>tcp|udp))?", re.IGNORECASE
)
PORT_FORMS = "80, 8080:80, 53/udp or name=80"


class BadAnswer(EgressError):
    """An answer that is not what its question asks for."""

    reason = Reason.INVALID_INPUT


def is_unanswered(value: Any) -> bool:
    """Whether a form's field was left empty, which is neither false nor an empty list."""
    return value is None or (isinstance(value, str) and not value.strip())


def answer(value: Any, kind: str) -> Any:
    """The meaning of an answer that was given; BadAnswer if it has none. ``kind`` is a key of KINDS."""
    if kind not in KINDS:
        raise BadAnswer(f"{shown(kind)} is no kind of answer; known are {', '.join(KINDS)}")
    return KINDS[kind](value)


def _text(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _list(value: Any) -> list[Any]:
    """Names or addresses, one or many; all of them are text, whatever YAML would take them for."""
    if not isinstance(value, str):
        return list(value) if isinstance(value, (list, tuple)) else [value]
    if not _YAML_LIST.match(value):
        return [item for item in _SEPARATORS.split(value) if item]
    found = _yaml(value, yaml.BaseLoader)
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise BadAnswer(f"{shown(value)} is no list of names; give them separated by commas, spaces or lines")
    return found


def _dict(value: Any) -> dict[Any, Any]:
    found = _yaml(value, yaml.SafeLoader) if isinstance(value, str) else value
    if not isinstance(found, Mapping):
        raise BadAnswer(f"{shown(value)} is no dictionary; give lines of 'key: value', or JSON")
    return dict(found)


def _ports(value: Any) -> list[dict[str, Any]]:
    """A Service's ports, as the option ``ports`` of avi_egress_service has them."""
    if isinstance(value, str):
        value = _yaml(value, yaml.SafeLoader) if _YAML_LIST.match(value) else _list(value)
    return [dict(item) if isinstance(item, Mapping) else _port(item) for item in _list(value)]


def _port(value: Any) -> dict[str, Any]:
    found = _PORT.fullmatch(str(value))
    if not found:
        raise BadAnswer(f"{shown(value)} is no port; give {PORT_FORMS}, separated by commas, spaces or lines")
    fields = {key: text for key, text in found.groupdict().items() if text}
    numbers = {key: int(text) for key, text in fields.items() if key in ("port", "target_port")}
    return {**fields, **numbers, **({"protocol": fields["protocol"].upper()} if "protocol" in fields else {})}


def _yaml(text: str, loader: type[yaml.BaseLoader] | type[yaml.SafeLoader]) -> Any:
    try:
        return yaml.load(text, Loader=loader)
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or "it has characters that YAML does not allow"
        raise BadAnswer(f"{shown(text)} is no YAML: {problem}") from None


KINDS: Mapping[str, Callable[[Any], Any]] = {"text": _text, "list": _list, "dict": _dict, "ports": _ports}
"""How answers are read: ``text`` is left to the module's own conversion of booleans, numbers and words."""
