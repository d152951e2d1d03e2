#!/bin/sh
# usage: sh tests/fuzz/run.sh SECONDS [BUILD_FOLDER [TARGET...]]
# Builds the fuzzers with clang (address and undefined-behaviour sanitizers), runs each for SECONDS from its seeds, and
# measures which lines of the reader its corpus reaches. Ends with `N passed, N failed`: a fuzzer fails by a finding
# (the input lies in BUILD_FOLDER/findings), a reader by less than 90 % of its lines.
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:?usage: run.sh SECONDS [BUILD_FOLDER [TARGET...]]}
build=${2:-build-fuzz}
[ $# -lt 2 ] || shift
shift
minimum=90

list=tests/fuzz/targets.txt
targets=${*:-$(awk '!/^#/ && NF { print $1 }' $list)}

if [ ! -f "$build/build.ninja" ]; then
  if command -v ccache >/dev/null; then wrap='ccache '; else wrap=; fi
  CC="${wrap}clang-14" CXX="${wrap}clang++-14" meson setup "$build" -Dfuzz=true -Db_lundef=false -Dpool=off -Dsimd=static \
    -Dthreads=serial -Doptimization=1 -Dbench=disabled >/dev/null
fi
# shellcheck disable=SC2046,SC2086  # words on purpose
ninja -C "$build" $(for t in $targets; do echo "tests/fuzz/fuzz_$t"; done) >"$build/ninja.log" || { tail -n 40 "$build/ninja.log"; echo "0 passed, 1 failed"; exit 1; }

mkdir -p "$build/corpus" "$build/findings" "$build/profile"
one() { # TARGET: exit code of the fuzzer
  corpus=$build/corpus/$1
  mkdir -p "$corpus"
  program=$build/tests/fuzz/fuzz_$1
  LLVM_PROFILE_FILE=/dev/null "$program" "--write-seeds=$corpus" >"$build/$1.log" 2>&1 &&
    LLVM_PROFILE_FILE=$build/profile/$1.profraw "$program" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=1024 -malloc_limit_mb=256 \
      -max_len=65536 -print_final_stats=1 -artifact_prefix="$build/findings/$1-" "$corpus" >"$build/$1.log" 2>&1
}
export UBSAN_OPTIONS=print_stacktrace=1

passed=0 failed=0
# Two at a time.
set -- $targets
while [ $# -gt 0 ]; do
  first=$1 second=${2:-}
  one "$first" & a=$!
  b=
  if [ -n "$second" ]; then one "$second" & b=$!; fi
  for pair in "$first:$a" ${b:+"$second:$b"}; do
    name=${pair%%:*}
    if wait "${pair##*:}"; then
      runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$build/$name.log")
      echo "fuzz_$name: ${runs:-0} inputs in $seconds s, no finding"
      passed=$((passed + 1))
    else
      echo "fuzz_$name: FINDING"
      tail -n 40 "$build/$name.log"
      failed=$((failed + 1))
    fi
  done
  shift
  [ -z "$second" ] || shift
done

for name in $targets; do
  sources=$(awk -v n="$name" '$1 == n { $1 = ""; print }' $list)
  [ -n "$sources" ] || continue
  if ! llvm-profdata-14 merge -o "$build/profile/$name.profdata" "$build/profile/$name.profraw" 2>/dev/null; then
    echo "coverage by fuzz_$name: no profile"
    failed=$((failed + 1))
    continue
  fi
  # Lines, and lines missed, are columns 8 and 9 of the report; its own choice of files does not know relative paths.
  if llvm-cov-14 report "$build/tests/fuzz/fuzz_$name" -instr-profile="$build/profile/$name.profdata" |
    awk -v name="$name" -v sources="$sources" -v minimum=$minimum '
      BEGIN { for (n = split(sources, list, " "); n > 0; --n) wanted[list[n]] = 1 }
      { sub(/^(\.\.\/)+/, "", $1) }  # a generated source makes the report start at the build folder
      $1 in wanted { lines += $8; missed += $9; delete wanted[$1] }
      END {
        percent = lines ? 100 * (lines - missed) / lines : 0
        for (s in wanted) { print s " is not in the report"; percent = 0 }
        printf "coverage by fuzz_%s of%s: %.1f %% of %d lines\n", name, sources, percent, lines
        exit !(percent >= minimum)
      }'; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
  fi
done

echo "$passed passed, $failed failed"
[ $failed = 0 ]
