#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Installs what is missing, builds, and opens the workbench on the example project. Without a display, or with
# --headless, runs the example pipeline in the terminal instead. Other arguments go to the program.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/resources/setup.sh"

headless=
arguments=()
for argument in "$@"; do
    case $argument in
    --headless) headless=1 ;;
    -h | --help)
        cat <<HELP
usage: ./run.sh [--headless] [arguments of the program]

Installs missing Debian packages, builds Retoscope into build/release and opens the workbench on the example project
(example/postgresql-manual). Without a display, or with --headless, the example pipeline runs in the terminal.
HELP
        exit 0
        ;;
    *) arguments+=("$argument") ;;
    esac
done
[ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] || headless=1

install_missing "${build_packages[@]}" "${example_packages[@]}"
build_preset release retoscope-cli retoscope

project=$retoscope_root/example/postgresql-manual
description=$retoscope_root/projects/postgresql-manual/project.json
cli=$retoscope_root/build/release/app/cli/retoscope-cli
desktop=$retoscope_root/build/release/app/desktop/retoscope

if [ -z "$headless" ]; then
    if [ ! -f "$project/retoscope.json" ]; then
        "$cli" project new "$project" >&2
    fi
    exec "$desktop" --description "$description" "${arguments[@]}" "$project"
fi

"$cli" run "$description" --project "$project" "${arguments[@]}"
for format in svg png pdf; do
    QT_QPA_PLATFORM=offscreen "$desktop" --export foss --to "$project/results/foss.$format" "$project" >&2
done
printf 'Table and FoSS curve (csv, json, md, svg, png, pdf): %s\n' "$project/results" >&2
