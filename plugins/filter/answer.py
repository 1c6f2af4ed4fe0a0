# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The answers to a survey's questions, for the playbooks."""

from __future__ import annotations

from typing import Any, Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.avi.egress.plugins.plugin_utils import answers

DOCUMENTATION = r"""
name: answer
short_description: Read the answer to a survey's question
version_added: 0.2.0
author:
  - avi.egress contributors
description:
  - The surveys of AWX give text, or an empty string if a question was not answered, where playbooks want lists,
    dictionaries and ports.
  - A value that has its type already stays as it is, so that one variable serves a survey and a file of variables.
options:
  _input:
    description: The answer, or the value of a variable that may be one.
    type: raw
    required: true
  kind:
    description:
      - What the answer is.
      - V(text) is anything that Ansible itself converts, such as words, numbers, V(true) and V(false).
      - V(list) is a list of names or addresses, separated by commas, spaces or lines, or written in YAML or JSON.
      - V(dict) is a dictionary, written in YAML or JSON.
      - V(ports) is a list of a Service's ports, such as V(80), V(8080:80) for another port of the application,
        V(53/udp) and V(name=80), separated like names, or the option O(avi.egress.avi_egress_service#module:ports)
        written in YAML or JSON.
    type: str
    choices: [text, list, dict, ports]
    default: text
  empty:
    description: What an empty answer stands for, such as C(omit); null by default.
    type: raw
"""

EXAMPLES = r"""
- name: Reach an application through the ports that a survey asked for
  avi.egress.avi_egress_service:
    name: secure-egress-service
    namespace: green
    destination_ip: 10.10.10.200
    ports: "{{ answered_ports | avi.egress.answer('ports') }}" # 'http=80, 8443:443'
    hm_port: "{{ answered_hm_port | default('') | avi.egress.answer('text', omit) }}"
"""

RETURN = r"""
_value:
  description: The value that the answer stands for.
  type: raw
"""


def answer(value: Any, kind: str = "text", empty: Any = None) -> Any:
    """The value that the answer stands for; what can't be read is told in one sentence."""
    if answers.is_unanswered(value):
        return empty
    try:
        return answers.answer(value, kind)
    except answers.BadAnswer as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"answer": answer}
