#!/bin/sh
# The accuracy comparison: every arm of both engines, one after the other, on one thread each. About two hours of one core.
#
#   accuracy.sh BANTAM PYTHON DATA RUNS [bantam|pytorch]
#
# BANTAM: the program; PYTHON: one with torch, numpy, safetensors; DATA: CIFAR-10's binary version; RUNS: a folder outside the
# repository. Name one engine to run its arms only: two such calls use two cores. Stopped at any point and started again, it
# goes on where it was.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bantam=$1 python=$2 data=$3 runs=$4 engine=${5:-both}
mkdir -p "$runs"

arm() { # net form width epochs seed
  name=$1-$2-s$5
  recipe=$1-cifar10-$2
  if [ "$engine" != pytorch ]; then
    run=$runs/bantam-$name
    if [ -f "$run/recipe.toml" ]; then
      grep -q '"event":"end"' "$run/log.jsonl" || "$bantam" train --resume "$run" --data "$data" --threads 1
    else
      "$bantam" train "$recipe" --data "$data" --out "$run" --set model.width="$3" --epochs "$4" --seed "$5" --threads 1
    fi
  fi
  if [ "$engine" != bantam ]; then
    run=$runs/pytorch-$name
    [ -f "$run/exchange/schedule.csv" ] || "$bantam" batches "$recipe" --data "$data" --out "$run/exchange" \
      --set model.width="$3" --set train.epochs="$4" --set train.seed="$5"
    "$python" "$here/train_like.py" "$run/exchange" --data "$data" --out "$run" --threads 1
  fi
}

for seed in 1 2 3; do
  for form in bnn float; do arm resnet14 $form 0.25 3 $seed; done
done
arm vgg11 bnn 1.0 5 1
"$python" "$here/summary.py" "$runs"/*-s[0-9]
