# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""``python3 -m egress_controller``."""

from __future__ import annotations

import sys

from egress_controller.main import main

sys.exit(main())
