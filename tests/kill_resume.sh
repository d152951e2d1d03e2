#!/bin/sh
# usage: sh tests/kill_resume.sh [KILLS] [BANTAM] [SEED]     (20, build/bantam, 1)
# A run that is killed with SIGKILL at KILLS random moments and goes on each time with --resume must leave the same files,
# byte for byte, as the run that was left alone. Ends with `N passed, N failed`.
set -u
kills=${1:-20} bantam=${2:-build/bantam} seed=${3:-1}
case $bantam in /*) ;; *) bantam=$PWD/$bantam ;; esac
cd "$(dirname "$0")/.." || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# Runs in a subshell, of which nothing is left but the program: its process is the one to kill.
# Small epochs, frequent checkpoints: kills fall into steps, evaluations, saves and the first moments of a run.
train() {
  exec "$bantam" train fashion-mnist-bnn --quiet --epochs 6 --set data.train_images=6400 --set data.holdout=1000 \
    --set train.save_every_seconds=0.05 --set train.log_every=10 "$@" >/dev/null
}
files="recipe.toml log.jsonl curves.csv curves.svg confusion.csv confusion.svg last.safetensors best.safetensors"

begin=$(date +%s%N)
(train --out "$work/whole") || { echo "the run that is left alone fails"; echo "0 passed, 1 failed"; exit 1; }
milliseconds=$((($(date +%s%N) - begin) / 1000000))

# Delays so that about four kills fall into each run: it takes several runs to use all of them up.
delay() { awk -v s="$seed" -v n="$1" -v ms=$milliseconds 'BEGIN { srand(s * 1000 + n); printf "%.3f", 0.02 + rand() * ms / 2000 }'; }

passed=0 failed=0 killed=0 round=0 started=0
while [ $killed -lt "$kills" ]; do
  round=$((round + 1))
  run=$work/run$round
  while :; do
    started=$((started + 1))
    if [ -f "$run/recipe.toml" ]; then
      (exec "$bantam" train --quiet --resume "$run" >/dev/null) &
    else
      train --out "$run" &
    fi
    pid=$!
    if [ $killed -lt "$kills" ]; then
      sleep "$(delay $started)"
      kill -KILL $pid 2>/dev/null
      wait $pid 2>/dev/null
      [ $? != 137 ] || killed=$((killed + 1))
    else
      wait $pid || { echo "round $round: a run that goes on fails"; failed=$((failed + 1)); break 2; }
    fi
    # Finished? Its log ends with the event "end", and nothing is left to do.
    if tail -n 1 "$run/log.jsonl" 2>/dev/null | grep -q '"event":"end"' && "$bantam" train --quiet --resume "$run" >/dev/null; then break; fi
  done
  for file in $files; do
    if cmp -s "$work/whole/$file" "$run/$file"; then
      passed=$((passed + 1))
    else
      failed=$((failed + 1))
      echo "round $round: $file differs"
    fi
  done
  left=$(cd "$run" && find . -type f ! -name timing.jsonl | sort)
  if [ "$left" = "$(cd "$work/whole" && find . -type f ! -name timing.jsonl | sort)" ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "round $round: other files than in the run that was left alone:" "$left"
  fi
done
echo "$killed kills in $round runs, $started processes"
echo "$passed passed, $failed failed"
[ $failed = 0 ]
