# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs modules of kubernetes.core in Ansible's own process, as those of this collection.

The program and the results are kubernetes.core's; only the Python process of each task is saved, which takes ten times
as long as the task itself.
"""

from __future__ import annotations

import json
from contextlib import suppress
from importlib import import_module
from typing import Any, Callable

from ansible.plugins.action import ActionBase
from ansible.plugins.action.normal import ActionModule as NormalAction
from ansible_collections.avi.egress.plugins.plugin_utils.deployment import trouble
from ansible_collections.avi.egress.plugins.plugin_utils.in_process import InProcess, Variables

try:
    from ansible_collections.kubernetes.core.plugins.module_utils.k8s.client import _pool as clients
    from kubernetes.config.kube_config import _cleanup_temp_files as remove_keys

    KNOWN = True
except ImportError:  # They are not there, or keep keys and clients otherwise: each task has a process of its own.
    KNOWN = False

COLLECTION = "kubernetes.core"


def action_of(name: str) -> type[ActionBase]:
    """The action that does what the module of this name in kubernetes.core does.

    Without that collection it is one that says, when it is run, that there is no such module.
    """
    plugins = f"ansible_collections.{COLLECTION}.plugins"
    try:
        usual: type[ActionBase] = import_module(f"{plugins}.action.{name}").ActionModule
        main: Callable[[], None] | None = import_module(f"{plugins}.modules.{name}").main
    except ImportError:
        usual, main = NormalAction, None
    members = {"main": staticmethod(main) if main else None, "module": f"{COLLECTION}.{name}"}
    return type("ActionModule", (_KubernetesCoreAction, usual), members)


def sentence(told: Any) -> Any:
    """What the API server says, of a failure that is told with its whole answer; any other as it is."""
    before, brace, answer = str(told).partition("{")
    if not before.startswith("Failed to ") or not brace:
        return told
    with suppress(ValueError):
        status, _end = json.JSONDecoder().raw_decode(brace + answer)
        return " ".join(str(status.get("message") or told).split())
    return told


def of_deployment(result: Variables) -> str:
    """What is to be said besides, of a failed wait for a Deployment; nothing of any other failure."""
    found = result.get("result")
    return trouble(found) if isinstance(found, dict) and found.get("kind") == "Deployment" else ""


class _KubernetesCoreAction(InProcess):
    module: str
    """Its full name."""

    def _execute_module(self, *args: Any, **keywords: Any) -> dict[str, Any]:
        result = super()._execute_module(*args, **{**keywords, "module_name": self.module})
        if not result.get("failed") or "msg" not in result:
            return result
        told, besides = sentence(result["msg"]), of_deployment(result)
        return {**result, "msg": f"{told}{besides}" if besides else told}

    def _early_needs_tmp_path(self) -> bool:
        """Whether files may have to be copied to another machine; to make a folder for them takes three programs."""
        needed: bool = self._connection.transport != "local" and super()._early_needs_tmp_path()
        return needed

    def _can_run_here(self, variables: Variables, environment: Variables) -> bool:
        return KNOWN and type(self).main is not None and super()._can_run_here(variables, environment)

    def _run_here(self, *args: Any, **keywords: Any) -> dict[str, Any]:
        try:
            return super()._run_here(*args, **keywords)
        finally:
            # The client leaves the keys of a kubeconfig to atexit, which Ansible's workers do without; a client that
            # is kept would look for them.
            remove_keys()
            clients.clear()
