#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes the fuzz targets in build/fuzz of the checkout that is given.
set -euo pipefail
cd "$1"
[ -f build/fuzz/build.ninja ] || cmake --preset fuzz
ninja -C build/fuzz
