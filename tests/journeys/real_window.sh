#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs a test program in a real window on a virtual X display: real_window.sh PROGRAM [ARGUMENT…]. Without xvfb it says so
# and ends with 77, which CTest takes for "skipped".
set -euo pipefail
for tool in xvfb-run xauth; do
    if ! command -v "$tool" >/dev/null; then
        printf 'SKIP: %s is not installed, so there is no display for a real window; install the packages xvfb and xauth.\n' "$tool"
        exit 77
    fi
done
unset WAYLAND_DISPLAY
export QT_QPA_PLATFORM=xcb
exec xvfb-run --auto-servernum --server-args='-screen 0 1920x1080x24' "$@"
