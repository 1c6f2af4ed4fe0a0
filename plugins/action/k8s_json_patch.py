# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""``kubernetes.core.k8s_json_patch``, in Ansible's own process where it can be."""

from __future__ import annotations

from ansible_collections.avi.egress.plugins.plugin_utils.kubernetes_core import action_of

ActionModule = action_of("k8s_json_patch")
