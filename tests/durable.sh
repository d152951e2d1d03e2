#!/bin/sh
# usage: sh tests/durable.sh [BANTAM]     (build/bantam)
# What a training run does to the disk, as the kernel sees it (strace), and what it does when the disk refuses:
#   order      a file is written under another name, synced, renamed, and its folder synced; only logs are appended to
#   refusals   the k-th fsync or rename fails, or the disk is full: exit code 5, one line with path and free bytes, the
#              last checkpoint whole, and a run that then goes on ends with the bytes of one that was never disturbed
# Needs strace and the Fashion-MNIST package; and root or user namespaces for the full disk. Ends with `N passed, N failed`.
set -u
bantam=${1:-build/bantam}
case $bantam in /*) ;; *) bantam=$PWD/$bantam ;; esac
# To mount a small disk one has to be root, if only in a namespace of one's own.
[ "$(id -u)" = 0 ] || exec unshare --user --map-root-user --mount sh "$0" "$bantam"
cd "$(dirname "$0")/.." || exit 1
work=$(mktemp -d) || exit 1
trap 'umount "$work/disk" 2>/dev/null; rm -rf "$work"' EXIT
passed=0 failed=0
ok() { passed=$((passed + 1)); }
bad() { failed=$((failed + 1)); echo "failed: $*"; }

# A run of a second that saves after each step. One thread, so that calls come in one order.
start() { # FOLDER: a new run, or the one that is there
  if [ -f "$1/recipe.toml" ]; then
    set -- train --quiet --threads 1 --resume "$1"
  else
    set -- train fashion-mnist-bnn --quiet --threads 1 --epochs 2 --set data.train_images=1280 --set data.holdout=200 \
      --set train.save_every_seconds=0.02 --out "$1"
  fi
  "$prefix" "$bantam" "$@" >"$work/out" 2>"$work/err" </dev/null
}
files="recipe.toml log.jsonl curves.csv curves.svg confusion.csv confusion.svg last.safetensors best.safetensors"
same() { # FOLDER NAME: equal to the run that was left alone, and nothing else lies there
  for file in $files; do cmp -s "$work/whole/$file" "$1/$file" || { bad "$2: $file differs"; return; }; done
  left=$(cd "$1" && find . -type f ! -name timing.jsonl | sort)
  if [ "$left" = "$(cd "$work/whole" && find . -type f ! -name timing.jsonl | sort)" ]; then ok; else bad "$2: leaves $left"; fi
}
refused() { # STATUS FOLDER NAME TEXT: exit 5, one line, the checkpoint whole, no temporary file
  if [ "$1" = 5 ] && [ "$(wc -l <"$work/err")" = 1 ] && grep -q "$2/.*: cannot write: $4 (.*; [0-9]* bytes free)" "$work/err"; then
    ok
  else
    bad "$3: exit $1, $(cat "$work/err")"
  fi
  if [ -f "$2/last.safetensors" ]; then
    if "$bantam" info "$2/last.safetensors" >/dev/null 2>&1; then ok; else bad "$3: last.safetensors is broken"; fi
  fi
  left=$(find "$2" -name '.*.tmp')
  if [ -z "$left" ]; then ok; else bad "$3: leaves $left"; fi
}

cat >"$work/plain" <<'EOF'
#!/bin/sh
exec "$@"
EOF
cat >"$work/traced" <<EOF
#!/bin/sh
exec strace -f -y -o "$work/trace" -e trace=openat,open,creat,write,fsync,rename,renameat,renameat2,unlink "\$@"
EOF
cat >"$work/failing" <<EOF
#!/bin/sh
exec strace -f -o "$work/trace" -e trace=\$CALL -e inject=\$CALL:error=\$ERROR:when=\$WHEN "\$@"
EOF
chmod +x "$work/plain" "$work/traced" "$work/failing"

prefix=$work/plain
start "$work/whole" || { cat "$work/err"; echo "0 passed, 1 failed"; exit 1; }

# Order. Lines of the trace: PID call(...) = result; -y writes the path behind each descriptor.
prefix=$work/traced
start "$work/run" || bad "a run under strace: $(cat "$work/err")"
found=$(awk -v run="$work/run/" '
  function path(text) { return match(text, /<[^>]*>/) ? substr(text, RSTART + 1, RLENGTH - 2) : "" }
  function wrong(what) { print what ": " $0; ++errors }
  index($0, run) == 0 && index($0, substr(run, 1, length(run) - 1) ">") == 0 { next }
  / = -1 / { next }
  / (openat|open|creat)\(/ && /O_WRONLY|O_RDWR|O_CREAT|creat/ {
    if (/O_EXCL/ && /\.tmp"/) { ++created; next }
    if (/O_APPEND/ && !/O_TRUNC/ && /\.jsonl"/) next
    wrong("opened for writing, neither a new temporary file nor a log")
  }
  / write\(/ { dirty[path($0)] = 1; delete synced[path($0)] }
  / fsync\(/ { p = path($0); synced[p] = 1; delete dirty[p]; if (p "/" == run) pending = "" }
  / rename/ {
    split($0, quoted, "\"")
    if (pending != "") wrong("renamed before the folder was synced after " pending)
    if (!(quoted[2] in synced)) wrong("renamed without fsync")
    pending = quoted[4]; ++renamed
    delete synced[quoted[2]]
  }
  END {
    if (pending != "") { print "the folder was not synced after " pending; ++errors }
    if (renamed < 10 || created != renamed) print created " temporary files, " renamed " renamed"
  }' "$work/trace")
if [ -z "$found" ]; then ok; else bad "order of calls: $found"; fi
same "$work/run" "a run under strace"

# The k-th call fails. What comes before the recipe is written has nothing to go on from: such a run starts anew.
prefix=$work/failing
for case in fsync:1 fsync:2 fsync:3 fsync:5 fsync:8 fsync:13 fsync:20 fsync:30 rename:1 rename:2 rename:3 rename:6 rename:12; do
  export CALL="${case%:*}" WHEN="${case#*:}" ERROR=ENOSPC
  run=$work/$CALL$WHEN
  start "$run"
  refused $? "$run" "$case" "No space left on device"
  prefix=$work/plain
  start "$run" || bad "$case: does not go on: $(cat "$work/err")"
  same "$run" "$case"
  prefix=$work/failing
done

# A disk that is really full: room for one checkpoint and a half. Then it gets more room.
prefix=$work/plain
mkdir "$work/disk"
if mount -t tmpfs -o size=1700k none "$work/disk"; then
  start "$work/disk/run"
  refused $? "$work/disk/run" "full disk" "No space left on device"
  mount -o remount,size=16m "$work/disk"
  start "$work/disk/run" || bad "full disk: does not go on: $(cat "$work/err")"
  same "$work/disk/run" "full disk"
  umount "$work/disk"
else
  bad "full disk: cannot mount"
fi

echo "$passed passed, $failed failed"
[ $failed = 0 ]
