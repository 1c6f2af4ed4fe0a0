# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Sphinx settings of the reference site."""

from __future__ import annotations

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

project = "avi.egress"
copyright = "2026, avi.egress contributors"
title = html_short_title = "avi.egress"
extensions = ["sphinx_antsibull_ext"]
pygments_style = "ansible"
highlight_language = "YAML+Jinja"
html_theme = "sphinx_ansible_theme"
html_show_sphinx = html_copy_source = html_use_index = html_use_modindex = False
default_role = "any"
nitpicky = True

ANSIBLE = "https://docs.ansible.com/projects/ansible/latest/"
ANSIBLE_PAGES = {
    "action_plugins": "plugins/action.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
    "common_return_values": "reference_appendices/common_return_values.html",
}
"""What generated pages refer to in Ansible's own documentation; an inventory of it would have to be fetched."""


def ansible_page(
    _app: Sphinx, _env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.reference | None:
    page = ANSIBLE_PAGES.get(node["reftarget"])
    return nodes.reference("", "", content, refuri=ANSIBLE + page, internal=False) if page else None


def setup(app: Sphinx) -> None:
    app.connect("missing-reference", ansible_page)
