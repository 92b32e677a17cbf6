# SPDX-License-Identifier: GPL-3.0-or-later
# Sourced by run.sh and test.sh: what must be installed, and how a build folder is brought up to date. Quick when nothing
# is missing and nothing changed.

retoscope_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

build_packages=(
    build-essential cmake ninja-build ccache pkg-config git
    qt6-base-dev qt6-svg-dev libqt6svg6 libqcustomplot-dev libgl1-mesa-dev
    libtorch-dev libfaiss-dev libopenblas-dev
    libsqlite3-dev libsentencepiece-dev libpcre2-dev libicu-dev libgumbo-dev zlib1g-dev
    nlohmann-json3-dev libfmt-dev libcli11-dev libxxhash-dev libssl-dev
    fonts-dejavu-core
)
example_packages=(postgresql-doc)
test_packages=(libbenchmark-dev xvfb xauth)
fuzz_packages=(clang libclang-rt-dev) # the slow suite's fuzz targets

die() {
    printf 'retoscope: %s\n' "$*" >&2
    exit 1
}

# install_missing PACKAGE…: installs those that dpkg does not know as installed; asks for nothing when all are there.
install_missing() {
    command -v dpkg-query >/dev/null || die "this script installs Debian packages; on another system install their equivalents ($*) and use CMake directly (see README.md)."
    local missing=() package
    for package in "$@"; do
        if [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" != installed ]; then
            missing+=("$package")
        fi
    done
    [ ${#missing[@]} -eq 0 ] && return
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || die "these packages are missing and neither root nor sudo is at hand: ${missing[*]}"
        as_root=(sudo)
    fi
    printf 'Installing %d Debian packages: %s\n' "${#missing[@]}" "${missing[*]}" >&2
    "${as_root[@]}" apt-get update -qq >&2 || die "the package lists cannot be updated; check the network connection."
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2 ||
        die "these packages cannot be installed: ${missing[*]}; install them by hand, then run this script again."
}

# build_preset PRESET TARGET…: configures when needed, then builds.
build_preset() {
    local preset=$1
    shift
    cd "$retoscope_root" || die "the folder $retoscope_root has vanished."
    local folder=build/$preset log
    log=$(mktemp)
    if [ ! -f "$folder/build.ninja" ]; then
        printf 'Configuring (%s) …\n' "$preset" >&2
        cmake --preset "$preset" >"$log" 2>&1 || { cat "$log" >&2; rm -f "$log"; die "the configuration failed, see above."; }
    fi
    rm -f "$log"
    printf 'Building (%s) …\n' "$preset" >&2
    if [ -t 2 ]; then
        ninja -C "$folder" "$@" >&2 || die "the build failed, see above."
    else
        ninja -C "$folder" --quiet "$@" >&2 || die "the build failed, see above."
    fi
}
