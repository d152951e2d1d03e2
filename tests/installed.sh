#!/bin/sh
# usage: sh tests/installed.sh [BUILD]     (build-installed, which is made)
# The project as its users have it: installs a finished build (or makes a quick one) into an empty folder and moves that,
# compiles every header alone, builds the examples and the README's program against it by pkg-config, CMake and meson,
# shared and static, and as a meson subproject; runs all of them; lets the installed program read what they wrote.
# Needs g++, clang 14, pkg-config, cmake, meson and the data set of Debian's dataset-fashion-mnist.
# Ends with the line `N passed, N failed`.
set -u
export LC_ALL=C
cd "$(dirname "$0")/.." || exit 1
root=$PWD
build=${1:-build-installed}
data=/usr/share/datasets/fashion-mnist
jobs=$(nproc)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

count() { # OK? NAME
  if [ "$1" = 0 ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "failed: $2"
  fi
}
check() { # NAME COMMAND...
  name=$1
  shift
  "$@" >"$work/log" 2>&1 </dev/null
  status=$?
  count $status "$name"
  [ $status = 0 ] || tail -n 30 "$work/log" | sed 's/^/    /'
}
give_up() {
  echo "$1"
  echo "$passed passed, $((failed + 1)) failed"
  exit 1
}

if ! [ -f "$build/build.ninja" ]; then
  meson setup "$build" -Dsimd=static -Dtests=false -Dbench=disabled >/dev/null || give_up "cannot configure $build"
fi
ninja -C "$build" >"$work/log" 2>&1 || { tail -n 30 "$work/log"; give_up "does not build"; }

# Installed in one place and moved to another: the files of pkg-config say where they lie by where they lie.
check "meson install" meson install -C "$build" --no-rebuild --destdir "$work/dest"
prefix=$work/prefix
mv "$work/dest$(meson introspect "$build" --buildoptions | sed -n 's/.*"name": "prefix", "value": "\([^"]*\)".*/\1/p')" "$prefix" ||
  give_up "nothing was installed"
include=$prefix/include/bantam
pc=$(dirname "$(find "$prefix" -name bantam_engine.pc)")
lib=$(dirname "$pc")
bantam=$prefix/bin/bantam
export PKG_CONFIG_PATH="$pc"
echo "installed: $(find "$include" -type f -name '*.h' | wc -l) headers; $(cd "$lib" && stat -c '%n %s' libbantam_*.a libbantam_*.so.*.*.* | tr '\n' ' ')"

# --- headers: each alone, with nothing but itself
cat >"$work/alone.sh" <<'END'
# COMPILER INCLUDE HEADER: prints the name of a header that does not compile
printf '#include "%s"\n' "$3" | $1 -x c++ -std=c++20 -Wall -Wextra -Werror -I"$2" -fsyntax-only - 2>"$4.err" || echo "$3: $(grep -m 1 -E 'error' "$4.err")"
rm -f "$4.err"
END
(cd "$include" && find . -name '*.h' -type f | sed 's|^\./||' | sort) >"$work/headers"
xargs -P "$jobs" -I{} sh "$work/alone.sh" g++ "$include" {} "$work/alone" <"$work/headers" >"$work/bad"
while read -r header; do
  ! grep -q "^$header: " "$work/bad"
  count $? "g++: $(grep "^$header: " "$work/bad")"
done <"$work/headers"
sed 's/.*/#include "&"/' "$work/headers" >"$work/all.cc"
check "all headers together, by clang" clang++-14 -std=c++20 -Wall -Wextra -Werror -I"$include" -fsyntax-only "$work/all.cc"
for header in bnt.h compress/runtime/bnt.h; do
  check "$header is C99, pedantically" gcc -std=c99 -pedantic -Wall -Wextra -Wconversion -Werror -fsyntax-only -x c "$include/$header"
  check "$header is C++11" clang++-14 -std=c++11 -pedantic -Wall -Wextra -Werror -fsyntax-only -x c++ "$include/$header"
done

# --- what the shared libraries show
soname() { # LIBRARY SONAME
  readelf -d "$lib/$1" | grep SONAME
  readelf -d "$lib/$1" | grep -qF "soname: [$2]" && [ -f "$lib/$2" ]
}
check "soname of libbantam_infer" soname libbantam_infer.so libbantam_infer.so.0
check "soname of libbantam_engine" soname libbantam_engine.so libbantam_engine.so.0.1
shows() { nm -D --defined-only "$lib/$1" | awk '{ print $3 }' | sort; }
promised() { # exactly the functions and the families of bnt.h
  {
    sed -n '/^BNT_API/p' "$include/bnt.h" | grep -oE 'bnt_[a-z_]+\(' | tr -d '('
    sed -n '/^extern BNT_DATA/,/;/p' "$include/bnt.h" | grep -oE 'bnt_famil[a-z_]+' | grep -vx bnt_family
  } | sort >"$work/promised"
  shows libbantam_infer.so | diff "$work/promised" -
}
check "libbantam_infer.so shows what bnt.h promises, and nothing else" promised
only_ours() {
  nm -DC --defined-only "$lib/libbantam_engine.so" | cut -d' ' -f3- |
    grep -vE '^(typeinfo for |typeinfo name for |vtable for |VTT for |non-virtual thunk to )?bantam::|^bnt_|^guard variable for bantam::' | grep . && return 1
  return 0
}
check "libbantam_engine.so shows its own names only" only_ours
needs() { readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'; }
lean() { needs "$lib/libbantam_infer.so" | grep -vE '^lib(c|hwy)\.so'; [ $? = 1 ]; }
check "libbantam_infer.so needs libc, and libhwy where it dispatches" lean

# --- programs
golden='golden.ppm: elk  \[-3.7082 -0.1815 -4.3155 -1.6084 1.6509\]$'
classifies() { # PROGRAM
  "$1" tests/compress/golden.bnt tests/compress/golden.ppm | grep -q "$golden"
}
profiles() { # PROGRAM
  sh tests/embed/profile.sh "$1" tests/compress/golden.bnt
}
# The net is right more often than not, and its packed form as often.
trains() { # PROGRAM OUT
  "$1" "$data" "$2" >"$2.txt" 2>&1 || { cat "$2.txt"; return 1; }
  cat "$2.txt"
  awk '/^of 1000/ { found = 1; ok = $8 > 500 && $NF == $8 } END { exit !(found && ok) }' "$2.txt"
}
of_make() { # FOLDER COMPILER-VARIABLE VALUE [MAKE-ARGUMENT...]
  rm -rf "$work/make" && cp -r "examples/$1" "$work/make" && rm -rf "$work/make"/build*
  shift
  make -C "$work/make" "$@"
}
run_path="LDFLAGS=-Wl,-rpath,$lib"
for pair in gcc:g++ clang-14:clang++-14; do
  check "classify by make, ${pair%:*}, shared" of_make embed "CC=${pair%:*}" "$run_path"
  check "classify by make, ${pair%:*}, shared: runs" classifies "$work/make/classify"
  check "profile by make, ${pair%:*}, shared: runs" profiles "$work/make/profile"
  check "train by make, ${pair#*:}, shared" of_make train "CXX=${pair#*:}" "$run_path"
  check "train by make, ${pair#*:}, shared: runs" trains "$work/make/train" "$work/shared"
done
linked_shared() { needs "$work/make/train" | grep -xF libbantam_engine.so.0.1; }
check "train is linked to libbantam_engine.so.0.1" linked_shared

# Archives alone, as where nobody installs the shared libraries.
cp -r "$prefix" "$work/static"
find "$work/static" -name 'libbantam_*.so*' -exec rm {} +
static_pc=$work/static/${pc#"$prefix"/}
for pair in gcc:g++ clang-14:clang++-14; do
  # The runtime is C++ inside, but wants nothing of C++ from outside: the C compiler links it.
  check "classify by make, ${pair%:*}, static" of_make embed "CC=${pair%:*}" "PKG_CONFIG_PATH=$static_pc" "PKG_CONFIG=pkg-config --static"
  check "classify by make, ${pair%:*}, static: runs" classifies "$work/make/classify"
  check "train by make, ${pair#*:}, static" of_make train "CXX=${pair#*:}" "PKG_CONFIG_PATH=$static_pc" "PKG_CONFIG=pkg-config --static"
  check "train by make, ${pair#*:}, static: runs" trains "$work/make/train" "$work/static-run"
done
linked_static() { ! needs "$work/make/train" | grep bantam; }
check "train is linked to no shared library of ours" linked_static
check "shared and static save the same bytes" cmp "$work/shared.safetensors" "$work/static-run.safetensors"

of_cmake() { # FOLDER
  cmake -S "examples/$1" -B "$work/cmake-$1" -DCMAKE_BUILD_TYPE=Release && cmake --build "$work/cmake-$1"
}
check "classify by CMake" of_cmake embed
check "classify by CMake: runs" classifies "$work/cmake-embed/classify"
check "profile by CMake: runs" profiles "$work/cmake-embed/profile"
check "train by CMake" of_cmake train
check "train by CMake: runs" trains "$work/cmake-train/train" "$work/cmake"

of_meson() { # FOLDER
  meson setup "$work/meson-$1" "examples/$1" --buildtype=release && ninja -C "$work/meson-$1"
}
check "train by meson, installed" of_meson train
check "train by meson, installed: runs" trains "$work/meson-train/train" "$work/meson"

# As a subproject: nothing is installed then.
subproject() { # FOLDER PROGRAM OPTION...
  folder=$1 program=$2
  shift 2
  rm -rf "$work/sub-$folder" && cp -r "examples/$folder" "$work/sub-$folder" && mkdir "$work/sub-$folder/subprojects" &&
    ln -s "$root" "$work/sub-$folder/subprojects/bantam" &&
    PKG_CONFIG_PATH='' meson setup "$work/sub-$folder/build" "$work/sub-$folder" --wrap-mode=forcefallback -Dbantam:simd=static "$@" &&
    ninja -C "$work/sub-$folder/build" "$program"
}
check "classify with a meson subproject" subproject embed classify
check "classify with a meson subproject: runs" classifies "$work/sub-embed/build/classify"
check "train with a meson subproject" subproject train train -Doptimization=1
check "train with a meson subproject: runs" trains "$work/sub-train/build/train" "$work/sub"

# --- the README's program: the indented lines under "As a library", from its first #include to the closing brace
readme() { # COMPILER
  awk '/^## / { here = /As a library/ } here && /^    #include/ { code = 1 } here && code && /^    |^$/ { sub(/^    /, ""); print } code && /^}/ { exit }' README.md >"$work/readme.cc"
  grep -q 'int main' "$work/readme.cc" || return 1
  # shellcheck disable=SC2046  # words on purpose
  $1 -std=c++20 -O1 -Wall -Wextra -Werror "$work/readme.cc" -o "$work/readme" $(pkg-config --cflags --libs bantam_engine) -Wl,-rpath,"$lib" &&
    (cd "$work" && ./readme)
}
check "the README's program, g++" readme g++
check "the README's program, clang" readme clang++-14
check "the README's program writes what bantam reads" "$bantam" info "$work/net.safetensors"

# --- the installed program reads what a program of one's own wrote
check "bantam info" "$bantam" info "$work/shared.safetensors"
eval_agrees() { # MODEL
  "$bantam" eval "$1" --data "$data" --images 1000 --json >"$work/eval.json" || return 1
  cat "$work/eval.json"
  grep -qF "\"right\":$(awk '/^of 1000/ { print $8 }' "$work/shared.txt")," "$work/eval.json"
}
check "bantam eval counts what the example counted" eval_agrees "$work/shared.safetensors"
check "bantam eval of the packed model, too" eval_agrees "$work/shared.bnt"
packs() {
  "$bantam" pack "$work/shared.safetensors" -o "$work/cli.bnt" && cmp "$work/cli.bnt" "$work/shared.bnt"
}
check "bantam pack writes the example's bytes" packs
check "bantam verify" "$bantam" verify "$work/shared.safetensors" "$work/shared.bnt" --data "$data"

echo "$passed passed, $failed failed"
[ $failed = 0 ]
