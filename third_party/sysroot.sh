#!/bin/sh
# Fills a folder with what the library links and includes for AArch64: Debian's static libraries, unpacked without installing
# them, and links to the header-only packages of this machine. Needs no root rights and leaves the system's apt state alone.
#   sysroot.sh FOLDER
set -eu
[ $# = 1 ] || { echo "usage: sysroot.sh FOLDER" >&2; exit 2; }
mkdir -p "$1"
cd "$1"
[ ! -f complete ] || exit 0

mkdir -p apt/lists/partial apt/archives/partial
touch apt/status
apt() {
  apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o APT::Sandbox::User=root -o Acquire::Languages=none \
    -o Dir::State="$PWD/apt" -o Dir::State::status="$PWD/apt/status" -o Dir::Cache="$PWD/apt" "$@"
}
if ! apt update || ! apt download libssl-dev:arm64 zlib1g-dev:arm64; then
  echo "sysroot.sh: the package sources of this machine have no libssl-dev and zlib1g-dev for arm64 (Debian's have)" >&2
  exit 5
fi
for package in ./*.deb; do
  dpkg-deb -x "$package" .
done
rm -rf apt ./*.deb
for headers in xsimd protozero nlohmann CLI stb; do
  ln -sfn "/usr/include/$headers" "usr/include/$headers"
done
touch complete
