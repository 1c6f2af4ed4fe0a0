#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
#
# Builds the reference site of what Ansible finds as avi.egress: build.sh FOLDER makes FOLDER/html. A warning fails it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
pages=$1/rst
mkdir -p "$pages"
chmod 755 "$pages" # antsibull-docs writes into no folder that others may write to
antsibull-docs --config-file "$here/antsibull-docs.cfg" collection --use-current --fail-on-error \
  --cleanup everything --squash-hierarchy --dest-dir "$pages" avi.egress
sphinx-build -q -W --keep-going -c "$here" "$pages" "$1/html"
