# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs a module's own ``main()`` in Ansible's process where that is the same as running it in one of its own.

A module is a program: JSON in, JSON out. Ansible starts a Python for each task, and for each item of a loop, only to
import a client of the API server and to shake hands with it. Here the imports are made once, in the process that all
workers are forked from, and the items of a loop share one connection. The options go in and the result comes out by the
same JSON as otherwise, through the same AnsibleModule, so the results are the same as well. That JSON has been written
this way since ansible-core 2.19; under an older one each module has a process of its own.
"""

from __future__ import annotations

import io
import json
import os
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping

from ansible import constants
from ansible.module_utils import basic
from ansible.plugins.action import ActionBase
from ansible.plugins.action.normal import ActionModule as NormalAction
from ansible.vars import clean
from ansible_collections.avi.egress.plugins.module_utils.module.runner import LIBRARIES
from ansible_collections.avi.egress.plugins.plugin_utils.preloaded import preload

PROFILE = "legacy"
"""How values are written in the JSON that goes to a module and comes back: ansible-core's name for the usual way."""

OUR_VARIABLES = "K8S_AUTH_"
"""What the environment may say to a task that runs here; anything else could mean Python, or the client, itself."""

_INPUT = ("_ANSIBLE_ARGS", "_ANSIBLE_PROFILE")
"""Where ansible-core's own wrapper leaves the options for AnsibleModule."""

Variables = Mapping[str, Any]

preload()  # Now, in the process that is going to fork the workers.


class InProcess(ActionBase):  # type: ignore[misc]
    """What an action of one module needs to run that in this process; what it does besides is the next base's."""

    main: Callable[[], None]
    """The module's."""

    def _execute_module(self, *args: Any, **keywords: Any) -> dict[str, Any]:
        variables: Variables = keywords.get("task_vars") or {}
        environment: dict[str, Any] = {}
        self._compute_environment_string(environment)
        if self._can_run_here(variables, environment):
            self._display.vvv(f"Running {self._task.action} in this process")
            return self._run_here(variables, environment, **keywords)
        result: dict[str, Any] = super()._execute_module(*args, **keywords)
        return result

    def _can_run_here(self, variables: Variables, environment: Variables) -> bool:
        """Whether the module's own process would be a child of this one: same machine, user, Python and environment."""
        return (
            self._connection.transport == "local"
            and not self._connection.become
            and not self._task.async_val
            and all(name.startswith(OUR_VARIABLES) for name in environment)
            and not any(library.missing for library in LIBRARIES)
            and all(hasattr(basic, name) for name in _INPUT)
            and self._is_this_python(self._interpreter(variables))
        )

    def _interpreter(self, variables: Variables) -> str:
        """The Python that is asked for, as ansible-core looks it up; empty, or ``auto...``, where any will do."""
        if self._task.delegate_to:
            variables = variables["ansible_delegated_vars"][self._task.delegate_to]
        asked = constants.config.get_config_value("INTERPRETER_PYTHON", variables=variables)
        return str(self._templar.template(asked) or "")

    @staticmethod
    def _is_this_python(interpreter: str) -> bool:
        """By folder and file: the same file in the folder of another virtual environment has other libraries."""
        if not interpreter or interpreter.startswith("auto"):
            return True
        asked, here = Path(interpreter), Path(sys.executable)
        return (asked.parent.resolve(), asked.resolve()) == (here.parent.resolve(), here.resolve())

    def _run_here(
        self,
        variables: Variables,
        environment: Variables,
        module_name: str | None = None,
        module_args: Variables | None = None,
        **_others: Any,
    ) -> dict[str, Any]:
        # Not at the head of this file, which older versions of ansible-core and of Python import, too.
        from contextlib import chdir

        from ansible.module_utils.common.json import Direction, get_module_encoder

        options = dict(self._task.args if module_args is None else module_args)
        self._update_module_args(module_name or self._task.action, options, variables)
        encoder = get_module_encoder(PROFILE, Direction.CONTROLLER_TO_MODULE)
        given = json.dumps({"ANSIBLE_MODULE_ARGS": options}, cls=encoder).encode()
        folder = self._loader.get_basedir() or "."  # where the local connection starts a module, too
        with _fed(given), _environment(environment), chdir(folder):
            printed = _printed(type(self).main)
        return _told(self._parse_returned_data({"stdout": printed, "stderr": "", "rc": 0}, PROFILE))


class InProcessAction(InProcess, NormalAction):  # type: ignore[misc]
    """The usual action of a module, but for the Python process of its own."""


def _told(result: Any) -> dict[str, Any]:
    """What an action gives back of a module's parsed result, which is an object of its own since ansible-core 2.21."""
    if isinstance(result, dict):
        clean.remove_internal_keys(result)
        return result
    result.remove_internal_keys()
    told: dict[str, Any] = result.as_result_dict(for_round_trip=True)
    return told


def _printed(main: Callable[[], None]) -> str:
    """What a module prints until it exits; what it writes to stderr is nobody's, as in a process of its own."""
    output = io.StringIO()
    with redirect_stdout(output), redirect_stderr(io.StringIO()), suppress(SystemExit):
        main()
    return output.getvalue()


@contextmanager
def _fed(given: bytes) -> Iterator[None]:
    """AnsibleModule finds these options."""
    before = [getattr(basic, name) for name in _INPUT]
    try:
        for name, value in zip(_INPUT, (given, PROFILE)):
            setattr(basic, name, value)
        yield
    finally:
        for name, value in zip(_INPUT, before):
            setattr(basic, name, value)


@contextmanager
def _environment(variables: Variables) -> Iterator[None]:
    before = dict(os.environ)
    try:
        os.environ.update({name: str(value) for name, value in variables.items()})
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
