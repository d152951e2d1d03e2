#!/bin/sh
# The house's rules that a compiler does not check: who may include whom, where each third party lives, what the folders
# of the runtime may include, ASCII, the width of lines, that no source lies unused, and that docs/equations.md says where
# the thesis's equations are. One test a rule; ends with `N passed, N failed`.
# usage: sh tests/lint.sh [FOLDER]   (the repository, or another tree to check)
set -u
export LC_ALL=C
cd "${1:-$(dirname "$0")/..}" || exit 1
files=$(find . -type d \( -name 'build*' -o -name '.git' -o -name .cache \) -prune -o -type f -print | sed 's|^\./||' | sort)
sources=$(echo "$files" | grep -E '\.(h|c|cc)$')

passed=0 failed=0
rule() { # NAME FINDINGS
  if [ -z "$2" ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    printf 'failed: %s\n%s\n' "$1" "$2"
  fi
}

# FILE NAME for each include; the name as written, without its brackets.
# shellcheck disable=SC2086  # words on purpose
includes=$(grep -HoE '^ *# *include *[<"][^>"]+' $sources /dev/null | sed -E 's/: *# *include *[<"]/ /')

# Folders from low to high, each with the folders that it sees besides itself. A folder is the longest match; a file can
# be a room of its own.
found=$(echo "$includes" | awk '
  BEGIN {
    sees["core/base"] = ""
    sees["ops/kernels"] = "core/base"
    sees["ops/kernels_train"] = "core/base ops/kernels"
    sees["compress/runtime"] = "core/base ops/kernels"
    sees["core"] = "core/base ops/kernels"
    sees["ops"] = "core/base ops/kernels ops/kernels_train core"
    sees["nn"] = sees["ops"] " ops"
    sees["optim"] = sees["data"] = sees["nn"]
    sees["compress"] = sees["nn"] " nn optim data compress/runtime"
    sees["cmd/errors.h"] = ""
    sees["cmd/report"] = sees["compress"] " compress cmd/errors.h"
    sees["cmd/recipe"] = sees["cmd/report"] " cmd/report"
    sees["cmd/run"] = sees["cmd/recipe"] " cmd/recipe"
    sees["cmd"] = sees["cmd/run"] " cmd/run"
    sees["tests"] = sees["bench"] = sees["cmd"] " cmd"
    sees["bench"] = sees["bench"] " tests"  # the table of shapes
    sees["examples/embed"] = "compress/runtime"
    sees["examples/train"] = sees["compress"] " compress"
  }
  function room(path,   p) {
    for (p = path; !(p in sees);) if (!sub(/\/[^\/]*$/, "", p)) return ""
    return p
  }
  {
    from = room($1); to = room($2)
    if (from == "") { print $1 ": lies in no folder that the order of includes knows"; next }
    if (to == "" || to == from || index(" " sees[from] " ", " " to " ")) next
    print $1 " may not include " $2
  }')
rule "folders include only what lies below them" "$found"

# shellcheck disable=SC2086  # words on purpose
found=$(
  grep -HnE '^ *# *include *"[^/"]*"' $sources /dev/null | grep -vE '"(bantam_fault|golden)\.h"|^examples/'
  echo "$includes" | grep -E ' (core|ops|nn|optim|data|compress|cmd|tests|bench|examples|\.\.?)/' | while read -r file name; do
    [ -f "$name" ] || echo "$file includes $name, which is not there"
  done
)
rule "paths of includes start at the root and exist" "$found"

found=$(echo "$includes" | awk '
  function only(pattern, place) { if ($2 ~ pattern && $1 !~ place) print $1 " may not include " $2 }
  {
    only("^hwy/", "^ops/kernels(_train)?/|^tests/ops/|^bench/")
    only("^(tbb|oneapi)/", "^core/parallel\\.cc$")
    only("^nlohmann/", "^core/json\\.cc$")
    only("^(stb|stb/.*|stb_[a-z_]*\\.h|zlib\\.h)$", "^(tests/)?data/")
    only("^(jpeglib|jerror|turbojpeg)\\.h$", "^data/decode_turbo\\.cc$")
    only("^png\\.h$", "^data/decode_libpng\\.cc$")
    only("^CLI", "^cmd/")
    only("^toml", "^cmd/")
    only("^doctest", "^tests/")
    only("^benchmark", "^bench/")
  }')
rule "third parties stay where they are at home" "$found"

# No allocation, stdio, exception or locale can come in through these; the scalar definitions may use std::fma.
found=$(echo "$includes" | grep -E '^(core/base|ops/kernels|compress/runtime)/' | grep -vE ' (core|ops|compress|hwy)/' |
  grep -vE ' (stdint\.h|stddef\.h|string\.h|limits\.h|float\.h|cstdint|cstddef|cstring|climits|cfloat|limits|type_traits|utility|initializer_list|bit)$' |
  grep -vE '_ref\.h cmath$' | sed 's/ / may not include /')
rule "the runtime's folders include freestanding headers only" "$found"

found=$(for file in $(echo "$files" | grep -E '\.(h|c|cc|in|py|sh|md|build|toml|txt|ini)$|^\.ci/'); do
  grep -anP '[^\x00-\x7f]' "$file" | head -n 1 | sed -E 's/:.*//' | sed "s|^|$file, line |"
done)
rule "text is ASCII" "$found"

# shellcheck disable=SC2086  # words on purpose
found=$(awk 'length($0) > 120 { print FILENAME ":" FNR ": " length($0) " columns" }' $sources /dev/null)
rule "lines of C and C++ have at most 120 columns" "$found"

found=$(for file in $(echo "$sources" | grep -E '\.cc?$'); do
  case $file in examples/*) continue ;; esac  # built as their users build them
  folder=$file listed=no
  while [ "$folder" != . ]; do
    folder=$(dirname "$folder")
    name=${file#"$folder"/}
    [ "$folder" = . ] && name=$file
    for build in "$folder/meson.build" "$folder/targets.txt" "$folder"/*.sh; do
      [ -f "$build" ] || continue
      if grep -qE "(['/ ])$name(['\" ]|\$)" "$build" || grep -qE "^${name%.cc} " "$build"; then listed=yes; fi
    done
  done
  [ $listed = yes ] || echo "$file is in no meson.build"
done)
rule "every source is built" "$found"

found=$(for file in $(echo "$sources" | grep '\.h$'); do
  case $file in ops/kernels/hwy_fix/* | examples/*) continue ;; esac  # found by the include path, or beside who includes it
  echo "$includes" | grep -qF " $file" || echo "$file is included by nobody"
done)
rule "every header is used" "$found"

# STRUCT MEMBER for each member of the structs named ...Config.
members() { # HEADER
  [ ! -f "$1" ] || awk '
    /^struct [A-Za-z]+Config \{$/ { name = $2; next }
    /^\};/ { name = "" }
    name == "" { next }
    { sub(/\/\/.*/, ""); gsub(/\{[^}]*\}/, ""); gsub(/=[^,;]*/, "") }
    /^  [A-Za-z].*;/ {
      sub(/;.*/, "")
      n = split($0, part, ",")
      for (i = 1; i <= n; i++) { m = split(part[i], word, " "); print name, word[m] }
    }' "$1"
}
found=$(
  for pair in cmd/recipe/recipe.h:cmd/recipe/recipe.cc nn/net_spec.h:nn/net_spec_json.cc; do
    members "${pair%:*}" | awk -v file="${pair#*:}" '
      FILENAME != "-" { if (match($0, /^void fields\([A-Za-z]+Config&/)) name = substr($0, 13, RLENGTH - 13); text[name] = text[name] $0; next }
      text[$1] !~ "[(&]c[.]" $2 "[^a-z_0-9]" { print $1 "::" $2 " is in no list of fields in " file }' "${pair#*:}" -
  done
)
rule "each member of a config is in its list of fields" "$found"

# shellcheck disable=SC2046  # words on purpose
readers=$(cat $(echo "$sources" | grep -E '^cmd/.*\.cc$') /dev/null | grep -v '&c\.' | grep -oE '(\.|->)[a-z_0-9]+' | sed -E 's/^(\.|->)//' | sort -u)
found=$(members cmd/recipe/recipe.h | while read -r name member; do
  case "
$readers
" in *"
$member
"*) ;; *) echo "$name::$member: nobody reads it" ;; esac
done)
rule "each key of a recipe is read" "$found"

found=$(echo "$sources" | grep -E '^(core|ops|nn|optim|data|compress)/.*\.h$' | grep -vE '^core/base/|^ops/kernels|-inl\.h$' | while read -r file; do
  folder=${file%/*}
  while ! [ -f "$folder/README.md" ] && [ "$folder" != "${folder%/*}" ]; do folder=${folder%/*}; done
  name=${file##*/}
  echo "${name%.h} $file $folder/README.md"
done | awk '
  !($3 in text) { while ((getline line < $3) > 0) text[$3] = text[$3] "\n" line }
  text[$3] !~ "(^|[^a-z_])" $1 "([^a-z_]|$)" { print $2 " is not in " $3 }')
rule "each header stands in its folder's README" "$found"

found=$(while read -r what row; do
  n=$(sed -n "s/^constexpr uint8_t k$what = \([0-9]*\);.*/\1/p" compress/runtime/format.h)
  have=$(awk -v row="$row" '$0 ~ "^\\| " row " \\|" { here = 1; next } !/^\|/ { here = 0 } here && /^\| [0-9]+ / { n++ } END { print n + 0 }' docs/packed_format.md)
  [ "$n" = "$have" ] || echo "docs/packed_format.md has $have rows of ${row}s, compress/runtime/format.h $n"
done <<EOF
Sources source
WeightForms weight form
StageKinds stage
EOF
)
rule "the packed format's page has a row for each source, weight form and stage" "$found"

# What users include, and what they fill in by hand.
installed=$(for build in core ops nn optim data compress; do
  sed -n "/^engine_headers += /,/^]}/s|^  '\\(.*\\)',|$build/\\1|p" $build/meson.build 2>/dev/null
done)
found=$(
  echo "$sources" | grep -E '^(core(/base)?|ops(/quant|/conv)?|nn(/models)?|optim|data|compress(/step)?)/[^/]*\.h$' | grep -v -e '-inl\.h$' | awk '
    { build = $0; sub(/\/.*/, "/meson.build", build); name = $0; sub(/^[^\/]*\//, "", name); gsub(/[.]/, "[.]", name) }
    !(build in text) { while ((getline line < build) > 0) text[build] = text[build] "\n" line }
    text[build] !~ "[\047 ]" name "[\047, .]" { print $0 ": " build " does not say whether it is installed" }'
  { echo "$installed compress/runtime/bnt.h" | tr ' ' '\n' | sed 's/^/installed /'; echo "$includes"; } | awk '
    $1 == "installed" { is[$2] = 1; next }
    ($1 in is) && $2 ~ /\/.*[.]h$/ && $2 !~ /^(sys|hwy)\// && !($2 in is) { print $1 " is installed, " $2 " is not" }'
)
rule "headers are installed, or said not to be, with all that they include" "$found"

# shellcheck disable=SC2086  # words on purpose
found=$([ -z "$installed" ] || grep -hoE '^  *struct [A-Za-z]+ \{|^struct [A-Za-z]+ \{' $installed | sed -E 's/^ *struct ([A-Za-z]+) .*/\1/' |
  grep -E '(Config|Spec|Options|Recipe|Rules|Info|Params|Group|Form|Inputs|Segment|Schedule|Context)$' | grep -vx NoConfig | while read -r name; do
    grep -qE "\b$name\{" tests/compress/config_structs_test.cc || echo "$name is not in tests/compress/config_structs_test.cc"
  done)
rule "structs that users fill in are held to have initializers" "$found"

# Tags of the thesis (docs/equations.md). `rows`: of the table, as lines TAG HEADER TEST, split by tabs. `tagged`: TAG NAME
# for each tag in the line above a TEST_CASE.
table=docs/equations.md
tag='[[]((Eq|Alg)[.] [1-9][0-9]*([.][1-9][0-9]*)?|T [1-9][0-9]*([.][1-9][0-9]*)*(-[1-9][0-9.]*)?)[]]'
tab=$(printf '\t')
rows=$(sed -nE "s/^\\| ($tag) \\| .+ \\| \`([^\`]+)\` \\| \"(.+)\" \\|\$/\\1$tab\\7$tab\\8/p" $table)
# shellcheck disable=SC2086  # words on purpose
tagged=$(awk -v tag="$tag" '
  function cases(tags, name) {
    for (sub(/^[^"]*"/, "", name); match(tags, tag); tags = substr(tags, RSTART + RLENGTH))
      print substr(tags, RSTART, RLENGTH) "\t" name
  }
  FNR == 1 { above = ""; broken = 0 }
  broken { cases(above, $0); broken = 0 }
  /^TEST_CASE\($/ { broken = 1; next }
  /^TEST_CASE\("/ { cases(above, $0) }
  { above = /^\/\// ? $0 : "" }' $(echo "$sources" | grep '^tests/') /dev/null)

found=$(
  grep '^|' $table | sed 1,2d | grep -vE "^\\| $tag \\| .+ \\| \`[^\`]+\` \\| \".+\" \\|\$" | sed 's/$/: has another form/'
  # A section may have several rows, each for another header.
  echo "$rows" | sed -E "/^\[T/!s/$tab.*//; s/$tab[^$tab]*\$//" | sort | uniq -d | sed 's/$/: has two rows/'
)
rule "the table of equations has a row of one form for each" "$found"

found=$(echo "$rows" | while IFS=$tab read -r name header test; do
  if ! [ -f "$header" ]; then
    echo "$name: there is no $header"
  elif ! grep -qF "$name" "$header"; then
    echo "$name: $header does not bear the tag"
  fi
  printf '%s\n' "$tagged" | awk -v want="$name$tab$test" 'index($0, want) == 1 { found = 1 } END { exit !found }' ||
    echo "$name: no test \"$test...\" bears the tag in the line above it"
done)
rule "each equation's header and test exist and bear its tag" "$found"

# shellcheck disable=SC2046  # words on purpose
found=$(grep -HnoE '\[(T [0-9A-Za-z]|(Eq|Alg)[a-z]*[. ])[^]]*\]' $(echo "$files" | grep -E '\.(h|c|cc|py|toml|md)$') /dev/null |
  while IFS= read -r place; do
    name=${place#*:*:}
    if ! echo "$name" | grep -qE "^$tag\$"; then
      echo "$place: is no form of a tag"
    elif [ "${name#\[T}" = "$name" ] && ! echo "$rows" | grep -qF "$name$tab"; then
      echo "$place: has no row in $table"
    fi
  done)
rule "each tag of the thesis has its form, and an equation's its row" "$found"

echo "$passed passed, $failed failed"
[ $failed = 0 ]
