#!/bin/sh
# usage: sh tests/vendor.sh
# The runtime as somebody else's project would take it: the three folders that a device needs, copied into an empty folder,
# compiled with one compiler line, linked into a C program. Needs g++, gcc and Highway's headers; clang 14 if it is there.
# Ends with the line `N passed, N failed`.
set -u
cd "$(dirname "$0")/.."
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

check() { # NAME COMMAND...
  name=$1
  shift
  if "$@" >"$work/log" 2>&1; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "failed: $name"
    sed 's/^/    /' "$work/log"
  fi
}

# `linked` will be all objects in one, for nm and size.
mkdir "$work/copy"
cd "$work/copy" || exit 1
mkdir -p core ops compress
cp -r "$root/core/base" core/
cp -r "$root/ops/kernels" ops/
cp -r "$root/compress/runtime" compress/
cp "$root/examples/embed/"*.[ch] "$root/tests/embed/vendor_main.c" .
cp "$root/tests/compress/golden.bnt" "$root/tests/compress/golden.ppm" .

# The one line.
compile() { # COMPILER FLAG...
  compiler=$1
  shift
  # shellcheck disable=SC2086  # words on purpose
  $compiler -std=c++20 -O2 -Wall -Wextra -Werror -fno-exceptions -fno-rtti -ffp-contract=off -fno-math-errno "$@" -Iops/kernels/hwy_fix -I. -c core/base/*.cc ops/kernels/*.cc compress/runtime/*.cc
}
only_mem() { # what the library needs from outside; __popcountdi2 is the compiler's own (libgcc), where the target has no such instruction
  ld -r -o linked ./*.o || return 1
  nm -u linked | awk '{ print $2 }' | grep -v '^_GLOBAL_OFFSET_TABLE_$' | grep -v -x -E 'mem(cpy|set|move|cmp|chr)|bcmp|__popcountdi2' >unwanted
  cat unwanted
  ! [ -s unwanted ]
}
no_globals() { # nothing that one call could leave behind for the next
  size -A linked | awk '$1 ~ /^\.(data|bss|tdata|tbss|init_array|ctors)/ && $2 > 0 && $1 !~ /rel\.ro/ { print; bad = 1 } END { exit bad }'
}
no_cxx_runtime() {
  ! nm linked | grep -E '__cxa_|_Unwind_|__gxx_personality|_ZTI|_ZTS|operator new|_Znw|_Zna|_ZdlPv'
}
classifies() {
  ./classify golden.bnt golden.ppm >out || return 1
  cat out
  grep -q '^golden.ppm: elk  \[-3.7082 -0.1815 -4.3155 -1.6084 1.6509\]$' out
}
refuses() { # a model that is cut off, an image of another size, no model at all
  head -c 1000 golden.bnt >cut.bnt
  ./classify cut.bnt golden.ppm && return 1
  [ $? = 3 ] || return 1
  ./classify golden.bnt golden.bnt && return 1
  [ $? = 3 ] || return 1
  ./classify nothing.bnt golden.ppm && return 1
  [ $? = 1 ] || return 1
  ./classify
  [ $? = 2 ]
}

case $(uname -m) in x86_64) cpu='-march=x86-64-v3 -maes -mpclmul' ;; *) cpu= ;; esac
springs() {
  ./vendor_main --spring
  [ $? = 99 ]
}

for build in "g++ -DHWY_COMPILE_ONLY_STATIC $cpu" "g++ -DHWY_COMPILE_ONLY_STATIC $cpu -Os -ffunction-sections -fdata-sections" \
  'g++ -DHWY_COMPILE_ONLY_SCALAR -DBANTAM_SCALAR_BUILD=1' "clang++-14 -DHWY_COMPILE_ONLY_STATIC $cpu"; do
  compiler=${build%% *} flags=${build#* }
  command -v "$compiler" >/dev/null || continue
  rm -f ./*.o linked classify profile vendor_main small
  # shellcheck disable=SC2086
  check "$build: compiles with one line" compile "$compiler" $flags
  check "$build: needs nothing but mem*" only_mem
  check "$build: no mutable globals" no_globals
  check "$build: nothing of exceptions, RTTI or operator new" no_cxx_runtime
  check "$build: links into a C program with gcc" gcc -std=c99 -D_POSIX_C_SOURCE=200112L -O2 -Wall -Wextra -pedantic -Werror -I. classify.c ./*.o -o classify
  check "$build: classifies the golden image as everywhere" classifies
  check "$build: refuses what is broken, with its exit codes" refuses
  check "$build: links into a C program with threads" gcc -std=c99 -D_POSIX_C_SOURCE=200112L -O2 -Wall -Wextra -pedantic -Werror -pthread -I. profile.c thread_pool.c ./*.o -o profile
  check "$build: any number of threads gives the same scores, and a deadline ends a run" sh "$root/tests/embed/profile.sh" ./profile golden.bnt
  check "$build: builds the allocation trap" gcc -std=c99 -D_POSIX_C_SOURCE=200112L -O2 -Wall -Wextra -Werror -I. -fno-builtin vendor_main.c ./*.o -o vendor_main
  check "$build: the trap does spring" springs
  check "$build: allocates nothing from probe to the last run; N bytes work, N - 1 do not" ./vendor_main golden.bnt
  gcc -std=c99 -D_POSIX_C_SOURCE=200112L -O2 -I. -DMODEL_BYTES=65536 -DMEM_BYTES=65536 -DARENA_BYTES=65536 -Wl,--gc-sections -s \
    classify.c ./*.o -o small 2>"$work/log" || cat "$work/log"
  printf '%s: library %s bytes of code; stripped program %s\n' "$build" \
    "$(size -A linked | awk '$1 ~ /^\.text/ { n += $2 } END { print n }')" "$(size -A small | awk '$1 ~ /^\.(text|rodata)/ { n += $2 } END { print n }')"
done
scalar_by_mistake() { # no target flags: on x86-64 Highway is left with scalar code
  ! g++ -std=c++20 -DHWY_COMPILE_ONLY_STATIC -Iops/kernels/hwy_fix -I. -c ops/kernels/targets.cc -o mistake.o
}
[ "$(uname -m)" != x86_64 ] || check "a build that would silently be scalar does not compile" scalar_by_mistake
fast_math() { # the one line with it
  # shellcheck disable=SC2086
  ! compile g++ -DHWY_COMPILE_ONLY_STATIC $cpu -ffast-math 2>said && grep -q 'bantam: -ffast-math changes the order of sums' said
}
check "-ffast-math, which changes sums, does not compile" fast_math
x87() { # floats in 80 bits
  ! g++ -std=c++20 -mfpmath=387 -I. -fsyntax-only compress/runtime/bnt.cc 2>said && grep -q 'computes floats in another precision' said
}
[ "$(uname -m)" != x86_64 ] || check "x87 arithmetic does not compile" x87
check "bnt.h is C99, pedantically" gcc -std=c99 -pedantic -Wall -Wextra -Wconversion -Werror -fsyntax-only -x c compress/runtime/bnt.h
check "bnt.h is C++" g++ -std=c++11 -pedantic -Wall -Wextra -Werror -fsyntax-only -x c++ compress/runtime/bnt.h

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
