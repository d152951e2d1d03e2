#!/bin/sh
# usage: sh cmd/quickstart.sh [--install-only | --no-install] [--json]
# From a clone to a packed 1-bit net: installs what is missing (apt-get, with sudo only if you are not root), builds the
# program, trains a binary and a float net on Fashion-MNIST, evaluates and packs, compares the packed net with the
# trained one value by value, and times both. Takes a few minutes; the only downloads are Debian packages.
#   --install-only  install and stop       --no-install  install nothing
#   --json          one JSON object on stdout: float_top1 and bnn_top1 (percent of 10,000 test images), mismatched_values,
#                   mismatched_predictions, install_seconds, build_seconds, train_seconds (both nets), checkpoint_bytes,
#                   packed_bytes, arena_bytes, packed_us, float_us (one image, one thread, median of 200 runs after 20;
#                   the float net on its faster path: the engine or the runtime)
# Everything it makes lies in build/.
set -eu
cd "$(dirname "$0")/.."

install=yes json=no
for arg in "$@"; do
  case $arg in
    --install-only) install=only ;;
    --no-install) install=no ;;
    --json) json=yes ;;
    -h | --help) sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "quickstart: unknown option $arg (known: --install-only --no-install --json --help)" >&2; exit 2 ;;
  esac
done

say() { echo "$@" >&2; }
now() { date +%s; }

packages="build-essential meson ninja-build pkg-config libtbb-dev libhwy-dev libstb-dev nlohmann-json3-dev libcli11-dev
  libtomlplusplus-dev zlib1g-dev dataset-fashion-mnist"
start=$(now)
if [ $install != no ]; then
  # shellcheck disable=SC2086  # words on purpose
  missing=$(for p in $packages; do
    case $(dpkg-query -W -f '${Status}' "$p" 2>/dev/null || true) in *' installed') ;; *) echo "$p" ;; esac
  done | tr '\n' ' ')
  if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ]; then sudo=; else sudo=sudo; fi
    say "Installing with apt-get: $missing"
    $sudo apt-get update -qq >&2
    # shellcheck disable=SC2086
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >&2
  else
    say "All packages are installed."
  fi
  [ $install = yes ] || exit 0
fi
install_seconds=$(($(now) - start))

say "Building build/bantam ..."
start=$(now)
[ -f build/build.ninja ] || meson setup build -Dtests=false >&2
ninja -C build bantam >&2
build_seconds=$(($(now) - start))

bantam=build/bantam
out=build/quickstart
rm -rf "$out"
mkdir -p "$out"

say "Training the binary net, then the float net (Fashion-MNIST) ..."
start=$(now)
$bantam train fashion-mnist-bnn --out $out/bnn --json >$out/train-bnn.json
$bantam train fashion-mnist-float --out $out/float --json >$out/train-float.json
train_seconds=$(($(now) - start))

say "Evaluating, packing, comparing, timing ..."
$bantam eval $out/float --json >$out/eval-float.json
$bantam eval $out/bnn --json >$out/eval-bnn.json
$bantam pack $out/bnn -o $out/bnn.bnt --json >$out/pack.json
verified=0
$bantam verify $out/bnn $out/bnn.bnt --json >$out/verify.json || verified=$?
[ $verified = 0 ] || [ $verified = 6 ] || exit $verified
$bantam bench $out/bnn.bnt --json >$out/bench-packed.json
# The float net's fastest path: the engine's evaluation forward, or the runtime, which runs float nets too.
$bantam pack $out/float -o $out/float.bnt --json >/dev/null
$bantam bench $out/float --json >$out/bench-float.json
$bantam bench $out/float.bnt --json >$out/bench-float-packed.json
$bantam images --out $out/images --count 5 >$out/images.txt

# number FILE KEY: the number after "KEY": in a line of JSON; the first if there are several.
number() { sed 's/"'"$2"'":/\n&/' "$1" | sed -n 's/^"'"$2"'":\(-\{0,1\}[0-9.e+-]*\).*/\1/p'; }
top1() { sed -n 's/.*"top1":{"value":\([0-9.e+-]*\).*/\1/p' "$1" | awk '{ printf "%.2f", 100 * $1 }'; }
float_top1=$(top1 $out/eval-float.json)
bnn_top1=$(top1 $out/eval-bnn.json)
mismatched_values=$(number $out/verify.json differing_values)
mismatched_predictions=$(number $out/verify.json differing_predictions)
checkpoint_bytes=$(number $out/pack.json checkpoint_bytes)
packed_bytes=$(number $out/pack.json packed_bytes)
arena_bytes=$(number $out/pack.json arena_bytes)
packed_us=$(number $out/bench-packed.json median_us | awk '{ printf "%.1f", $1 }')
float_us=$( (number $out/bench-float.json median_us; number $out/bench-float-packed.json median_us) | sort -g | awk 'NR == 1 { printf "%.1f", $1 }')

if [ $json = yes ]; then
  printf '{"schema":1,"report":"quickstart","float_top1":%s,"bnn_top1":%s,"mismatched_values":%s,"mismatched_predictions":%s,' \
    "$float_top1" "$bnn_top1" "$mismatched_values" "$mismatched_predictions"
  printf '"install_seconds":%s,"build_seconds":%s,"train_seconds":%s,"checkpoint_bytes":%s,"packed_bytes":%s,' \
    "$install_seconds" "$build_seconds" "$train_seconds" "$checkpoint_bytes" "$packed_bytes"
  printf '"arena_bytes":%s,"packed_us":%s,"float_us":%s}\n' "$arena_bytes" "$packed_us" "$float_us"
else
  cat <<END

test accuracy       float $float_top1 %, binary $bnn_top1 % (top-1 of 10,000 images)
packed and trained  $mismatched_values values and $mismatched_predictions predictions differ, over 10,000 images
size                checkpoint $checkpoint_bytes bytes, packed model $packed_bytes bytes, arena $arena_bytes bytes
one image           packed $packed_us us, float $float_us us (1 thread, median of 200 runs after 20)
time                install $install_seconds s, build $build_seconds s, training $train_seconds s

Run folders: $out/bnn and $out/float (open curves.svg); packed model: $out/bnn.bnt; pictures: $out/images
Next:
  $bantam predict $out/bnn.bnt $(tr '\n' ' ' <$out/images.txt)
  $bantam eval $out/bnn.bnt --data /usr/share/datasets/fashion-mnist
  $bantam info $out/bnn.bnt
  $bantam verify $out/bnn $out/bnn.bnt
  $bantam train --help
END
fi
exit $verified
