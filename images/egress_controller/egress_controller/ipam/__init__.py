# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Leases and addresses as this controller claims, guards and gives them up."""
