#!/bin/sh
# usage: sh tests/targets.sh [DIR [MODEL IMAGES]]  e.g. sh tests/targets.sh build-targets net.bnt random:100
# The same packed nets on seven builds of the runtime: x86-64 with run-time dispatch, x86-64 for one fixed target, without
# SIMD, against musl, and under qemu AArch64, ARMv7 (NEON with VFPv4) and RISC-V 64 (without SIMD), static, built with cross/*.
# Every tensor that the runtime shows, and the sizes that it asks for, must be the same bytes everywhere. DIR (build-targets)
# holds the builds. With MODEL and IMAGES (a packed net, and a raw file of h * w * c bytes an image, or random:N) these are
# run instead of the generated nets.
# Needs g++-aarch64-linux-gnu, g++-arm-linux-gnueabihf, g++-riscv64-linux-gnu, musl-tools and qemu-user-static. Ends with the
# line `N passed, N failed`.
set -u
cd "$(dirname "$0")/.."
dir=${1:-build-targets}
images=4
passed=0 failed=0
count() { # STATUS NAME
  if [ "$1" = 0 ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "failed: $2"
  fi
}
give_up() {
  echo "failed: $1"
  echo "$passed passed, $((failed + 1)) failed"
  exit 1
}
for tool in aarch64-linux-gnu-g++ arm-linux-gnueabihf-g++ riscv64-linux-gnu-g++ musl-gcc qemu-aarch64-static qemu-arm-static \
  qemu-riscv64-static meson ninja; do
  command -v $tool >/dev/null || give_up "no $tool here"
done

mkdir -p "$dir"
build() { # NAME TARGETS MESON_OPTION...
  name=$1 targets=$2
  shift 2
  [ -f "$dir/$name/build.ninja" ] || meson setup "$dir/$name" -Dbench=disabled "$@" >"$dir/$name.log" 2>&1 || {
    tail -n 20 "$dir/$name.log"
    give_up "cannot configure $name"
  }
  # shellcheck disable=SC2086  # words on purpose
  ninja -C "$dir/$name" $targets >"$dir/$name.log" 2>&1 || {
    tail -n 30 "$dir/$name.log"
    give_up "$name does not build"
  }
}
trace=tests/embed/runtime_trace
if [ $# -ge 3 ]; then
  build dynamic $trace
else
  build dynamic "$trace tests/make_packed"
fi
build static $trace -Dtools=false -Dtests=false -Dsimd=static
build scalar $trace -Dtools=false -Dtests=false -Dsimd=scalar
build aarch64 "$trace tests/embed/vendor_main classify tests/kernel_tests" --cross-file cross/aarch64-linux-gnu.txt \
  -Dtools=false -Dsimd=static

# Cores from 2018 on have a dot product of bytes.
build dotprod $trace --cross-file cross/aarch64-linux-gnu.txt -Dtools=false -Dtests=false -Dsimd=static \
  -Dsimd_flags=-march=armv8.2-a+dotprod
build armhf "$trace classify" --cross-file cross/arm-linux-gnueabihf.txt -Dtools=false -Dsimd=static
build riscv64 "$trace classify" --cross-file cross/riscv64-linux-gnu.txt -Dtools=false -Dsimd=scalar
# musl has no C++ compiler of its own, and needs none: objects that use no C++ library, and a C program.
mkdir -p "$dir/musl/tests/embed"
(
  root=$PWD
  cd "$dir/musl" || exit 1
  flags="-O2 -DHWY_COMPILE_ONLY_STATIC -march=x86-64-v3 -maes -mpclmul -I$root/ops/kernels/hwy_fix -I$root"
  # shellcheck disable=SC2086  # words on purpose
  printf '%s\n' "$root"/core/base/*.cc "$root"/ops/kernels/*.cc "$root"/compress/runtime/*.cc |
    xargs -P 2 -n 4 g++ -std=c++20 -fno-exceptions -fno-rtti -ffp-contract=off -fno-math-errno -fno-stack-protector $flags -c &&
    musl-gcc -static -O2 -I"$root" "$root/tests/embed/runtime_trace.c" ./*.o -o $trace
) >"$dir/musl.log" 2>&1 || {
  tail -n 30 "$dir/musl.log"
  give_up "musl does not build"
}

# A build that fell back to scalar code would compute the same, only slowly: NEON must be there.
aarch64-linux-gnu-objdump -d "$dir/aarch64/$trace" >"$dir/disassembly"
grep -q '[[:space:]]cnt[[:space:]]v[0-9]*\.16b' "$dir/disassembly" && grep -q '[[:space:]]fmla[[:space:]]v[0-9]*\.4s' "$dir/disassembly"
count $? "aarch64: binary and float kernels use NEON"
aarch64-linux-gnu-objdump -d "$dir/dotprod/$trace" >"$dir/disassembly"
grep -q '[[:space:]]sdot[[:space:]]v[0-9]*\.4s' "$dir/disassembly"
count $? "dotprod: codes are multiplied four at a time"
rm -f "$dir/disassembly"
! aarch64-linux-gnu-readelf -l "$dir/aarch64/$trace" | grep -q INTERP
count $? "aarch64: linked statically"

qemu-aarch64-static "$dir/aarch64/classify" tests/compress/golden.bnt tests/compress/golden.ppm |
  grep -q ': elk  \[-3.7082 -0.1815 -4.3155 -1.6084 1.6509\]$'
count $? "aarch64: the C example classifies the golden image"
qemu-aarch64-static "$dir/aarch64/tests/embed/vendor_main" tests/compress/golden.bnt
count $? "aarch64: no allocation from probe to the last run, N bytes work, N - 1 do not"

# The kernels of training, too: each against its definition, Winograd's exact on codes.
qemu-aarch64-static "$dir/aarch64/tests/kernel_tests" >"$dir/kernel_tests.log"
count $? "aarch64: the tests of the kernels ($dir/kernel_tests.log)"
grep '^\[doctest\] test cases' "$dir/kernel_tests.log"

qemu-arm-static "$dir/armhf/classify" tests/compress/golden.bnt tests/compress/golden.ppm >"$dir/armhf.out" &&
  qemu-riscv64-static "$dir/riscv64/classify" tests/compress/golden.bnt tests/compress/golden.ppm >"$dir/riscv64.out" &&
  cmp "$dir/armhf.out" "$dir/riscv64.out"
count $? "armhf, riscv64: the C example classifies the golden image"
arm-linux-gnueabihf-objdump -d "$dir/armhf/$trace" | grep -q 'vfma\.f32[[:space:]]q'
count $? "armhf: vectors of fused multiply-adds"

nets=$dir/nets
# A program of one net, small: -Os, and of the runtime the families that the net needs.
small() { # TARGET NET MOST FLAG...
  target=$1 net=$2 most=$3
  shift 3
  mkdir -p "$dir/small"
  if ! [ -f "$dir/small/$target.a" ]; then
    rm -f "$dir"/small/*.o
    flags="-Os -ffunction-sections -fdata-sections -ffp-contract=off"
    # shellcheck disable=SC2086  # words on purpose
    (
      root=$PWD
      cd "$dir/small" || exit 1
      printf '%s\n' "$root"/core/base/*.cc "$root"/ops/kernels/*.cc "$root"/compress/runtime/*.cc |
        xargs -P 2 -n 4 $target-g++ -std=c++20 -fno-exceptions -fno-rtti -fno-math-errno -fno-asynchronous-unwind-tables \
          -fno-unwind-tables $flags -DHWY_COMPILE_ONLY_STATIC "$@" -I"$root/ops/kernels/hwy_fix" -I"$root" -c
    ) >"$dir/small.log" 2>&1 || return 1
    $target-ar rcs "$dir/small/$target.a" "$dir"/small/*.o || return 1
  fi
  $target-gcc -std=c99 -D_POSIX_C_SOURCE=200112L -Os -I. examples/embed/classify.c "$nets/$net.c" "$dir/small/$target.a" \
    -Wl,--gc-sections -s -o "$dir/small/$net" || return 1
  size=$(size -A "$dir/small/$net" | awk '$1 ~ /^\.(text|rodata)/ { n += $2 } END { print n }')
  printf '%-18s %-18s %6d bytes of code and constants, at most %d\n' "$target" "$net" "$size" "$most"
  [ "$size" -le "$most" ] && ! $target-nm -uD "$dir/small/$net" | grep -E 'malloc|_Zn|__cxa_[^f]'
}
if [ $# -ge 3 ]; then
  nets=$dir/given
  mkdir -p "$nets"
  cp "$2" "$nets/given.bnt"
  case $3 in random:*) ;; *) cp "$3" "$nets/given.raw" ;; esac
else
  rm -rf "$nets"
  mkdir -p "$nets"
  "$dir/dynamic/tests/make_packed" "$nets" $images || give_up "make_packed"
  rm -rf "$dir/small"
  for target in aarch64-linux-gnu arm-linux-gnueabihf; do
    neon=
    [ $target = aarch64-linux-gnu ] || neon="-march=armv7-a -mfpu=neon-vfpv4 -mfp16-format=ieee -D__ARM_VFPV4__=1"
    # shellcheck disable=SC2086  # words on purpose
    small $target quickstart-bnn 48000 $neon
    count $? "$target: a program of a binary net takes at most 48 kB"
    # shellcheck disable=SC2086
    small $target quickstart-int8 64000 $neon
    count $? "$target: a program of a net of bytes takes at most 64 kB"
  done
fi
for model in "$nets"/*.bnt; do
  raw=${model%.bnt}.raw
  case ${3:-} in random:*) raw=$3 ;; esac
  name=$(basename "$model" .bnt)
  "$dir/dynamic/$trace" "$model" "$raw" >"$dir/want" || count 1 "$name: x86-64, dynamic"
  for other in static scalar musl aarch64 dotprod armhf riscv64; do
    case $other in
      aarch64) run=qemu-aarch64-static ;;
      dotprod) run="qemu-aarch64-static -cpu max" ;;
      armhf) run=qemu-arm-static ;;
      riscv64) run=qemu-riscv64-static ;;
      *) run= ;;
    esac
    $run "$dir/$other/$trace" "$model" "$raw" | cmp -s - "$dir/want"
    count $? "$name: $other gives other bytes than x86-64"
  done
  printf '%-28s %10d bytes traced, equal on all builds so far: %d\n' "$name" "$(wc -c <"$dir/want")" $passed
done
rm -f "$dir/want"

echo "$passed passed, $failed failed"
[ $failed = 0 ]
