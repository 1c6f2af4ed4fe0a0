# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What the Molecule scenarios of ``extensions/molecule`` stand on: their cluster, and the version to upgrade from."""
