#!/bin/sh
# Installs the packages that building and testing Tenon needs, by name, on Debian 12 or newer and Ubuntu.
# Looks first at what is missing: where nothing is, it returns at once and needs neither rights nor a network.
#   install.sh           what ./dev build, demo, test and bench need
#   install.sh neon      also the cross compiler and emulator for ./dev test --neon
#   install.sh fuzz      also clang for ./dev test --fuzz
#   install.sh format    also clang-format
set -eu

packages="g++ cmake ninja-build ccache git libssl-dev zlib1g-dev libxsimd-dev libprotozero-dev nlohmann-json3-dev libcli11-dev
  libstb-dev libgtest-dev libbenchmark-dev python3 python3-venv"
[ "$(uname -m)" != x86_64 ] || packages="$packages libipsec-mb-dev"
for group in "$@"; do
  case $group in
    neon) packages="$packages g++-aarch64-linux-gnu qemu-user googletest" ;;
    fuzz) packages="$packages clang" ;;
    format) packages="$packages clang-format" ;;
    *) echo "install.sh: no group is named \"$group\"; there are neon, fuzz and format" >&2; exit 2 ;;
  esac
done

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "install.sh knows Debian and Ubuntu only. Install the counterparts of these packages, then build with cmake --preset release:" >&2
  echo $packages >&2
  exit 5
fi
missing=""
for package in $packages; do
  case $(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null || true) in
    ii*) ;;
    *) missing="$missing $package" ;;
  esac
done
[ -n "$missing" ] || exit 0

echo "missing packages:$missing"
if [ "$(id -u)" = 0 ]; then
  root=""
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
  root="sudo"
else
  echo "installing them needs root rights. Run this, then try again:" >&2
  echo "  sudo apt-get update && sudo apt-get install -y --no-install-recommends$missing" >&2
  exit 5
fi
$root apt-get update -qq
$root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing </dev/null
