#!/bin/sh
# usage: sh tests/faults.sh [BUILD_FOLDER [FAULT...]]
# Proves that the tests can fail: builds with each fault of tests/faults.txt in turn, runs the tests that must notice, and
# counts the fault as passed if they fail. Also breaks each rule of tests/lint.sh in a copy of the tree.
# Ends with `N passed, N failed`.
set -eu
cd "$(dirname "$0")/.."
build=${1:-build-faults}
[ $# -eq 0 ] || shift

passed=0 failed=0
verdict() { # OK? TEXT
  if [ "$1" = yes ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
  echo "$2"
}

list=tests/faults.txt
faults=$(awk '!/^#/ && NF { print $1 }' $list)
planted=$(grep -rhoE 'BANTAM_FAULT_[A-Z0-9_]+' core ops nn optim data compress cmd --include='*.cc' --include='*.h' |
  sed 's/BANTAM_FAULT_//' | tr '[:upper:]' '[:lower:]' | sort -u | tr '\n' ' ')
if [ "$planted" = "$(echo "$faults" | sort | tr '\n' ' ')" ]; then
  verdict yes "the sources hold the faults of the list"
else
  verdict no "failed: the sources hold other faults than $list: $planted"
fi
[ $# -eq 0 ] || faults=$*

[ -f "$build/build.ninja" ] || meson setup "$build" -Dsimd=static -Dthreads=serial -Dbench=disabled >/dev/null
make_with() { # FAULT or ''
  meson configure "$build" "-Dfault=$1" >/dev/null && ninja -C "$build" tests/bantam_tests >"$build/ninja.log" 2>&1
}
tests_of() { awk -v name="$1" '$1 == name { print $2 }' $list; }
run() { "$build/tests/bantam_tests" "--source-file=*$(tests_of "$1")*" >"$build/fault-$1.log" 2>&1; }

# Without a fault these very tests pass, and there are some: or their failing would prove nothing.
if ! make_with ''; then
  tail -n 30 "$build/ninja.log"
  echo "$passed passed, $((failed + 1)) failed"
  exit 1
fi
for fault in $faults; do
  if run "$fault" && grep -qE 'test cases: +[1-9]' "$build/fault-$fault.log"; then continue; fi
  verdict no "failed: $(tests_of "$fault") fails without a fault, or is empty"
done

for fault in $faults; do
  if ! make_with "$fault"; then
    tail -n 30 "$build/ninja.log"
    verdict no "failed: does not build with fault $fault"
  elif run "$fault"; then
    verdict no "failed: $(tests_of "$fault") does not notice $fault"
  else
    verdict yes "$fault: noticed by$(sed -n 's/^TEST CASE: */ "/p' "$build/fault-$fault.log" | head -n 1)\""
  fi
done
make_with '' || true

# The rules of the lint, each broken once: APPEND TEXT TO FILE, and the rule's name.
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
breaks() { # RULE FILE LINE
  rm -rf "$tree/copy" && mkdir "$tree/copy"
  tar -cf - --exclude='./build*' --exclude=.git --exclude=.cache . | tar -xf - -C "$tree/copy"
  mkdir -p "$tree/copy/$(dirname "$2")"
  printf '%b\n' "$3" >>"$tree/copy/$2"
  if sh tests/lint.sh "$tree/copy" | grep -qxF "failed: $1"; then
    verdict yes "lint: notices $3 in $2"
  else
    verdict no "failed: lint does not notice $3 in $2"
  fi
}
breaks "folders include only what lies below them" ops/kernels/bitpack.cc '#include "core/tensor.h"'
breaks "folders include only what lies below them" data/dataset.cc '#include "nn/plan.h"'
breaks "folders include only what lies below them" cmd/report/text.cc '#include "cmd/recipe/recipe.h"'
breaks "paths of includes start at the root and exist" core/tensor.cc '#include "core/gone.h"'
breaks "paths of includes start at the root and exist" core/tensor.cc '#include "pool.h"'
breaks "third parties stay where they are at home" core/pool.cc '#include <tbb/parallel_for.h>'
breaks "the runtime's folders include freestanding headers only" core/base/crc32.cc '#include <vector>'
breaks "text is ASCII" core/tensor.h '// \0303\0251'
breaks "lines of C and C++ have at most 120 columns" core/tensor.h "// $(printf '%118d' 0)0"
breaks "every source is built" nn/extra.cc '// unused'
breaks "every header is used" nn/extra.h '// unused'
headers="headers are installed, or said not to be, with all that they include"
breaks "$headers" nn/extra.h '// a header that nn/meson.build does not name'
breaks "$headers" nn/plan.h '#include "nn/walk.h"'
breaks "structs that users fill in are held to have initializers" nn/plan.h 'struct ExtraOptions { int n; };'
list="each member of a config is in its list of fields"
replaces() { # RULE FILE SED-EXPRESSION
  rm -rf "$tree/copy" && mkdir "$tree/copy"
  tar -cf - --exclude='./build*' --exclude=.git --exclude=.cache . | tar -xf - -C "$tree/copy"
  sed -i "$3" "$tree/copy/$2"
  if ! cmp -s "$2" "$tree/copy/$2" && sh tests/lint.sh "$tree/copy" | grep -qxF "failed: $1"; then
    verdict yes "lint: notices $3 in $2"
  else
    verdict no "failed: lint does not notice $3 in $2"
  fi
}
replaces "$list" cmd/recipe/recipe.cc '/add("l1"/s/&c.l1/\&c.extra/'
replaces "$list" nn/net_spec_json.cc '/&c.dilation_w/d'
replaces "$list" nn/net_spec.h 's/^  double p = 0.5;/  double p = 0.5, extra = 0;/'
replaces "each key of a recipe is read" cmd/recipe/training.cc 's/t\.l1\b/0.0/g'
breaks "each header stands in its folder's README" optim/extra.h '// no row'
page="the packed format's page has a row for each source, weight form and stage"
replaces "$page" compress/runtime/format.h 's/kStageKinds = 15/kStageKinds = 16/'
replaces "$page" docs/packed_format.md '/^| 7 hard_swish/d'
replaces "$page" docs/packed_format.md '/^| 5 codes/d'
form="the table of equations has a row of one form for each"
breaks "$form" docs/equations.md '| [Eq. 3.1] | twice | `optim/optimizer.h` | "sgd: plain" |'
breaks "$form" docs/equations.md '| 3.2 | no tag | `optim/optimizer.h` | "sgd: plain" |'
there="each equation's header and test exist and bear its tag"
breaks "$there" docs/equations.md '| [Eq. 3.1] | no header | `optim/gone.h` | "sgd: plain" |'
breaks "$there" docs/equations.md '| [Eq. 3.1] | untagged header | `ops/loss.h` | "sgd: plain" |'
breaks "$there" docs/equations.md '| [Eq. 3.1] | no test | `optim/optimizer.h` | "sgd: gone" |'
breaks "$there" docs/equations.md '| [Eq. 3.1] | untagged test | `optim/optimizer.h` | "adam: ten steps" |'
tags="each tag of the thesis has its form, and an equation's its row"
breaks "$tags" core/tensor.h '// [Eq. 9.9]'
breaks "$tags" tests/core/tensor_test.cc '// [Alg. 9]'
breaks "$tags" core/tensor.h '// [T 3.2.2.1, Eq. 3.10]'
breaks "$tags" core/tensor.h '// [Eq 3.10]'

echo "$passed passed, $failed failed"
[ $failed = 0 ]
