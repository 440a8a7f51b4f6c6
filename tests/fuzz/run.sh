#!/bin/sh
# Runs every fuzz target for a while, from seeds made of what lies in the repository. What it finds stays in build/fuzz/found.
#   run.sh SECONDS
set -eu
cd "$(dirname "$0")/../.."
seconds=$1
mkdir -p build/fuzz/found
for target in build/fuzz/tests/fuzz_*; do
  name=${target##*fuzz_}
  corpus=build/fuzz/corpus/$name
  mkdir -p "$corpus"
  case $name in
    onnx) { printf '\0' && cat bench/zoo/digits/digits.onnx; } >"$corpus/digits" ;;
    structure)
      # A seventh of the conformance cases, each day another, and the model that ships.
      cp bench/zoo/digits/digits.onnx "$corpus/digits"
      cases=${TENON_SHARED:-../shared}/conformance/onnx-backend-data.tar.xz
      if [ -e "$cases" ]; then
        mkdir -p build/fuzz/cases
        tar -xJf "$cases" -C build/fuzz/cases --wildcards '*/model.onnx'
        find build/fuzz/cases -name model.onnx -size -64k | sort | awk -v day="$(date +%j)" 'NR % 7 == day % 7' |
          while read -r model; do cp "$model" "$corpus/$(basename "$(dirname "$model")")"; done
      fi
      ;;
    numpy) cp bench/zoo/digits/digits_test.npz "$corpus/digits" ;;
    seal)
      export TENON_FUZZ_SEEDS="$corpus"
      # Containers that others wrote, good and bad: as a header, as one with its digest put right, and as a whole.
      for sealed in "${TENON_SHARED:-../shared}"/vectors/tenon/*.tenon; do
        [ -e "$sealed" ] && [ "$(wc -c <"$sealed")" -lt 65536 ] || continue
        made=$corpus/$(basename "$sealed" .tenon)
        { printf '\0' && head -c 4096 "$sealed"; } >"$made.header"
        { printf '\1' && head -c 4096 "$sealed"; } >"$made.fixed"
        { printf '\10' && cat "$sealed"; } >"$made.whole"
      done
      ;;
    graph) sed -n 's|^//   ||p' runtime/ir/text.h >"$corpus/example" ;;
  esac
  log=build/fuzz/$name.log
  if ! "$target" "$corpus" -max_total_time="$seconds" -timeout=60 -rss_limit_mb=2048 -max_len=65536 -artifact_prefix="build/fuzz/found/$name-" >"$log" 2>&1; then
    tail -n 40 "$log"
    echo "fuzz_$name found something; repeat: $target build/fuzz/found/$name-*"
    exit 1
  fi
  echo "fuzz_$name: $(sed -n 's/^Done \([0-9]* runs in [0-9]* second\)/\1/p' "$log")"
done
