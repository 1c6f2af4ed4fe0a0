# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Where the files of this checkout are."""

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
