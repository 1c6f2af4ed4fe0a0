# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The objects that the server keeps, and how it judges what is to be written."""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from typing import Any, Iterator, Mapping

import yaml

from . import credential_types, schedules, surveys
from .kinds import CASCADING, KINDS, MANAGED_TYPES, UNIFIED, Kind

ENCRYPTED = "$encrypted$"
ROOT = "/api/v2"
MAX_NAME = 512
Object = dict[str, Any]


class Refused(Exception):
    """A request that is not carried out, with the status and the body that say why."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(status, body)
        self.status, self.body = status, body


def bad(field: str, message: str) -> Refused:
    """What is wrong with one field's value."""
    return Refused(400, {field: [message]})


NOT_FOUND = Refused(404, {"detail": "Not found."})


class Objects:
    """All objects, by endpoint and id; each is the dictionary of its fields, references being ids."""

    def __init__(self) -> None:
        self._by_endpoint: dict[str, dict[int, Object]] = {endpoint: {} for endpoint in KINDS}
        self._ids: dict[str, Iterator[int]] = defaultdict(lambda: itertools.count(1))
        self._lists: dict[tuple[str, int, str], list[int]] = defaultdict(list)
        self._surveys: dict[tuple[str, int], Mapping[str, Any]] = {}
        self._roles: dict[tuple[str, int, str], int] = {}
        for name, (kind, fields, secret) in MANAGED_TYPES.items():
            inputs = {"fields": [{"id": item, "type": "string", "secret": item in secret} for item in fields]}
            made = self._insert("credential_types", {"name": name, "kind": kind, "inputs": inputs})
            made["managed"] = True

    def all(self, endpoint: str) -> list[Object]:
        """Those of an endpoint, by age; ``unified_job_templates`` are those of all its kinds."""
        if endpoint == "unified_job_templates":
            return sorted(itertools.chain(*(self.all(kind) for kind in UNIFIED)), key=lambda item: int(item["id"]))
        return list(self._by_endpoint[endpoint].values())

    def get(self, endpoint: str, number: int) -> Object:
        """One; Refused with 404 if it is not there."""
        for item in self.all(endpoint):
            if item["id"] == number:
                return item
        raise NOT_FOUND

    def create(self, endpoint: str, body: Mapping[str, Any]) -> Object:
        kind = KINDS[endpoint]
        for field in kind.required:
            if body.get(field) in (None, ""):
                raise bad(field, "This field may not be blank." if field in body else "This field is required.")
        fields = self._judged(endpoint, body, None)
        return self._insert(endpoint, fields)

    def update(self, endpoint: str, number: int, body: Mapping[str, Any]) -> Object:
        item = self.get(endpoint, number)
        item.update(self._judged(endpoint, body, item))
        self._derive(endpoint, item)
        return item

    def delete(self, endpoint: str, number: int) -> None:
        """Remove one, with what can't be without it; other references to it become null."""
        item = self.get(endpoint, number)
        if item.get("managed"):
            raise Refused(403, {"detail": "Deletion not allowed for managed credential types."})
        if endpoint == "credential_types" and self._credentials_of(number):
            raise Refused(403, {"detail": "Credential types that are in use cannot be deleted."})
        del self._by_endpoint[endpoint][number]
        for holder, other in [(key, item) for key in KINDS for item in self.all(key)]:
            for field, target in KINDS[holder].references.items():
                if other[field] == number and self._points_to(target, endpoint):
                    if (holder, field) in CASCADING:
                        self.delete(holder, other["id"])
                    else:
                        other[field] = None
                        self._derive(holder, other)
        for (holder, holder_number, name), members in self._lists.items():
            if holder == endpoint and holder_number == number:
                members.clear()
            elif members_kind(holder, name) == endpoint and number in members:
                members.remove(number)

    def members(self, endpoint: str, number: int, name: str) -> list[Object]:
        """The objects of a related list."""
        self.get(endpoint, number)
        target = members_kind(endpoint, name)
        return [self.get(target, member) for member in self._lists[endpoint, number, name]]

    def associate(self, endpoint: str, number: int, name: str, body: Mapping[str, Any]) -> None:
        """Put an object into a related list, or with ``disassociate`` take it out."""
        if not isinstance(body.get("id"), int):
            raise Refused(400, {"msg": '"id" field must be an integer.'})
        target, members = members_kind(endpoint, name), self._lists[endpoint, number, name]
        member = self.get(target, body["id"])
        if body.get("disassociate"):
            if member["id"] in members:
                members.remove(member["id"])
            return
        if name == "credentials":
            self._refuse_second(members, member)
        if member["id"] not in members:
            members.append(member["id"])

    def role_members(self, role: int, name: str) -> list[Object]:
        """The teams or users that have a role."""
        return [self.get(name, member) for member in self._lists["roles", role, name]]

    def role(self, endpoint: str, number: int, name: str) -> int:
        """The id of a role on an object."""
        return self._roles.setdefault((endpoint, number, name), len(self._roles) + 1)

    def survey(self, endpoint: str, number: int) -> Mapping[str, Any]:
        self.get(endpoint, number)
        return self._surveys.get((endpoint, number), {})

    def set_survey(self, endpoint: str, number: int, survey: Mapping[str, Any]) -> None:
        self.get(endpoint, number)
        if survey and (error := surveys.survey_error(survey)):
            raise Refused(400, {"error": error})
        self._surveys[endpoint, number] = survey

    def endpoint_of(self, unified: int) -> str:
        """Which kind of unified job template has this id."""
        return next(kind for kind in UNIFIED if unified in self._by_endpoint[kind])

    def _insert(self, endpoint: str, fields: Mapping[str, Any]) -> Object:
        kind = KINDS[endpoint]
        number = next(self._ids["unified" if endpoint in UNIFIED else endpoint])
        item = {"id": number, "type": kind.type, **kind.fields, **kind.read_only, **fields}
        self._derive(endpoint, item)
        self._by_endpoint[endpoint][number] = item
        return item

    def _derive(self, endpoint: str, item: Object) -> None:
        """The fields that AWX itself decides."""
        if endpoint == "job_templates":
            item["organization"] = self.get("projects", item["project"])["organization"] if item["project"] else None
        if endpoint == "credentials":
            item["kind"] = self.get("credential_types", item["credential_type"])["kind"]

    def _judged(self, endpoint: str, body: Mapping[str, Any], before: Object | None) -> dict[str, Any]:
        """What the body writes; fields that the kind does not have are ignored, as AWX does."""
        kind = KINDS[endpoint]
        fields = {
            name: self._value(kind, name, body[name]) for name in body if name in kind.fields or name in kind.references
        }
        whole = {**kind.fields, **(before or {}), **fields}
        self._refuse_twin(endpoint, whole, before)
        for judge in (self._judge_credential, self._judge_credential_type, self._judge_template, self._judge_launch):
            judge(endpoint, whole, fields, before)
        return fields

    def _value(self, kind: Kind, name: str, value: Any) -> Any:
        if name in kind.references:
            return self._reference(kind.references[name], name, value)
        default = kind.fields[name]
        if name in kind.choices and (value or "") not in kind.choices[name]:
            raise bad(name, f'"{value}" is not a valid choice.')
        if value is None:
            if isinstance(default, bool | int) or name == "name":
                raise bad(name, "This field may not be null.")
            return default
        if isinstance(default, bool):
            return _boolean(name, value)
        if isinstance(default, int):
            return _integer(name, value)
        if default is not None:
            _refuse_other_type(name, default, value)
        return value

    def _reference(self, target: str, name: str, value: Any) -> int | None:
        if value in (None, ""):
            return None
        if isinstance(value, bool) or not str(value).isdigit():
            raise bad(name, f"Incorrect type. Expected pk value, received {type(value).__name__}.")
        try:
            return int(self.get(target, int(value))["id"])
        except Refused:
            raise bad(name, f'Invalid pk "{value}" - object does not exist.') from None

    def _refuse_twin(self, endpoint: str, whole: Object, before: Object | None) -> None:
        kind = KINDS[endpoint]
        for together in kind.unique:
            if endpoint == "job_templates":
                self._derive(endpoint, whole)
            mine = [whole.get(name) for name in together]
            if None in mine:
                continue
            for other in self.all(endpoint):
                if other is not before and [other.get(name) for name in together] == mine:
                    names = " and ".join(name.replace("_", " ").capitalize() for name in together)
                    raise Refused(400, {"__all__": [f"{kind.title} with this {names} already exists."]})

    def _judge_credential(self, endpoint: str, whole: Object, fields: Object, before: Object | None) -> None:
        if endpoint != "credentials":
            return
        if whole["organization"] is None and before is None:
            raise Refused(400, {"detail": "Missing 'user', 'team', or 'organization'."})
        type_fields = self.get("credential_types", whole["credential_type"])["inputs"].get("fields", [])
        known = {item["id"] for item in type_fields}
        if unknown := sorted(set(whole["inputs"]) - known):
            raise bad("inputs", f"Additional properties are not allowed ({unknown} were unexpected)")
        if "inputs" in fields and before:
            kept = {name: before["inputs"].get(name) for name, value in whole["inputs"].items() if value == ENCRYPTED}
            fields["inputs"] = {**fields["inputs"], **kept}

    def _judge_credential_type(self, endpoint: str, whole: Object, fields: Object, before: Object | None) -> None:
        if endpoint != "credential_types":
            return
        if before and before["managed"]:
            raise Refused(403, {"detail": "Modifications not allowed for managed credential types"})
        if error := credential_types.inputs_error(whole["inputs"]):
            raise bad("inputs", error)
        if error := credential_types.injectors_error(whole["injectors"], whole["inputs"]):
            raise bad("injectors", error)
        if before is None:
            return
        if "inputs" in fields and fields["inputs"] != before["inputs"] and self._credentials_of(before["id"]):
            raise Refused(
                403, {"detail": "Modifications to inputs are not allowed for credential types that are in use"}
            )

    def _judge_template(self, endpoint: str, whole: Object, _fields: Object, _before: Object | None) -> None:
        if endpoint != "job_templates":
            return
        if whole["project"] is None:
            raise bad("project", "This field is required.")
        if whole["inventory"] is None and not whole["ask_inventory_on_launch"]:
            raise bad("inventory", "You must either set a default value or ask to prompt on launch.")
        project = self.get("projects", whole["project"])
        if project["scm_type"] and whole["playbook"] not in project["playbook_files"]:
            raise bad("playbook", "Playbook not found for project.")

    def _judge_launch(self, endpoint: str, whole: Object, fields: Object, _before: Object | None) -> None:
        """Schedules and workflow nodes launch a template with what it lets them give."""
        if endpoint not in ("schedules", "workflow_job_template_nodes"):
            return
        if endpoint == "schedules" and "rrule" in fields and (error := schedules.rule_error(whole["rrule"])):
            raise bad("rrule", error)
        if whole["unified_job_template"] is None:
            return
        launched = self.endpoint_of(whole["unified_job_template"])
        template = self.get(launched, whole["unified_job_template"])
        errors = surveys.answers_errors(
            self.survey(launched, template["id"]) if template.get("survey_enabled") else {},
            whole["extra_data"],
            ask_variables=template.get("ask_variables_on_launch", False),
        )
        if errors:
            raise Refused(400, {"extra_data": errors})
        for name in KINDS[endpoint].fields:
            asks = template.get(f"ask_{name}_on_launch")
            if asks is False and fields.get(name) not in (None, ""):
                raise bad(name, "Field is not configured to prompt on launch.")

    def _credentials_of(self, credential_type: int) -> list[Object]:
        return [item for item in self.all("credentials") if item["credential_type"] == credential_type]

    def _refuse_second(self, members: list[int], member: Object) -> None:
        types = [self.get("credentials", other)["credential_type"] for other in members if other != member["id"]]
        if member["credential_type"] in types and member["kind"] != "vault":
            name = self.get("credential_types", member["credential_type"])["name"]
            raise Refused(400, {"msg": f"Cannot assign multiple {name} credentials."})

    def _points_to(self, target: str, endpoint: str) -> bool:
        return target == endpoint or (target == "unified_job_templates" and endpoint in UNIFIED)


def members_kind(endpoint: str, name: str) -> str:
    """The endpoint of what is in a related list; Refused with 404 if there is no such list."""
    if endpoint == "roles" and name in KINDS:
        return name
    if endpoint not in KINDS or name not in KINDS[endpoint].lists:
        raise NOT_FOUND
    return KINDS[endpoint].lists[name]


def _refuse_other_type(name: str, default: Any, value: Any) -> None:
    """What is to be text or a dictionary."""
    if isinstance(default, dict) and not isinstance(value, dict):
        raise bad(name, "Value must be valid JSON or YAML.")
    if isinstance(default, str) and not isinstance(value, str):
        raise bad(name, "Not a valid string.")
    if name in ("variables", "extra_vars") and not _is_mapping(value):
        raise bad(name, "Cannot parse as JSON or YAML.")
    if name == "name" and len(value) > MAX_NAME:
        raise bad(name, f"Ensure this field has no more than {MAX_NAME} characters.")


def _boolean(name: str, value: Any) -> bool:
    words = {"true": True, "false": False, "1": True, "0": False}
    if str(value).lower() not in words:
        raise bad(name, "Must be a valid boolean.")
    return words[str(value).lower()]


def _integer(name: str, value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise bad(name, "A valid integer is required.") from None


def _is_mapping(text: str) -> bool:
    try:
        return isinstance(json.loads(text or "{}"), dict)
    except ValueError:
        pass
    try:
        return isinstance(yaml.safe_load(text), dict)
    except yaml.YAMLError:
        return False
