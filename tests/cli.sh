#!/bin/sh
# usage: sh tests/cli.sh [BANTAM [JSON_CHECK]]     (build/bantam build/tests/json_check)
# The program as its user meets it: bad command lines, recipes and files each give one line and their exit code; reports
# go to stdout, progress to stderr, bars only to a terminal. Ends with `N passed, N failed`.
set -u
bantam=${1:-build/bantam}
json_check=${2:-build/tests/json_check}
case $bantam in /*) ;; *) bantam=$PWD/$bantam ;; esac
case $json_check in /*) ;; *) json_check=$PWD/$json_check ;; esac
cd "$(dirname "$0")/.." || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
passed=0 failed=0

ok() { passed=$((passed + 1)); }
bad() { failed=$((failed + 1)); echo "failed: $*"; }

# refused CODE TEXT ARGUMENT...: exits with CODE, prints one line on stderr that holds TEXT, and nothing on stdout.
refused() {
  code=$1 text=$2
  shift 2
  "$bantam" "$@" >out 2>err </dev/null
  got=$?
  if [ $got = "$code" ] && [ "$(wc -l <err)" = 1 ] && grep -qF -- "$text" err && [ ! -s out ]; then
    ok
  else
    bad "bantam $*: wanted exit $code and '$text', got exit $got, $(wc -l <err) lines: $(head -c 300 err)"
  fi
}
# accepted TEXT ARGUMENT...: exits with 0, TEXT is on stdout.
accepted() {
  text=$1
  shift
  if "$bantam" "$@" >out 2>err </dev/null && grep -qF -- "$text" out; then ok; else bad "bantam $*: $(head -c 300 err; head -c 300 out)"; fi
}

# A data set of 120 + 40 images in MNIST's layout: class k is a bright bar at rows 2 k and 2 k + 1.
idx() { # NAME COUNT
  LC_ALL=C awk -v n="$2" 'BEGIN {
    printf "%c%c%c%c%c%c%c%c%c%c%c%c%c%c%c%c", 0, 0, 8, 3, 0, 0, int(n / 256), n % 256, 0, 0, 0, 28, 0, 0, 0, 28
    for (i = 0; i < n; i++) for (p = 0; p < 784; p++) printf "%c", (int(p / 56) == i % 10 ? 200 : 20) + (i * 7 + p * 13) % 50
  }' >"data/$1-images-idx3-ubyte"
  LC_ALL=C awk -v n="$2" 'BEGIN {
    printf "%c%c%c%c%c%c%c%c", 0, 0, 8, 1, 0, 0, int(n / 256), n % 256
    for (i = 0; i < n; i++) printf "%c", i % 10
  }' >"data/$1-labels-idx1-ubyte"
}
mkdir data
idx train 120
idx t10k 40
quick="--data data --epochs 2 --batch 16 --threads 1"

# --- command lines
refused 2 "which subcommand?"
refused 2 "unknown subcommand 'trian' (did you mean 'train'?)" trian
refused 2 "unknown flag '--vresion' (did you mean '--version'?)" --vresion
refused 2 "RECIPE is missing" train
refused 2 "--out RUN is missing" train fashion-mnist-bnn
refused 2 "unknown flag '--ephocs' (did you mean '--epochs'?)" train fashion-mnist-bnn --ephocs 3
refused 2 "unknown recipe 'fashon-mnist-bnn' (did you mean 'fashion-mnist-bnn'?)" train fashon-mnist-bnn --out r
refused 2 "unexpected argument 'extra'" train fashion-mnist-bnn extra --out r
refused 2 "train.epochs: 'x' is not an integer" train fashion-mnist-bnn --out r --epochs x
refused 2 "train.epochs: 0 is out of range, it must be 1 to" train fashion-mnist-bnn --out r --epochs 0
refused 2 "unknown key 'optimizer.momentun' (did you mean 'optimizer.momentum'?)" train fashion-mnist-bnn --out r --set optimizer.momentun=1
refused 2 "write key=value" train fashion-mnist-bnn --out r --set optimizer.lr
refused 2 "optimizer.momentum has no effect with optimizer.name" train --set optimizer.momentum=0.5 fashion-mnist-bnn --out r
refused 2 "optimizer.momentum has no effect with optimizer.name" train fashion-mnist-bnn --out r --set optimizer.momentum=0.5
refused 2 "optimizer.lr: -1 is out of range, it must be above 0" train fashion-mnist-bnn --out r --lr -1
refused 2 "optimizer.fused_update = on does not go with train.clip_norm" train fashion-mnist-bnn --out r --set optimizer.fused_update=on --set train.clip_norm=1
refused 2 "data.flip: 'maybe' is not true or false" train fashion-mnist-bnn --out r --set data.flip=maybe
refused 2 "quant.weight: unknown value 'sing' (did you mean 'sign'?), known: none | sign | stochastic | bwn | xnor | twn | ternary | dorefa | tanh | uniform" train fashion-mnist-bnn --out r --set quant.weight=sing
refused 2 "in place of \"bnn\" write quant.weight, quant.activation and model.order" train fashion-mnist-bnn --out r --set model.form=bnn
refused 2 "model.stem has no effect with model.name" train fashion-mnist-bnn --out r --set model.stem=cifar
refused 2 "data.mean has 2 values, data.stddev has 1" train fashion-mnist-bnn --out r --set data.mean=1,2
refused 2 "schedule.milestones has 1 values, schedule.factors has 0" train fashion-mnist-bnn --out r --set schedule.kind=multistep --set schedule.milestones=1
refused 2 "'-1' is not an integer from 0 to 256" train fashion-mnist-bnn --out r --threads -1
refused 2 "'257' is not an integer from 0 to 256" train fashion-mnist-bnn --out r --threads 257
refused 2 "--data DIR is missing: the folder of cifar10" train vgg11-cifar10-bnn --out r
refused 2 "MODEL is missing" eval
refused 2 "'dev' is neither test nor train" eval m --split dev
refused 2 "must end in .csv or .svg" eval m --confusion c.png
refused 2 "IMAGE is missing" predict m
refused 2 "'0' is not an integer from 1 to" predict m i --top 0
refused 2 "--out is missing" pack m
refused 2 "PACKED is missing" verify m
refused 2 "'0' is not an integer from 1 to" bench m --runs 0
refused 2 "unknown flag '--memroy' (did you mean '--memory'?)" info fashion-mnist-bnn --memroy
refused 2 "no such run folder" train --resume nowhere
refused 2 "--profile-steps has no effect without --profile" train lenet-mnist --out r --data data --profile-steps 3
refused 5 "nowhere/t.json" train lenet-mnist --out r --data data --profile nowhere/t.json
[ ! -e r ] && ok || bad "a profile that cannot be written has left a run"
accepted "stopped after step 2" train lenet-mnist --out ./r/ --data data --profile r/t.json --profile-steps 2 --max-steps 2
grep -qF "profile of 2 steps in r/t.json" err && [ -s r/t.json ] && ok || bad "a profile in the run's own folder: $(cat err)"
rm -rf r
refused 2 "leave out 'fashion-mnist-bnn'" train fashion-mnist-bnn --resume r
refused 2 "cannot be changed (train.epochs=3)" train --resume r --epochs 3
refused 2 "leave out --out" train --resume r --out s
refused 2 "leave out --init" train --resume r --init w
refused 2 "no such folder" report nowhere
refused 2 "DIR is missing" report
refused 2 "unknown problem 'spheres'; known: apsq" toy spheres
refused 2 "there are 40" images --data data --out pictures --first 39 --count 2

# --- recipes
recipe() { printf '%b' "$1" >r.toml; }
recipe '[train]\nepohcs = 3\n'
refused 2 "r.toml:2:10: unknown key 'train.epohcs' (did you mean 'train.epochs'?)" info r.toml
recipe '[train]\nepochs = "3"\n'
refused 2 'r.toml:2:10: train.epochs: "3" is not an integer' info r.toml
recipe '[train\n'
refused 2 "r.toml:" info r.toml
recipe '[train]\nepochs = 1\nepochs = 2\n'
refused 2 "r.toml:3:" info r.toml
recipe '[trian]\n'
refused 2 "unknown key 'trian'" info r.toml
recipe '[optimizer]\nname = "adam"\nnesterov = true\n'
refused 2 'optimizer.nesterov has no effect with optimizer.name = "adam"' info r.toml
recipe '[schedule]\nkind = "multistep"\nmilestones = [2, 1]\nfactors = [1, 1]\n'
refused 2 "schedule.milestones must rise" info r.toml
refused 3 "missing.toml" info missing.toml

# --- files
head -c 100 /dev/zero >zeros
: >empty
refused 3 "zeros" eval zeros --data data
refused 3 "empty" pack empty -o n.bnt
refused 3 "nothing" predict nothing zeros
refused 3 "nofolder" train fashion-mnist-bnn --out r --data nofolder
mkdir broken && cp data/* broken && head -c 1000 data/train-images-idx3-ubyte >broken/train-images-idx3-ubyte
refused 3 "train-images-idx3-ubyte" train fashion-mnist-bnn --out r --data broken
refused 2 "model.name = vgg11:" train fashion-mnist-bnn --out r --data data --set model.name=vgg11
refused 2 "model.name = resnet18: resnet18: cannot be built in the order hardtanh" train fashion-mnist-bnn --out r --data data --set model.name=resnet18
refused 2 "model.classes = 5: fashion-mnist has 10" train fashion-mnist-bnn --out r --data data --set model.classes=5
refused 2 "[quant]: quantize: conv2: the sign of its input would always be +1" train fashion-mnist-float --out r --data data --set model.name=lenet --set quant.activation=sign
[ ! -e r ] && ok || bad "a command line that was refused has left a folder"

# --- a run
# shellcheck disable=SC2086  # words on purpose
accepted "test top-1" train fashion-mnist-bnn --out run $quick
if [ ! -s err ]; then bad "no progress on stderr"; else ok; fi
if grep -q "$(printf '[\r\033]')" err; then bad "escapes in a pipe"; else ok; fi
refused 2 "holds a run already; go on with --resume run" train fashion-mnist-bnn --out run --data data
refused 2 "holds weights only, no training state; start a new run from it with --init" train --resume run/best.safetensors
refused 2 "give the run folder" train --resume run/last.safetensors
accepted "test top-1" train --resume run --data data --quiet
[ ! -s err ] && ok || bad "--quiet is not quiet: $(cat err)"
cp -r run changed && echo >>changed/recipe.toml
refused 2 "no longer the recipe that the run began with" train --resume changed --data data
cp -r run cut && : >cut/log.jsonl
refused 3 "log.jsonl" train --resume cut --data data
head -c 3000 run/last.safetensors >cut/last.safetensors
refused 3 "cut/last.safetensors" train --resume cut --data data
# shellcheck disable=SC2086
accepted "stopped after step 3 of 16; go on with: bantam train --resume stopped --data data" train fashion-mnist-bnn --out stopped --seed 5 $quick --max-steps 3
accepted "test top-1" train --resume stopped --data data
# shellcheck disable=SC2086
accepted "test top-1" train fashion-mnist-bnn --out warm --init run/best.safetensors $quick
grep -qF "20/20 loaded, 0 missing, 0 unexpected" err && ok || bad "--init does not say what it loaded: $(cat err)"
refused 3 "'conv1.weight' is [32,1,3,3], in the net [16,1,3,3]" train fashion-mnist-bnn --set model.width=0.5 --out narrow --init run/best.safetensors --data data
for file in recipe.toml log.jsonl timing.jsonl curves.csv curves.svg confusion.csv confusion.svg last.safetensors best.safetensors; do
  [ -s run/$file ] && ok || bad "the run folder lacks $file"
done
if grep -qE 'seconds|time|thread' run/log.jsonl; then bad "times in log.jsonl"; else ok; fi
# shellcheck disable=SC2086
accepted "test top-1" train fashion-mnist-bnn --out again $quick
for file in recipe.toml log.jsonl curves.csv curves.svg confusion.csv last.safetensors best.safetensors; do
  cmp -s run/$file again/$file && ok || bad "two equal runs differ in $file"
done
# A net given as a file: the same run as by name; the run's folder keeps the file, so that the run goes on without it.
mkdir nets
"$bantam" info fashion-mnist-bnn --net --set model.classes=10 >nets/bnn.json && tail -n 1 nets/bnn.json | grep -qx "}" && ok || bad "info --net"
printf '[data]\nname = "fashion-mnist"\nmean = [0.5]\nstddev = [0.25]\n[model]\nspec = "bnn.json"\n' >nets/bnn.toml
accepted "stopped after step 3" train nets/bnn.toml --out given --seed 5 --data data --batch 5 --epochs 2 --max-steps 3
cmp -s nets/bnn.json given/net.json && grep -qx 'spec = "net.json"' given/recipe.toml && ok || bad "the run does not keep its net: $(cat given/recipe.toml)"
mv nets gone
accepted "test top-1" train --resume given --data data
mv gone nets
accepted "test top-1" train nets/bnn.toml --out given2 --seed 5 --data data --batch 5 --epochs 2
for file in recipe.toml log.jsonl net.json last.safetensors best.safetensors; do
  cmp -s given/$file given2/$file && ok || bad "a run of a net from a file differs in $file after it went on"
done
head -c 300 nets/bnn.json >nets/cut.json
refused 3 "nets/cut.json: net: " info nets/bnn.toml --set model.spec=nets/cut.json
refused 2 "the net takes images of 28x28x1, not of 32x32x3" info nets/bnn.toml --set data.name=cifar10
refused 2 "model.width has no effect with model.spec" info nets/bnn.toml --set model.width=2
# A limit of memory: the same bytes in less, or by how much it does not fit; no folder is left behind then.
narrow="--data data --batch 16 --threads 1 --epochs 1 --set model.name=resnet14 --set model.width=0.1 --set train.eval_batch=4"
# shellcheck disable=SC2086
accepted "test top-1" train fashion-mnist-float --out free $narrow
# shellcheck disable=SC2086
accepted "test top-1" train fashion-mnist-float --out fitted $narrow --mem-limit 3000KiB
grep -qF "computed again in backward" err && ok || bad "--mem-limit does not say what it does: $(cat err)"
for file in recipe.toml log.jsonl last.safetensors best.safetensors; do
  cmp -s free/$file fitted/$file && ok || bad "--mem-limit changes $file"
done
# shellcheck disable=SC2086
accepted "stopped after step" train fashion-mnist-float --out half $narrow --mem-limit 3000KiB --max-steps 2
accepted "test top-1" train --resume half --data data --threads 1 --mem-limit 3000KiB
cmp -s free/last.safetensors half/last.safetensors && ok || bad "a run that goes on within a limit differs"
# shellcheck disable=SC2086
refused 2 "--mem-limit 1.46 MiB: a step of batch 16 takes at least" train fashion-mnist-float --out tight $narrow --mem-limit 1500KiB
refused 2 "takes at least" info vgg11-cifar10-bnn --mem-limit 120MiB --set train.eval_batch=8
refused 2 "evaluation of train.eval_batch = 200 images takes" info resnet14-cifar10-float --mem-limit 200MiB
refused 2 "--mem-limit: '12MB' is not a number of bytes" train fashion-mnist-float --out tight --data data --mem-limit 12MB
[ ! -e tight ] && ok || bad "a limit that was refused has left a folder"
accepted "computed again in backward" info resnet14-cifar10-float --set optimizer.name=sgd --mem-limit 340MiB

refused 4 "the last checkpoint is untouched" train fashion-mnist-float --out nan --data data --quiet --lr 1e30 --epochs 3 --batch 8

# --- reports
accepted "95 % interval" eval run --data data
accepted "confusion matrix" eval run/best.safetensors --data data --confusion c.csv
[ "$(wc -l <c.csv)" = 11 ] && ok || bad "confusion.csv has not 11 lines"
accepted "packed model" pack run -o net.bnt
# The same model as C source, and with text of the user's.
accepted "-> net.bnt, net.c" pack run -o net.bnt --c-array net.c --meta site=north --meta lot=7=7
accepted "metadata         site = north" inspect net.bnt
grep -qx "metadata         lot = 7=7" out && ok || bad "inspect does not show the metadata: $(cat out)"
accepted "-> again.c" pack net.bnt --c-array again.c
sed 's/again/net/g; s/AGAIN/NET/g; s/from net.bnt/from last.safetensors/' again.c | cmp -s - net.c && ok || bad "C source of a packed model differs: $(diff again.c net.c | head -n 5)"
if grep -qF "$work" net.c net.h; then bad "a path of this machine in C source"; else ok; fi
for compiler in "gcc -std=c99" "gcc -std=c11" "g++ -std=c++11 -x c++" "clang-14 -std=c99"; do
  command -v "${compiler%% *}" >/dev/null || continue
  # shellcheck disable=SC2086  # words on purpose
  $compiler -Wall -Wextra -Wpedantic -Wconversion -Werror -c net.c -o net.o 2>err && ok || bad "$compiler does not compile net.c: $(head -n 3 err)"
done
accepted "-> x.c" pack run --c-array x.c
[ ! -e x.bnt ] && [ -s x.h ] && ok || bad "pack --c-array alone"
rm x.c x.h
refused 2 "must end in .c" pack run --c-array x.h
refused 2 "must end in .c" pack run -o x --c-array .c
refused 2 "no #include can name" pack run -o x --c-array 'a".c'
refused 2 "net.bnt is packed already: all that it takes is --c-array FILE.c" pack net.bnt -o x
refused 2 "is packed already" pack net.bnt --c-array x.c --meta a=b
refused 2 "--meta: write key=value, not 'a'" pack run -o x --meta a
refused 2 "--meta: a key is empty" pack run -o x --meta =b
refused 2 "letters, digits, '.', '_' and '-', not 'a b'" pack run -o x --meta "a b=c"
refused 2 "--meta: a is given twice" pack run -o x --meta a=1 --meta a=2
refused 2 "a has a value that is no UTF-8 or holds control characters" pack run -o x --meta "a=$(printf '\033')"
refused 2 "a has a value of 1025 bytes, at most 1024 fit" pack run -o x --meta "a=$(head -c 1025 /dev/zero | tr '\0' x)"
# shellcheck disable=SC2046  # words on purpose
refused 2 "at most 64 keys fit" pack run -o x $(seq -f "--meta k%g=v" 65)
refused 5 "nofolder/x.h" pack run --c-array nofolder/x.c
[ ! -e x ] && ok || bad "a refused pack has left a file"
accepted "0 differ; 0 predictions differ" verify run net.bnt --data data
accepted "0 differ; 0 predictions differ" verify run net.bnt --data data --images 7 --threads 2
accepted "top-1" eval net.bnt --data data --kind fashion-mnist
refused 2 "the classes differ: class 0 is '0' in the data set, 'T-shirt/top' in the model" eval net.bnt --data data --kind mnist
refused 2 "unknown data set 'cifar11' (did you mean 'cifar10'?)" eval net.bnt --data data --kind cifar11
refused 2 "does not say what it was trained on" eval net.bnt
accepted "test top-1 %" report run
accepted "BWN                        40     29" toy apsq --out toy.svg
grep -q "29 sign flips in 40 steps" toy.svg && ok || bad "toy: $(head -c 300 toy.svg)"
accepted "pictures/0-" images --data data --out pictures --count 3
# shellcheck disable=SC2046  # names without blanks
accepted " %" predict net.bnt $(ls pictures/*.png)
# shellcheck disable=SC2046
accepted " %" predict run $(ls pictures/*.png) --top 2
accepted "MACs an image" info fashion-mnist-bnn
accepted "at the peak" info run --memory
accepted "at the peak" info fashion-mnist-float --memory --batch 32
accepted "arena" info net.bnt
refused 2 "--set and its like change a recipe" info run --epochs 3
refused 2 "its arena" info net.bnt --memory
refused 2 "--mem-limit is for training" info net.bnt --mem-limit 1MiB
accepted "median" bench net.bnt --runs 5 --warmup 1
accepted "median" bench run --runs 5 --warmup 1
accepted "| packed |" bench net.bnt --threads 1,2 --batch 3 --runs 3 --warmup 1
[ "$(grep -c '^| net.bnt' out)" = 2 ] && ok || bad "bench: not a row for each number of threads: $(cat out)"
accepted "| checkpoint |" bench run --threads 1,2 --batch 3 --runs 3 --warmup 1
accepted "| popcount |" bench net.bnt --ops --runs 3 --warmup 1
grep -q "^| [a-z0-9.]* *| bits x bits |" out && ok || bad "bench --ops: $(cat out)"
refused 2 "--ops is for packed models; run is none" bench run --ops
refused 2 "--ops is for packed models; lenet-mnist is a recipe" bench lenet-mnist --ops
refused 2 "--batch: '0' is not an integer from 1 to 65536" bench net.bnt --batch 0
refused 2 "--batch: '3x' is not an integer from 1 to 65536" bench run --batch 3x
# Quantized after training, and what a packed model is made of.
# shellcheck disable=SC2086
accepted "test top-1" train fashion-mnist-float --out real $narrow
accepted "Next: bantam eval int8.safetensors" quantize real --data data --images 50 -o int8.safetensors
accepted "top-1" eval int8.safetensors --data data
accepted "packed model" pack int8.safetensors -o int8.bnt
accepted "0 differ; 0 predictions differ" verify int8.safetensors int8.bnt --data data
accepted "codes x codes" inspect int8.bnt
accepted "--flash, --ram        yes" inspect int8.bnt --flash 10MiB --ram 10MiB
"$bantam" inspect int8.bnt --ram 1KiB >out 2>err
[ $? = 6 ] && grep -qF -- "--flash, --ram        no" out && ok || bad "inspect --ram 1KiB: $(cat err)"
"$bantam" inspect int8.bnt --flash 1KiB --json >out 2>err
[ $? = 6 ] && "$json_check" out devices && ok || bad "inspect --flash 1KiB --json: $(cat err)"
accepted "bits x bits" inspect net.bnt
for rule in minmax percentile mse; do
  accepted "of 5 bits" quantize real --data data --range $rule --weight-bits 4 --activation-bits 5 --images 20 --keep-first --keep-last -o few.safetensors
done
accepted "of 8 bits" quantize real --data data --images 20 --no-bias-correction -o few.safetensors
refused 2 "real/last.safetensors is no packed model; bantam info tells of recipes and checkpoints" inspect real/last.safetensors
refused 2 "--range minmx: unknown (did you mean 'minmax'?)" quantize real --data data --range minmx -o few.safetensors
refused 2 "is quantized already" quantize int8.safetensors --data data -o few.safetensors
refused 2 "is packed already" quantize int8.bnt --data data -o few.safetensors
refused 2 "'9' is not an integer from 2 to 8" quantize real --data data --weight-bits 9 -o few.safetensors
accepted "real weights as f16" quantize real --weights f16 -o half.safetensors
accepted "Next: bantam verify half.safetensors half.bnt" pack half.safetensors -o half.bnt
accepted "Next: bantam verify real switches.bnt" pack real --with int8.safetensors --with half.safetensors -o switches.bnt
accepted "switch 1, above  width 1.000, weights 8 bits, activations 8 bits" inspect switches.bnt --switch 1
accepted " 0 differ; 0 predictions differ" verify int8.safetensors switches.bnt --switch 1 --data data --images 20
accepted " 0 differ; 0 predictions differ" verify half.safetensors switches.bnt --switch 2 --data data --images 20
"$bantam" verify int8.safetensors switches.bnt --data data --images 20 >out 2>err </dev/null
got=$?
if [ $got = 2 ] || [ $got = 6 ]; then ok; else bad "verify of another switch: exit $got: $(head -c 300 err; tail -n 2 out)"; fi
accepted "codes x codes" bench switches.bnt --switch 1 --runs 3 --ops
refused 2 "--switch 3: switches.bnt has 3 switches, from 0 on" verify real switches.bnt --switch 3 --data data
refused 2 "--switch 1: half.bnt has 1 switch, 0" inspect half.bnt --switch 1
refused 2 "--weights f61: unknown (did you mean 'f16'?)" quantize real --weights f61 -o half.safetensors
refused 2 "--weights f16 takes no bits" quantize real --weights f16 --weight-bits 4 -o half.safetensors
refused 2 "no layer of the net has real weights" quantize half.safetensors --weights bf16 -o more.safetensors
refused 2 "--out is missing" quantize real --data data
refused 2 "CHECKPOINT is missing" quantize
refused 2 "NET is missing" inspect
refused 2 "is not a number of bytes" inspect int8.bnt --ram 12MB
refused 3 "nothing.bnt" inspect nothing.bnt
refused 2 "are for recipes; net.bnt is none" bench net.bnt --seed 4
refused 2 "--eval is for recipes" bench net.bnt --eval
refused 2 "-o csv is for recipes" bench run -o csv
refused 2 "gone.bnt: no such file" bench gone.bnt
refused 2 "unknown recipe 'lenet-minst' (did you mean 'lenet-mnist'?)" bench lenet-minst
refused 2 "'x' is not an integer from 0 to 256" bench lenet-mnist --threads 1,x
refused 2 "'' is not an integer from 0 to 256" bench lenet-mnist --threads 1,
refused 2 "neither md, json nor csv" bench lenet-mnist -o xml
refused 2 "train.batch: 0 is out of range" bench lenet-mnist --batch 0
accepted "| lenet-mnist | training |       1 |     4 |" bench lenet-mnist --batch 4 --threads 1 -r 3
accepted "recipe,mode,threads,batch,runs,step_ms_median,step_ms_min,step_ms_max,images_per_s,gflops," bench lenet-mnist --batch 4 --threads 1,2 -r 3 -o csv
[ "$(wc -l <out)" = 3 ] && ok || bad "bench: not a row for each number of threads: $(cat out)"
accepted "lenet-mnist,evaluation,1,4,3," bench lenet-mnist --batch 4 --threads 1 -r 3 -o csv --eval
printf '[data]\nname = "mnist"\n[model]\nname = "lenet"\n[train]\nbatch = 2\n' >small.toml
accepted "| small.toml | training |" bench small.toml --threads 1 -r 2
accepted "schedule.csv (16 steps)" batches fashion-mnist-bnn --data data --out exchange --epochs 2 --batch 16 --steps 2
# --- weights of another program: what batches writes for one are such a file
accepted "schedule.csv" batches lenet-mnist --data data --out foreign --steps 0 --set model.name=resnet18 --set model.width=0.05
weights=foreign/init.safetensors narrow="--from resnet18 --width 0.05 --input 28"
# shellcheck disable=SC2086
accepted "122/122 loaded, 0 missing, 0 unexpected" convert $narrow $weights -o c.safetensors
accepted "95 % interval" eval c.safetensors --data data --kind mnist
accepted " %" predict c.safetensors pictures/0-*.png
accepted "layer4.1.conv2" info c.safetensors
[ "$(sed -n 2p out)" = "" ] && [ "$(sed -n 3p out | cut -c1-4)" = node ] && ok || bad "info of weights without a recipe begins with $(head -n 4 out)"
printf 'PK\003\004 and the rest of a zip archive' >state.pth
refused 3 "one of torch.save; see docs/convert.md" convert --from resnet18 state.pth -o x
accepted "test top-1" train lenet-mnist --out tuned --data data --epochs 1 --set model.name=resnet18 --set model.width=0.05 --init c.safetensors
grep -qF "122/122 loaded, 0 missing, 0 unexpected" err && ok || bad "--init of converted weights: $(cat err)"
# shellcheck disable=SC2086
accepted "120/122 loaded, 2 missing, 2 unexpected" convert $narrow --classes 7 --allow-missing 'fc.*' --allow-unexpected 'fc.*' $weights -o c7.safetensors
accepted "schedule.csv" batches lenet-mnist --data data --out small --steps 0 --set model.name=resnet18 --set model.width=0.05 --set model.stem=cifar
# shellcheck disable=SC2086
refused 2 "conv1 is 3x3: say --stem tiny-imagenet (a max pool comes after it) or --stem cifar (none)" convert $narrow small/init.safetensors -o x
# shellcheck disable=SC2086
accepted "stem tiny-imagenet, images 28x28x1" convert $narrow --stem tiny-imagenet small/init.safetensors -o c.safetensors
printf 'a\nb\n' >names.txt
# shellcheck disable=SC2086
{
  refused 2 "unknown flag '--stm' (did you mean '--stem'?)" convert $narrow $weights -o x --stm cifar
  refused 2 "FILE is missing" convert --from resnet18 -o x
  refused 2 "--from resnet81: no such net (did you mean 'resnet18'?)" convert --from resnet81 $weights -o x
  refused 2 "--stem is for ResNets" convert --from vgg11 --stem cifar $weights -o x
  refused 2 "names.txt: 2 names, the net has 10 classes" convert $narrow --class-names names.txt $weights -o x
  refused 2 "--mean: 1 or 1 numbers, not 3" convert $narrow --mean 0,0,0 $weights -o x
  refused 3 "holds the tensors of resnet18, not of resnet50: --from resnet18" convert --from resnet50 $weights -o x
  refused 3 "'conv1.weight' is [3,1,7,7], in the net [64,1,7,7]" convert --from resnet18 $weights -o x
  refused 3 "'conv1.weight' is [3,1,7,7], in the net [3,1,3,3]" convert $narrow --stem cifar $weights -o x
  refused 3 "'fc.weight' is [10,26], in the net [7,26]" convert $narrow --classes 7 $weights -o x
  refused 3 "has no tensor 'fc.weight' and 1 more" convert $narrow --classes 7 --allow-unexpected 'fc.*' $weights -o x
  refused 3 "zeros" convert --from resnet18 zeros -o x
  refused 3 "no tensor 'conv1.weight'" convert --from resnet18 --classes 10 run/best.safetensors --allow-unexpected '*' -o x
  refused 5 "nofolder/x" convert $narrow $weights -o nofolder/x
}
[ ! -e x ] && ok || bad "a refused conversion has left a file"

accepted "SIMD in use" --version
grep -qx "runtime       $(sed -n '1s/^bantam //p' out)" out && ok || bad "--version: the runtime is of another version: $(head -n 2 out)"
accepted "Example: bantam" --help
for command in train eval predict info pack quantize inspect convert verify bench batches images; do
  accepted "Example: bantam $command" $command --help
  [ "$(head -n 1 out | cut -c1-8)" = Example: ] && ok || bad "$command --help does not start with an example"
  if awk 'length > 100 { found = 1 } END { exit !found }' out; then bad "$command --help has lines of more than 100 columns"; else ok; fi
done
json() { # KEY ARGUMENT...: one line of JSON with a schema number and this key
  key=$1
  shift
  "$bantam" "$@" --json >out 2>err </dev/null
  if [ "$(wc -l <out)" = 1 ] && "$json_check" out "$key"; then
    ok
  else
    bad "bantam $* --json: $(head -c 300 err out)"
  fi
}
# shellcheck disable=SC2086
json outcome train lenet-mnist --out lenet $quick
json top1 eval run --data data
json packed_bytes pack run -o net.bnt
json ranges quantize real --data data --images 20 -o int8.safetensors
json ops inspect net.bnt
json metadata inspect net.bnt
json c_array pack net.bnt --c-array again.c
# shellcheck disable=SC2086
json wanted convert $narrow $weights -o c.safetensors
json differing_values verify run net.bnt --data data
json images predict run pictures/0-*.png
json nodes info fashion-mnist-bnn --memory
json nodes info run
json arena_base info net.bnt
json median_us bench net.bnt --runs 3
json rows bench net.bnt --runs 3 --warmup 0 --ops --threads 1,2
json rows bench lenet-mnist --batch 4 --threads 1 -r 3
json total_steps batches fashion-mnist-bnn --data data --out exchange
json arms toy apsq
json arms report run
json images images --data data --out pictures
"$json_check" run/log.jsonl && "$json_check" run/timing.jsonl && ok || bad "log.jsonl is no JSON"

# --- data sets of image files: the pictures again, in folders
mkdir -p folder/train/even folder/train/odd folder/val/even folder/val/odd
"$bantam" images --data data --out all --count 40 >out 2>err || bad "images: $(cat err)"
i=0
for picture in all/*.png; do
  case $i in *[02468]) class=even ;; *) class=odd ;; esac
  case $i in ?) split=val ;; *) split=train ;; esac
  cp "$picture" "folder/$split/$class/$i.JPEG"
  i=$((i + 1))
done
small="--set data.name=image-folder --set data.image_size=20 --set model.name=lenet --epochs 2 --batch 8 --quiet"
# shellcheck disable=SC2086
accepted "test top-1" train lenet-mnist --data folder --out files $small --set data.crop=resized --set data.flip=true --set data.brightness=0.4 --set data.lighting=0.1 --threads 1
# shellcheck disable=SC2086
accepted "test top-1" train lenet-mnist --data folder --out files2 $small --set data.crop=resized --set data.flip=true --set data.brightness=0.4 --set data.lighting=0.1 --threads 2
for file in log.jsonl last.safetensors; do cmp -s files/$file files2/$file && ok || bad "threads change $file of images that are decoded as they are used"; done
grep -q '"wait_share":' files/timing.jsonl && ok || bad "timing.jsonl does not say what was waited for data"
accepted "on 10 test images of image-folder" eval files --data folder
accepted "on 30 train images of image-folder" eval files --data folder --split train --resize 24
refused 2 "do not cover 20x20" eval files --data folder --resize 19
# shellcheck disable=SC2086
accepted "holdout top-1" train lenet-mnist --data folder/train --out held $small --set data.holdout=8
# shellcheck disable=SC2086
refused 2 "keep images back with --set data.holdout=N" train lenet-mnist --data folder/train --out r $small
refused 2 "say how large the net's are" train lenet-mnist --data folder --out r --set data.name=image-folder
refused 2 "data.crop_scale must be two numbers" train lenet-mnist --out r --set data.crop=resized --set data.crop_scale=0.5
refused 2 'data.pad_crop has no effect with data.crop = "resized"' train lenet-mnist --out r --set data.crop=resized --set data.pad_crop=4
refused 3 "but it holds image-folder (train/)" train vgg11-cifar10-float --data folder --out r
refused 3 "but it holds mnist or fashion-mnist (train-images-idx3-ubyte)" train vgg11-cifar10-float --set data.name=cifar100 --data data --out r
mkdir -p tiny/train/n1/images && echo n1 >tiny/wnids.txt && printf 'n1\tfish\n' >tiny/words.txt && cp all/0-0.png tiny/train/n1/images
refused 3 "tiny/val/val_annotations.txt" train lenet-mnist --set data.name=tiny-imagenet --data tiny --out r
mkdir -p tiny/val/images && printf '../a.JPEG\tn1\t0\t0\t1\t1\n' >tiny/val/val_annotations.txt
refused 3 "tiny/val/val_annotations.txt: line 1 '../a.JPEG' is not the name of a file" train lenet-mnist --set data.name=tiny-imagenet --data tiny --out r
head -c 200 folder/train/even/10.JPEG >cut.JPEG && cp cut.JPEG folder/train/even/10.JPEG
# shellcheck disable=SC2086
refused 3 "folder/train/even/10.JPEG: the PNG chunk IDAT is cut short" train lenet-mnist --data folder --out broken2 $small

# --- differences, corrupt models, full disks, signals
"$bantam" verify stopped net.bnt --data data >out 2>err
[ $? = 6 ] && grep -q "differ" out && ok || bad "verify of another net does not exit with 6: $(cat err)"
# One bit of a byte in its middle.
middle=$(($(wc -c <net.bnt) / 2))
byte=$(od -An -tu1 -j $middle -N 1 net.bnt | tr -d ' ')
cp net.bnt flipped.bnt
# shellcheck disable=SC2059
printf "$(printf '\\%03o' $((byte ^ 1)))" | dd of=flipped.bnt bs=1 seek=$middle conv=notrunc 2>/dev/null
refused 3 "flipped.bnt" eval flipped.bnt --data data
refused 5 "nofolder/net.bnt" pack run -o nofolder/net.bnt
# A file may have 64 blocks of 512 bytes here: neither the log's nor the checkpoint's failing is silent.
(trap '' XFSZ; ulimit -f 64; exec "$bantam" train fashion-mnist-bnn --out limited --data data --quiet >out 2>err)
[ $? = 5 ] && grep -q "limited/" err && ok || bad "a full disk while training is not exit 5: $(cat err)"
"$bantam" --version >/dev/full 2>err
[ $? = 5 ] && grep -q "stdout" err && ok || bad "a full disk behind stdout is not exit 5"
"$bantam" train --help | head -n 1 >/dev/null 2>err
[ ! -s err ] && ok || bad "a closed pipe is not quiet"
for signal in INT:130 TERM:143; do
  "$bantam" train fashion-mnist-float --out "s$signal" --data data --batch 4 --epochs 100000 --set train.eval_every=1000 >out 2>err &
  pid=$!
  while [ ! -s "s$signal/timing.jsonl" ]; do sleep 0.05; done
  sleep 0.3
  kill -"${signal%:*}" $pid
  wait $pid
  [ $? = "${signal#*:}" ] && grep -q "interrupted after step" out && ok || bad "SIG${signal%:*}: exit code or message: $(cat out err)"
done

# --- terminals
tty_run() { # ENVIRONMENT TEXT-TO-RUN: its output on a pseudo-terminal, in the file out
  env "$@" script -qefc "'$bantam' train fashion-mnist-bnn --out tty $quick" /dev/null >out 2>&1 </dev/null
  rm -rf tty
}
esc=$(printf '\033')
tty_run TERM=xterm NO_COLOR=
grep -q "$(printf '\r')${esc}\[K\|$(printf '\r')epoch" out && grep -qF "${esc}[32m" out && ok || bad "no colored bar on a terminal"
tty_run TERM=xterm NO_COLOR=1
if grep -qF "${esc}[32m" out; then bad "color in spite of NO_COLOR"; else ok; fi
tty_run TERM=dumb
if grep -qF "$esc" out; then bad "escapes on a dumb terminal"; else ok; fi

echo "$passed passed, $failed failed"
[ $failed = 0 ]
