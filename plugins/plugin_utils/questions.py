# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asks a cluster something for a lookup or inventory plugin, by the same options as the modules have."""

from __future__ import annotations

from typing import Any, Callable, Mapping, TypeVar

from ansible.module_utils.basic import missing_required_lib
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.avi.egress.plugins.module_utils.api.errors import EgressError
from ansible_collections.avi.egress.plugins.module_utils.client.connection import Connection, remove_keys
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient
from ansible_collections.avi.egress.plugins.module_utils.module.argument_specs import CONNECTION, ArgumentSpec
from ansible_collections.avi.egress.plugins.module_utils.module.runner import LIBRARIES, PATIENCE_SECONDS

Answer = TypeVar("Answer")
Options = Mapping[str, Any]


class CannotAsk(EgressError):
    """Options that the plugin does not have or cannot take, or a library that is not there."""


def ask(
    given: Options,
    spec: ArgumentSpec,
    question: Callable[[KubeClient, Options], Answer],
    validate: Callable[[Options], object],
) -> Answer:
    """What the question finds in the cluster that the options lead to; EgressError, one sentence, if nothing.

    An option that is unknown is refused, for a filter with a wrong name would be none. ``validate`` sees the options
    before there is a connection.
    """
    options = options_of(given, spec)
    validate(options)
    try:
        return question(KubeClient(Connection.from_options(options), PATIENCE_SECONDS), options)
    finally:
        remove_keys()


def options_of(given: Options, spec: ArgumentSpec) -> Options:
    """Own and connection's, with defaults and the values of environment variables, of the modules' types.

    Raises CannotAsk.
    """
    for library in LIBRARIES:
        if library.missing:
            raise CannotAsk(missing_required_lib(library.name))
    checked = ArgumentSpecValidator((CONNECTION + spec).keywords()["argument_spec"]).validate(dict(given))
    if checked.error_messages:
        raise CannotAsk(checked.error_messages[0])
    options: Options = checked.validated_parameters
    return options
