# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""``python3 -m egress_router``."""

import sys

from egress_router.main import main

sys.exit(main())
