# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module of this name, in Ansible's own process where it can be."""

from __future__ import annotations

from ansible_collections.avi.egress.plugins.modules import avi_egress_preflight
from ansible_collections.avi.egress.plugins.plugin_utils.in_process import InProcessAction


class ActionModule(InProcessAction):
    main = staticmethod(avi_egress_preflight.main)
