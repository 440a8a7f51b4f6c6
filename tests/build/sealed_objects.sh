#!/bin/sh
# Every sealed kernel object has one global symbol, its table, no code that runs before main, and no group that a linker could
# merge with another object's. Sealed objects of every level of the list must be there.
set -eu
cd "$(dirname "$0")/../.."
objects=0 breaches=0
for object in build/release/kernels/*.o; do
  [ -e "$object" ] || continue
  objects=$((objects + 1))
  name=$(basename "$object" .o)
  family=${name%_*} isa=${name##*_}
  globals=$(nm -C --defined-only --extern-only "$object" | awk '{print $3}')
  if [ "$globals" != "tenon::cpu::$isa::${family}_table" ]; then
    echo "$object: its globals are [$globals], expected only tenon::cpu::$isa::${family}_table"
    breaches=$((breaches + 1))
  fi
  if readelf -SW "$object" | grep -E '\.(init|fini|ctors|preinit)_?(array)?|GROUP'; then
    echo "$object: has start-up code or a section group"
    breaches=$((breaches + 1))
  fi
done
expected=$(grep -c TENON_TABLE build/release/generated/kernels/cpu/tables.inc)
if [ "$expected" = 0 ] || [ $objects -lt "$expected" ]; then
  echo "$objects sealed objects, expected $expected"
  breaches=$((breaches + 1))
fi
echo "$objects sealed objects, $breaches breaches"
[ $breaches = 0 ]
