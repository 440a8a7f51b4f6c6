#!/bin/sh
# Installs the release build into a folder of its own, builds tests/build/consumer against it with find_package(Tenon), and runs it:
# the right digit for the model of the demo, and the documented exit status with a chain of reasons for a file that is none.
set -eu
cd "$(dirname "$0")/../.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cmake --install build/release --prefix "$folder/tenon" >"$folder/log" || { cat "$folder/log" && exit 1; }
cmake -G Ninja -S tests/build/consumer -B "$folder/build" -DCMAKE_PREFIX_PATH="$folder/tenon" -DCMAKE_BUILD_TYPE=Release
cmake --build "$folder/build"

answer=$("$folder/build/digits" bench/zoo/digits/digits.onnx)
[ "$answer" = "digit 1" ] || { echo "the program printed \"$answer\", expected \"digit 1\"" && exit 1; }
status=0
"$folder/build/digits" README.md 2>"$folder/said" || status=$?
cat "$folder/said"
[ $status = 3 ] && grep -q "README.md" "$folder/said" || { echo "a file that is no model: status $status, expected 3 and its name" && exit 1; }
# The program sees the public headers alone: nothing of the source tree.
ls "$folder/tenon/include/tenon/tenon.h" "$folder/tenon/bin/tenon"
