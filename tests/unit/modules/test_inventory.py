# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What the inventory plugin leases makes of leases, hostile ones among them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from ansible import constants
from ansible.errors import AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.doc_fragments.constructed import ModuleDocFragment
from ansible.template import Templar
from ansible_collections.avi.egress.plugins.inventory import leases as plugin
from ansible_collections.avi.egress.plugins.module_utils.api.errors import InvalidInput
from ansible_collections.avi.egress.plugins.module_utils.api.resources import KubeObject
from ansible_collections.avi.egress.plugins.module_utils.ipam.leases import CONTROLLER, Slot, lease_object
from ansible_collections.avi.egress.plugins.module_utils.module.lease.inventory import SPEC, Host, hosts, validate

DEFAULTS = {name: option.get("default") for name, option in SPEC.options.items()}
HOSTILE = "{{ 6 * 7 }}"


def lease(slot: int, phase: str | None, **status: Any) -> KubeObject:
    held = {"phase": phase, "address": "10.70.112.9", "boundAt": "2026-11-01T00:00:00Z", **status}
    return {**lease_object(Slot("dmz", "a-b", "x", slot), CONTROLLER), "status": held}


def found(leases: list[KubeObject], **options: Any) -> list[Host]:
    class Server:
        def list(self, *_asked: Any, **_selectors: Any) -> list[KubeObject]:
            return leases

    given = {**DEFAULTS, **options}
    validate(given)
    return hosts(cast("Any", Server()), given)


def parsed(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str, leases: list[KubeObject]) -> InventoryData:
    """The inventory of a file; the cluster alone is played."""
    monkeypatch.setattr(plugin, "ask", lambda *_asked: found(leases))
    path = folder / "x.egress_leases.yml"
    path.write_text(f"plugin: avi.egress.leases\n{text}")
    inventory, module = InventoryData(), plugin.InventoryModule()
    module._load_name, module._redirected_names = module.NAME, [module.NAME]
    documented = [yaml.safe_load(text)["options"] for text in (plugin.DOCUMENTATION, ModuleDocFragment.DOCUMENTATION)]
    constants.config.initialize_plugin_configuration_definitions(
        "inventory", module.NAME, documented[0] | documented[1]
    )
    assert module.verify_file(str(path))
    module.parse(inventory, DataLoader(), str(path))
    return inventory


def test_leases_that_keep_their_address_are_hosts_by_default() -> None:
    over = {"releasedAt": "2026-11-02T00:00:00Z"}
    leases = [lease(3, "Bound"), lease(2, "Released", **over), lease(1, "Expired", **over), lease(0, None)]

    assert [host.name for host in found(leases)] == ["dmz.a-b.x.2", "dmz.a-b.x.3"]
    assert [host.name for host in found(leases, phases=["Expired"])] == ["dmz.a-b.x.1"]


@pytest.mark.parametrize(("option", "value"), [("network", ""), ("phases", [])])
def test_an_empty_filter_is_refused(option: str, value: Any) -> None:
    with pytest.raises(InvalidInput, match=f"^leases: {option} is "):
        found([], **{option: value})


def test_text_from_the_cluster_is_no_template(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = "compose: {copied: reason}\nkeyed_groups: [{key: reason, prefix: why}]\n"

    inventory = parsed(monkeypatch, tmp_path, text, [lease(0, "Released", reason=HOSTILE)])

    host = next(iter(inventory.hosts.values()))
    templar = Templar(loader=DataLoader(), variables=host.vars)
    assert [templar.template(host.vars[name]) for name in ("reason", "copied")] == [HOSTILE, HOSTILE]
    assert "why____6___7___" in inventory.groups
    assert {"egress_leases", "project_a_b", "network_dmz", "phase_released"} <= set(inventory.groups)


def test_strict_tells_what_cannot_be_composed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = "groups: {wrong: no_such_variable}\n"

    assert parsed(monkeypatch, tmp_path, text, [lease(0, "Bound")]).hosts
    with pytest.raises(AnsibleParserError, match="Could not add host"):
        parsed(monkeypatch, tmp_path, f"{text}strict: true\n", [lease(0, "Bound")])


def test_a_file_of_another_name_is_left_to_other_plugins(tmp_path: Path) -> None:
    other = tmp_path / "hosts.yml"
    other.write_text("all: {}\n")

    assert not plugin.InventoryModule().verify_file(str(other))
