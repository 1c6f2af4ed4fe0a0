# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Other versions of what users have: by ``make versions``, as that takes longer than each change may wait."""
