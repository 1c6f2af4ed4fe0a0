# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Who owns which fields of an object, and how the fields of one manager become another's (KEP-555).

Server-side apply removes a field that is no longer applied if nobody else owns it. What was written before by patches
belongs to the client that sent them, under another operation, so it would never go. Once its entry is the applying
manager's, the next apply decides on it.
"""

from __future__ import annotations

from typing import Any, Dict, List, Sequence, Tuple

JsonPatch = List[Dict[str, Any]]
Entry = Dict[str, Any]
"""One of ``metadata.managedFields``."""
Fields = Dict[str, Any]
"""A set of fields as ``managedFields`` has it: keys such as ``f:spec``, and ``.`` for the field itself."""


def takeover(obj: Dict[str, Any], manager: str, former: str, kept: Sequence[str] = ()) -> JsonPatch:
    """The JSON patch that gives ``manager`` what ``former`` has set in an object's spec; empty if that is nothing.

    That is so once the manager has applied anything: what ``former`` has set since is not the manager's. ``kept`` names
    fields of the spec that stay former's. The patch is refused if the object changes meanwhile.
    """
    metadata = obj["metadata"]
    entries: List[Entry] = metadata.get("managedFields") or []
    if any(entry["manager"] == manager and entry["operation"] == "Apply" for entry in entries):
        return []
    passed, left = [], []
    for entry in entries:
        moved, rest = _parted(entry, former, kept)
        passed += moved
        left += rest
    if not passed:
        return []
    # One manager's applied fields have one entry for each version of the API.
    return [
        {"op": "test", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]},
        {
            "op": "replace",
            "path": "/metadata/managedFields",
            "value": [*left, *({**entry, "manager": manager, "operation": "Apply"} for entry in passed)],
        },
    ]


def _parted(
    entry: Dict[str, Any], former: str, kept: Sequence[str]
) -> Tuple[List[Dict[str, Any]], List[Dict[str, Any]]]:
    """What of an entry goes to the other manager, and what stays; each is a list of no entry or one."""
    fields: Fields = entry.get("fieldsV1") or {}
    spec: Fields = fields.get("f:spec") or {}
    held = {f"f:{name}" for name in kept}
    moved = {key: value for key, value in spec.items() if key not in held}
    is_formers = entry["manager"] == former and entry["operation"] == "Update" and not entry.get("subresource")
    if not is_formers or not moved:
        return [], [entry]
    rest = {key: value for key, value in fields.items() if key != "f:spec"}
    if remaining := {key: value for key, value in spec.items() if key in held}:
        rest["f:spec"] = remaining
    return [{**entry, "fieldsV1": {"f:spec": moved}}], [{**entry, "fieldsV1": rest}] if rest else []
