# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What tests of several folders and the demonstration share: servers, processes, observers and objects.

What one folder alone needs stands in that folder, in a file that is no test. No test imports from another test.
"""
