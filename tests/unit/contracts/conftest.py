# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Makes the router's package importable where it lies; examples take the time that they take."""

import sys

from hypothesis import settings

from tests.support.checkout import CHECKOUT

sys.path.insert(0, str(CHECKOUT / "images/egress_router"))
settings.register_profile("contracts", deadline=None)
settings.load_profile("contracts")
