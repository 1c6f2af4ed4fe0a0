# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What the documentation says of options is what the argument specs say."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.avi.egress.plugins.doc_fragments import connection
from ansible_collections.avi.egress.plugins.module_utils.module import access_info, scc_account, scc_account_info
from ansible_collections.avi.egress.plugins.module_utils.module.argument_specs import CONNECTION, ArgumentSpec
from ansible_collections.avi.egress.plugins.module_utils.module.lease import (
    inventory,
    ipam_lease,
    ipam_lease_import,
    ipam_lease_info,
    source_ips,
)
from ansible_collections.avi.egress.plugins.module_utils.module.preflight import nodes as preflight_nodes
from ansible_collections.avi.egress.plugins.module_utils.module.service import egress_service, egress_service_info
from ansible_collections.avi.egress.plugins.plugin_utils import event_source

from tests.support.checkout import files

COLLECTION = Path(__file__).parents[3]
MODULES = {
    "avi_access_info": access_info.SPEC,
    "avi_egress_preflight": preflight_nodes.SPEC,
    "avi_egress_service": egress_service.SPEC,
    "avi_egress_service_info": egress_service_info.SPEC,
    "avi_ipam_lease": ipam_lease.SPEC,
    "avi_ipam_lease_import": ipam_lease_import.SPEC,
    "avi_ipam_lease_info": ipam_lease_info.SPEC,
    "avi_scc_account": scc_account.SPEC,
    "avi_scc_account_info": scc_account_info.SPEC,
}
OF_KUBERNETES_CORE = {"k8s", "k8s_info", "k8s_json_patch"}
"""Its modules, which actions of ours run; their options are its own."""
PLUGINS = {
    "plugins.inventory.leases": inventory.SPEC,
    "plugins.lookup.source_ips": source_ips.SPEC,
    "extensions.eda.plugins.event_source.leases": event_source.SPEC,
}
"""Those that take the modules' connection options."""
COMPARED = ("required", "default", "choices", "aliases", "elements")


def _documented(option: dict[str, Any]) -> dict[str, Any]:
    return {key: option[key] for key in ("type", *COMPARED) if option.get(key) not in (None, False, [])}


def _specified(option: dict[str, Any]) -> dict[str, Any]:
    found = {key: option[key] for key in COMPARED if option.get(key) not in (None, False, [])}
    return {"type": option.get("type", "str"), **found}


def _assert_same(documented: dict[str, Any], specified: Any) -> None:
    assert set(documented) == set(specified)
    for name, option in specified.items():
        assert _documented(documented[name]) == _specified(option), name
        assert documented[name]["description"], name
        if "options" in option:
            _assert_same(documented[name]["suboptions"], option["options"])


@pytest.mark.parametrize("name", sorted(MODULES))
def test_options_are_documented_as_they_are(name: str) -> None:
    module = importlib.import_module(f"ansible_collections.avi.egress.plugins.modules.{name}")
    documentation = yaml.safe_load(module.DOCUMENTATION)

    assert documentation["module"] == name
    _assert_same(documentation["options"], MODULES[name].options)


@pytest.mark.parametrize("name", sorted(PLUGINS))
def test_options_of_plugins_are_documented_as_they_are(name: str) -> None:
    plugin = importlib.import_module(f"ansible_collections.avi.egress.{name}")
    documentation = yaml.safe_load(plugin.DOCUMENTATION)

    assert documentation["name"] == name.rpartition(".")[2]
    assert "avi.egress.connection" in documentation["extends_documentation_fragment"]
    documentation["options"].pop("plugin", None)  # Ansible's own, by which an inventory's file names its plugin
    _assert_same(documentation["options"], PLUGINS[name].options)


def test_connection_options_are_documented_as_they_are() -> None:
    documentation = yaml.safe_load(connection.ModuleDocFragment.DOCUMENTATION)

    _assert_same(documentation["options"], CONNECTION.options)
    headers = "proxy_headers"
    documented = {**documentation["options"], **documentation["options"][headers]["suboptions"]}
    specified = {**CONNECTION.options, **CONNECTION.options[headers]["options"]}
    del specified[headers]
    for name, option in specified.items():
        assert all(f"E({variable})" in str(documented[name]["description"]) for variable in option["fallback"][1]), name


def test_every_module_is_in_the_action_group() -> None:
    runtime = yaml.safe_load((COLLECTION / "meta/runtime.yml").read_text())
    modules = {path.stem for path in files("plugins/modules/*.py")}

    assert set(runtime["action_groups"]["all"]) == modules == {*MODULES, *OF_KUBERNETES_CORE}


def test_role_and_playbooks_reach_the_cluster_by_our_action_group_alone() -> None:
    """The playbooks connect no other: what is named as kubernetes.core's would go to whatever cluster it finds."""
    wrong = [
        f"{path.relative_to(COLLECTION)}: {line.strip()} name it avi.egress.{line.strip(' :-').rpartition('.')[2]}"
        for path in files("roles/egress/tasks/*.yml", "roles/egress/handlers/*.yml", "playbooks/*.yml")
        for line in path.read_text().splitlines()
        if "kubernetes.core." in line.partition("#")[0]
    ]
    assert wrong == []


def test_every_plugin_that_asks_a_cluster_is_compared_with_its_documentation() -> None:
    found = files("plugins/lookup/*.py", "plugins/inventory/*.py", "extensions/eda/plugins/event_source/*.py")

    assert {".".join(path.relative_to(COLLECTION).with_suffix("").parts) for path in found} == set(PLUGINS)


def test_role_defaults_are_documented_as_they_are() -> None:
    defaults = yaml.safe_load((COLLECTION / "roles/egress/defaults/main.yml").read_text())
    specs = yaml.safe_load((COLLECTION / "roles/egress/meta/argument_specs.yml").read_text())["argument_specs"]
    documented = {name: option for spec in specs.values() for name, option in spec["options"].items()}

    assert {name: option["default"] for name, option in documented.items() if "default" in option} == defaults
    assert set(documented) - set(defaults) == {"egress_cloud_uuid"}


def test_specs_add_up() -> None:
    left = ArgumentSpec({"a": {}, "b": {"type": "str"}}, mutually_exclusive=[("a", "b")])
    right = ArgumentSpec({"b": {"type": "int"}, "c": {}}, required_if=[("c", 1, ("a",))])

    keywords = (left + right).keywords()

    assert keywords["argument_spec"] == {"a": {}, "b": {"type": "int"}, "c": {}}
    assert keywords["mutually_exclusive"] == [("a", "b")]
    assert keywords["required_if"] == [("c", 1, ("a",))]
