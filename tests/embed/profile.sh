#!/bin/sh
# usage: sh tests/embed/profile.sh PROFILE MODEL
# examples/embed/profile.c and its thread pool: tensors have times, any number of threads gives the same scores, a
# deadline ends a run or does not, and what is wrong has its exit code. Ends with `N passed, N failed`.
set -u
profile=$1 model=$2
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
count() { # STATUS NAME
  if [ "$1" = 0 ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "failed: $2"
    cat "$work/out" "$work/err"
  fi
}
run() { # EXIT-CODE ARGUMENT...
  code=$1
  shift
  "$profile" "$@" >"$work/out" 2>"$work/err"
  [ $? = "$code" ]
}

for threads in 1 2 3 8; do
  run 0 --threads $threads --runs 20 "$model"
  count $? "$threads threads"
  grep '^scores ' "$work/out" >"$work/scores$threads"
  cmp -s "$work/scores1" "$work/scores$threads" && [ "$(wc -w <"$work/scores1")" -gt 2 ]
  count $? "$threads threads give the scores of one"
done
awk '/^tensor/ { on = 1; next } /^all/ { on = 0 } on { rows++; if ($(NF - 1) > 0) timed++; share += $NF } END { exit !(rows > 3 && 2 * timed > rows && share > 99 && share < 101) }' "$work/out"
count $? "tensors have times, and their shares add up to all"
run 0 --runs 1 --threads 2 --deadline-us 1 "$model" && grep -q '^deadline 1 us: the run was ended, [0-9.]* us after it$' "$work/out"
count $? "a deadline that has passed ends the run"
run 0 --runs 1 --deadline-us 1000000000 "$model" && grep -q ': the run was done, [0-9.]* us before it$' "$work/out"
count $? "a deadline far away does not"
for arguments in "" "--threads" "--threads 0 $model" "--threads 65 $model" "--threads 2x $model" "--runs -1 $model" "--rums 3 $model" "$model $model"; do
  # shellcheck disable=SC2086  # words on purpose
  run 2 $arguments
  count $? "usage: $arguments"
done
run 1 "$work/nothing.bnt"
count $? "a file that is not there"
head -c 500 "$model" >"$work/cut.bnt"
run 3 "$work/cut.bnt"
count $? "a model that is cut off"

echo "$passed passed, $failed failed"
[ $failed = 0 ]
