# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A server that answers as AWX's API (24.6.1) does, as far as avi.egress.awx_setup uses it; it isn't AWX.

It keeps objects and judges requests by AWX's documented rules, written from what the modules of awx.awx ask of the API
and how they read its answers. It runs nothing: an update of a project ends at once, by the branches that it knows.
"""
