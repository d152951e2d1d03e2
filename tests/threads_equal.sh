#!/bin/sh
# usage: sh tests/threads_equal.sh [STEPS] [BANTAM] [SERIAL_BUILD]     (300, build/bantam, build-serial)
# The checkpoint after STEPS steps of fashion-mnist-bnn has the same SHA-256 on one thread, on two, on five, and from a
# build without threads (made in SERIAL_BUILD if it is not there). Ends with `N passed, N failed`.
set -eu
steps=${1:-300} bantam=${2:-build/bantam} serial=${3:-build-serial}
case $bantam in /*) ;; *) bantam=$PWD/$bantam ;; esac
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

[ -f "$serial/build.ninja" ] || meson setup "$serial" -Dthreads=serial -Dtests=false -Dbench=disabled >/dev/null
ninja -C "$serial" bantam >"$serial/ninja.log" || { tail -n 20 "$serial/ninja.log"; echo "0 passed, 1 failed"; exit 1; }

train() { # NAME PROGRAM THREADS
  "$2" train fashion-mnist-bnn --quiet --max-steps "$steps" --out "$work/$1" --threads "$3" >/dev/null
  sum=$(sha256sum "$work/$1/last.safetensors" | cut -d ' ' -f 1)
  echo "$sum  $1"
}
train "1 thread" "$bantam" 1
wanted=$sum passed=0 failed=0
for threads in 2 5; do
  train "$threads threads" "$bantam" $threads
  if [ "$sum" = "$wanted" ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
done
train "serial build" "$serial/bantam" 1
if [ "$sum" = "$wanted" ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
echo "$passed passed, $failed failed"
[ $failed = 0 ]
