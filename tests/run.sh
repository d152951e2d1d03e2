#!/bin/sh
# usage: sh tests/run.sh [--no-install | --install-only] [--build DIR] [--only FOLDER,...] [-- MESON_OPTION...]
# Installs what the build and the tests need (apt-get, with sudo only if you are not root), builds, runs every test, and
# ends with the line `N passed, N failed`, counted over test cases. A test that did not run is a failure.
#   --build DIR    build folder (build); configured with MESON_OPTIONs if it is new
#   --only A,B     only these folders of tests/, nothing else, and no program
# Exit code: 0 if nothing failed.
set -eu
cd "$(dirname "$0")/.."

install=yes build=build only=
while [ $# -gt 0 ]; do
  case $1 in
    --no-install) install=no ;;
    --install-only) install=only ;;
    --build) build=$2; shift ;;
    --only) only=$2; shift ;;
    --) shift; break ;;
    -h | --help) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "tests/run.sh: unknown option $1" >&2; exit 2 ;;
  esac
  shift
done

if [ $install != no ]; then
  sh tests/install.sh build-essential meson ninja-build pkg-config libtbb-dev libhwy-dev libstb-dev doctest-dev \
    libbenchmark-dev nlohmann-json3-dev libcli11-dev libtomlplusplus-dev zlib1g-dev dataset-fashion-mnist strace
  [ $install = yes ] || exit 0
fi

gave_up() { # WHY
  echo "$1"
  echo "0 passed, 1 failed"
  exit 1
}
targets=
if [ -n "$only" ]; then
  targets=tests/bantam_tests
  set -- "-Dtest_folders=$only" "$@"
fi
[ -f "$build/build.ninja" ] || meson setup "$build" "$@" || gave_up "cannot configure $build"
# shellcheck disable=SC2086  # none or one
ninja -C "$build" $targets || gave_up "does not build"

# Which of meson's tests: the folders of --only (and no script, those belong to the full run), or all of them.
names=
[ -z "$only" ] || names=$(echo "$only" | tr ',' ' ')
log=$build/meson-logs/testlog.txt
rm -f "$log"
# shellcheck disable=SC2086  # words on purpose
meson test -C "$build" --no-rebuild --print-errorlogs --timeout-multiplier 3 $names || true
[ -f "$log" ] || gave_up "no test ran"

# Counts of every test of meson: what doctest sums up, and lines `N passed, N failed` of scripts and other programs. One
# that ended badly without saying how many failed (crash, time out, skip) is one failure.
counts=$(awk '
  function finish() {
    if (name == "") return
    if (result != "exit status 0" && !bad) { print "failed: " name " (" result ")" > "/dev/stderr"; failed += 1 }
    print "ran", name, ran
  }
  /^test: / { finish(); name = $0; sub(/^test: */, "", name); sub(/^.*\//, "", name); result = ""; bad = 0; ran = 0; next }
  /^result: / { result = $0; sub(/^result: */, "", result); next }
  /^\[doctest\] test cases:/ { gsub(/\|/, " "); passed += $5; failed += $7; bad += $7; ran += $4; next }
  /^[0-9]+ passed, [0-9]+ failed$/ { passed += $1; failed += $3; bad += $3; ran += $1 + $3 }
  END { finish(); print "sum", passed + 0, failed + 0 }' "$log")
passed=$(echo "$counts" | awk '$1 == "sum" { print $2 }')
failed=$(echo "$counts" | awk '$1 == "sum" { print $3 }')

# Every TEST_CASE that the sources hold must have run: one that is compiled out, filtered out, or in a file that no
# meson.build lists, is a failure.
for folder in tests/*/; do
  folder=$(basename "$folder")
  if [ -n "$only" ]; then
    case ",$only," in *",$folder,"*) ;; *) continue ;; esac
  fi
  written=$(find "tests/$folder" -name '*_test.cc' -exec grep -h '^ *TEST_CASE' {} + | wc -l)
  ran=$(echo "$counts" | awk -v f="$folder" '$1 == "ran" && $2 == f { n += $3 } END { print n + 0 }')
  if [ "$ran" -lt "$written" ]; then
    echo "failed: $((written - ran)) of the $written test cases in tests/$folder did not run"
    failed=$((failed + written - ran))
  fi
done
# And whatever else meson runs must have counted something.
for silent in $(echo "$counts" | awk '$1 == "ran" && $3 == 0 { print $2 }'); do
  [ ! -d "tests/$silent" ] || continue
  echo "failed: $silent ran no test"
  failed=$((failed + 1))
done

echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
