#!/bin/sh
# No library may hold instructions of AVX-VNNI, {vex} vpdpbusd and its kin: Highway 1.0.3 lets compilers emit them for its target
# AVX3_DL, and they are illegal on most processors that have AVX-512. ops/kernels/hwy_fix puts that right; this proves
# that it stood in the include path of every unit. Ends with `N passed, N failed`.
# usage: sh tests/vex.sh OBJDUMP LIBRARY...   (the first library must hold AVX3_DL code, or the search proves nothing)
set -u
objdump=$1
shift
passed=0 failed=0
check() { # WHAT, and a command that must succeed
  what=$1
  shift
  if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "failed: $what"; fi
}
finds() { "$objdump" -d --no-show-raw-insn "$1" | grep -m 1 -q "$2"; }
none() { "$objdump" -d --no-show-raw-insn "$1" > "$tmp/text" && [ -s "$tmp/text" ] && ! grep -m 3 "{vex}" "$tmp/text"; }

tmp=$(mktemp -d) && trap 'rm -rf "$tmp"' EXIT
printf '{vex} vpdpbusd %%ymm1, %%ymm2, %%ymm3\n' > "$tmp/planted.s"
check "the search finds a planted one" sh -c "as -o '$tmp/planted.o' '$tmp/planted.s'"
check "the search finds a planted one" finds "$tmp/planted.o" "{vex}"
check "$1 holds code for AVX3_DL" finds "$1" "vpopcntq"
for library in "$@"; do check "$library holds no {vex}" none "$library"; done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
