# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""When a module runs in Ansible's own process, and what it finds there."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible.module_utils import basic
from ansible.module_utils.basic import AnsibleModule, env_fallback
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play_context import PlayContext
from ansible.plugins.action.normal import ActionModule as NormalAction
from ansible.template import Templar
from ansible_collections.avi.egress.plugins.module_utils.client.connection import Connection
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient
from ansible_collections.avi.egress.plugins.modules import avi_ipam_lease_info
from ansible_collections.avi.egress.plugins.plugin_utils import in_process
from ansible_collections.avi.egress.plugins.plugin_utils.in_process import InProcessAction

from tests.support.checkout import files
from tests.support.json_handler import JsonHandler

pytestmark = pytest.mark.skipif(not hasattr(basic, "_ANSIBLE_PROFILE"), reason="in Ansible's process since core 2.19")

COLLECTION = Path(__file__).parents[3]
REQUESTS = 3
"""Of ``avi_ipam_lease_info``: a list of each kind of object."""
AS_A_MODULE = {"way": "module"}
PLUGINS_OF_TEMPLATES = files("plugins/filter/*.py", "plugins/test/*.py")


def module() -> None:
    """A module that tells what it was given and where it is."""
    print("noise that is no JSON")
    print("noise", file=sys.stderr)
    given = AnsibleModule(
        {
            "kubeconfig": {"type": "path", "fallback": (env_fallback, ["K8S_AUTH_KUBECONFIG"])},
            "number": {"type": "int", "aliases": ["count"]},
            "secret": {"type": "str", "no_log": True},
        },
        supports_check_mode=True,
    )
    given.exit_json(way="here", folder=str(Path.cwd()), check_mode=given.check_mode, said=f"it is {given.params}")


class Api(ThreadingHTTPServer):
    """An API server that has no objects."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.connections = self.requests = 0
        self.status = 200
        self.options = {"host": f"http://127.0.0.1:{self.server_port}", "api_key": "token"}


class _Answer(JsonHandler):
    server: Api

    def setup(self) -> None:
        self.server.connections += 1
        super().setup()

    def do_GET(self) -> None:
        self.server.requests += 1
        self.answer(self.server.status, {"items": [], "metadata": {"resourceVersion": "1"}})


@pytest.fixture
def api() -> Iterator[Api]:
    with Api() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Runs the action as Ansible would for a task on localhost, but for what the test changes."""
    monkeypatch.setattr(NormalAction, "_execute_module", lambda *_args, **_keywords: AS_A_MODULE)

    def run(
        options: dict[str, Any] | None = None,
        *,
        main: Callable[[], None] = module,
        variables: dict[str, Any] | None = None,
        connection: dict[str, Any] | None = None,
        **task: Any,
    ) -> dict[str, Any]:
        shell = SimpleNamespace(tmpdir=None, env_prefix=lambda **_: "", get_option=lambda _name: "~/.ansible/tmp")
        local = {"transport": "local", "become": None, "socket_path": None, "_shell": shell, **(connection or {})}
        loader = DataLoader()
        loader.set_basedir(str(tmp_path))
        usual = {"action": "avi.egress.some", "args": options or {}, "environment": [], "delegate_to": None}
        usual |= {"async_val": 0, "check_mode": False, "no_log": False, "diff": False, **task}
        kind = type("ActionModule", (InProcessAction,), {"main": staticmethod(main)})
        action = kind(SimpleNamespace(**usual), SimpleNamespace(**local), PlayContext(), loader, Templar(loader))
        return action._execute_module(task_vars={"ansible_python_interpreter": sys.executable, **(variables or {})})

    return run


Run = Callable[..., dict[str, Any]]


def test_it_runs_here_with_the_options_given(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = {"count": "3", "secret": "abcd"}
    result = run(options)

    assert result["way"] == "here"
    assert result["folder"] == str(tmp_path), "the playbook's folder, as for a module"
    assert "'number': 3" in result["said"]
    assert "'secret': '********'" in result["said"]
    assert "abcd" not in json.dumps(result)
    assert {name for name in result if name.startswith("_ansible")} <= {"_ansible_parsed"}, "as of every module"
    assert options == {"count": "3", "secret": "abcd"}, "nothing is left in the task's own options"
    assert Path.cwd() != tmp_path
    assert capsys.readouterr() == ("", ""), "a worker has no business with either"
    assert run(check_mode=True)["check_mode"] is True


def test_wrong_options_fail_in_one_sentence(run: Run) -> None:
    unknown, wrong = run({"nonsense": 1}), run({"number": "many"})

    assert unknown["failed"]
    assert unknown["msg"].startswith("Unsupported parameters for (avi.egress.some) module: nonsense.")
    assert wrong["failed"]
    assert "cannot be converted to an int" in wrong["msg"] or "unable to convert to int" in wrong["msg"]


def test_the_tasks_environment_counts_for_the_task_alone(run: Run) -> None:
    result = run(environment=[{"K8S_AUTH_KUBECONFIG": "/some/where"}])

    assert "'kubeconfig': '/some/where'" in result["said"]
    assert "K8S_AUTH_KUBECONFIG" not in os.environ


@pytest.mark.parametrize(
    "different",
    [
        {"connection": {"transport": "ssh"}},
        {"connection": {"become": SimpleNamespace(name="sudo")}},
        {"async_val": 60},
        {"environment": [{"HTTPS_PROXY": "http://proxy:3128"}]},
        {"environment": [{"K8S_AUTH_HOST": "https://api"}, {"PYTHONPATH": "/elsewhere"}]},
        {"variables": {"ansible_python_interpreter": "/usr/bin/python-of-another"}},
        {
            "delegate_to": "other",
            "variables": {"ansible_delegated_vars": {"other": {"ansible_python_interpreter": "/other/python"}}},
        },
    ],
    ids=["another machine", "become", "async", "proxy", "python path", "another python", "delegated"],
)
def test_what_would_be_another_process_is_a_module_as_ever(run: Run, different: dict[str, Any]) -> None:
    assert run(**different) == AS_A_MODULE


@pytest.mark.parametrize("interpreter", ["", "auto", "auto_silent", sys.executable])
def test_any_python_will_do_where_none_is_named(run: Run, interpreter: str) -> None:
    assert run(variables={"ansible_python_interpreter": interpreter})["way"] == "here"


def test_the_same_file_in_another_virtual_environment_is_another_python(run: Run, tmp_path: Path) -> None:
    other = tmp_path / "python"
    other.symlink_to(Path(sys.executable).resolve())

    assert run(variables={"ansible_python_interpreter": str(other)}) == AS_A_MODULE


def test_without_its_libraries_here_it_is_a_module(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = in_process.LIBRARIES[0]._replace(missing="no such module")
    monkeypatch.setattr(in_process, "LIBRARIES", (missing,))

    assert run() == AS_A_MODULE


def test_under_an_older_core_it_is_a_module(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(basic, "_ANSIBLE_PROFILE")

    assert run() == AS_A_MODULE


def test_a_fault_of_ours_is_ansibles_to_tell(run: Run) -> None:
    def broken() -> None:
        raise ZeroDivisionError("a fault of ours")

    before, folder = dict(os.environ), Path.cwd()

    with pytest.raises(ZeroDivisionError):
        run(main=broken, environment=[{"K8S_AUTH_HOST": "https://api"}])
    assert (dict(os.environ), Path.cwd()) == (before, folder)


def test_the_items_of_a_loop_share_one_connection(run: Run, api: Api) -> None:
    results = [run(api.options, main=avi_ipam_lease_info.main) for _item in range(3)]

    assert [item["leases"] for item in results] == [[], [], []]
    assert api.requests == 3 * REQUESTS
    assert api.connections == 1


def test_other_credentials_and_what_is_tried_again_have_connections_of_their_own(run: Run, api: Api) -> None:
    run(api.options, main=avi_ipam_lease_info.main)
    run({**api.options, "api_key": "another"}, main=avi_ipam_lease_info.main)
    assert api.connections == 2
    api.status = 401
    assert run(api.options, main=avi_ipam_lease_info.main)["failed"]
    api.status = 200
    assert not run(api.options, main=avi_ipam_lease_info.main).get("failed")
    assert api.connections == 4


def test_a_forked_process_leaves_its_parents_connection_alone(run: Run, api: Api) -> None:
    run(api.options, main=avi_ipam_lease_info.main)
    child = get_context("fork").Process(target=run, args=(api.options,), kwargs={"main": avi_ipam_lease_info.main})
    child.start()
    child.join()

    assert child.exitcode == 0
    assert (api.requests, api.connections) == (2 * REQUESTS, 2)


def test_no_key_of_a_kubeconfig_outlives_its_task(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys, kubeconfig = _with_keys(tmp_path, monkeypatch)
    seen: list[str] = []
    monkeypatch.setattr(KubeClient, "list", lambda self, *_args, **_keywords: seen.append(_key_of(self)) or [])

    for _item in range(2):
        assert not run({"kubeconfig": str(kubeconfig)}, main=avi_ipam_lease_info.main).get("failed")
        assert list(keys.iterdir()) == []
    assert seen == ["a key"] * 2 * REQUESTS


def _key_of(cluster: KubeClient) -> str:
    return Path(cluster._client.configuration.key_file).read_text()


def _with_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A folder for temporary files, and a kubeconfig that holds its keys in itself."""
    keys, kubeconfig = tmp_path / "keys", tmp_path / "kubeconfig"
    keys.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(keys))
    key = base64.b64encode(b"a key").decode()
    user = {"client-certificate-data": key, "client-key-data": key}
    config = {
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    kubeconfig.write_text(yaml.safe_dump(config))
    return keys, kubeconfig


def test_a_worker_leaves_no_key_of_a_kubeconfig_behind(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, kubeconfig = _with_keys(tmp_path, monkeypatch)
    seen = tmp_path / "seen"

    def work() -> None:
        configuration = Connection(kubeconfig=str(kubeconfig)).api_client().configuration
        seen.write_text(
            f"{Path(configuration.key_file).read_text()} below {configuration.key_file.startswith(str(keys))}"
        )

    child = get_context("fork").Process(target=work)
    child.start()
    child.join()

    assert child.exitcode == 0
    assert seen.read_text() == "a key below True"
    assert list(keys.iterdir()) == []


def test_every_module_has_its_action() -> None:
    runtime = yaml.safe_load((COLLECTION / "meta/runtime.yml").read_text())
    actions = {path.stem for path in files("plugins/action/*.py")}

    assert actions == set(runtime["action_groups"]["all"])


LOADED = """
import sys
from ansible.plugins.loader import action_loader, init_plugin_loader
init_plugin_loader()
action_loader.get("avi.egress.k8s", class_only=True)
print(*sys.modules)
"""


def test_workers_are_forked_with_the_filters_and_tests_of_the_collection() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    wanted = [f"ansible_collections.avi.egress.plugins.{path.parent.name}.{path.stem}" for path in PLUGINS_OF_TEMPLATES]
    assert wanted
    assert [name for name in wanted if name not in loaded] == []
