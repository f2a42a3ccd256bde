#!/usr/bin/env bash
# What a machine with a GPU can tell: bash scripts/gpu_session.sh [PART ...]
#
#   tests     the tests marked gpu
#   clip      AGC beside timm, global norm and the memory bound, and its share of a training step
#   nets      training step and inference beside timm and torchvision, eager, both memory formats
#   compiled  the same under torch.compile
#   latency   what BatchNorm costs: networks beside their twins, 32 images as in the NFNet paper's table 3, and 128
#   race      training from reading images to the last step beside timm's loop, a bare loop and Lightning; CIFAR10 as below
#   together  runs of a small network as one program beside k processes, eager and as CUDA graphs
#   figure    training steps at the paper's image sizes beside the roofline, its ratios and its figure 1
#   sweep     the quickstart experiment on the GPU, and its report
#   cifar10   the headline study on the GPU, and its report; CIFAR10 names the folder of its parquet files
#   speedrun  what no BatchNorm costs to 94 % on CIFAR-10, and its report, for SPEEDRUN_LIMIT seconds; CIFAR10 as above
#
# Without a PART all of them. Each takes less than ten minutes on one H100 or H200 (the limits below) and needs no
# other; a part that fails does not stop the next. Rows are written as they are measured, to $OUT (reports/benchmarks).
# Nothing is fetched from a network. In a copy without .git, set NORMFREE_COMMIT to the commit.
#
# REHEARSAL=1 makes the same calls on the processor, each as small as it can be, to $OUT (a folder under /tmp then): what
# is wrong with a command, a key or a package is known before a GPU is waited for. Nothing is compiled, tests are only
# collected, and the numbers mean nothing.
set -u
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-$([ -x .venv/bin/python ] && echo .venv/bin/python || echo python3)}
REHEARSAL=${REHEARSAL:-}
OUT=${OUT:-$([ -z "$REHEARSAL" ] && echo reports/benchmarks || mktemp -d /tmp/rehearsal-XXXXXX)}
export PYTHONPATH="src${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1 WANDB_MODE=offline

NETS=nf_resnet50,nfnet_f0,nfnet_f1,resnet50,efficientnet_b0
# In the rehearsal these replace what a call says of the same keys.
TINY_BENCH=(device=cpu models=nf_resnet50 batch=2 infer_batch=1 image_size=32 rounds=1 form=eager)
TINY_LATENCY=(device=cpu models=nf_resnet50 batch=1 image_size=32 rounds=1 form=eager)
TINY_TOGETHER=(device=cpu models=nf_resnet20 k=1,2 batch=2 image_size=8 precision=fp32 rounds=1 seconds=0.01
  compare_steps=2 compile=false limit=500)
TINY_RACE=(device=cpu apart=false what=train data=parquet size=8 precision=fp32 samples=32 batch=8 epochs=1 workers=1 threads=1 rounds=1)
TINY_SWEEP=(trainer=cpu hydra.launcher.workers=1 model=resnet20 clip=none seed=0
  data.train_size=7 batch=48 steps=2 optimizer.warmup_steps=1)
TINY_SPEEDRUN=(trainer=cpu model=bn_speednet,speednet model.width='[2,2]' data.train_size=9 batch=48
  epochs=0.01,0.02)

# WORD ... -- KEY=VALUE ...: the words, with these values for the keys that are among them, and the other values after.
replaced() {
  local words=() word value
  while [ "$1" != -- ]; do words+=("$1"); shift; done
  shift
  for word in "${words[@]}"; do
    for value in "$@"; do [ "${word%%=*}" != "${value%%=*}" ] || continue 2; done
    printf '%s\n' "$word"
  done
  printf '%s\n' "$@"
}
bench() {
  local suite=$1 words=("${@:2}") tiny=("${TINY_BENCH[@]}")
  if [ -n "$REHEARSAL" ]; then
    # clip has no inference, and compiles nothing.
    [ "$suite" != latency ] || tiny=("${TINY_LATENCY[@]}")
    [ "$suite" != together ] || tiny=("${TINY_TOGETHER[@]}")
    [ "$suite" != train ] || tiny=("${TINY_RACE[@]}")
    [ "$suite" != clip ] || tiny=(device=cpu models=nf_resnet20 batch=2 image_size=32 rounds=1)
    mapfile -t words < <(replaced "${words[@]}" -- "${tiny[@]}")
  fi
  timeout 590 "$PYTHON" bench.py "$suite" "${words[@]}"
}
# SECONDS KEY=VALUE ...: what the time does not allow is no failure, as the next call goes on with it.
sweep() {
  local limit=$1 words=("${@:2}") code=0 tiny=("${TINY_SWEEP[@]}")
  [ "$2" != experiment=speedrun ] || tiny=("${TINY_SPEEDRUN[@]}")
  [ -z "$REHEARSAL" ] || mapfile -t words < <(replaced "${words[@]}" -- "${tiny[@]}")
  timeout "$limit" "$PYTHON" train.py -m "${words[@]}" || code=$?
  [ $code -eq 0 ] || [ $code -eq 124 ]
}

part_tests() {
  timeout 590 "$PYTHON" -m pytest -m gpu -q -p no:cacheprovider ${REHEARSAL:+--collect-only} tests
}
part_clip() { bench clip device=cuda out="$OUT/clip-gpu.csv"; }
part_nets() {
  bench nets models=$NETS device=cuda precision=bf16 layout=nchw,nhwc batch=128,256 infer_batch=1,128 out="$OUT/nets-gpu.csv"
}
part_compiled() {
  bench nets models=$NETS device=cuda precision=bf16 layout=nchw,nhwc batch=128 what=train form=compiled out="$OUT/nets-gpu.csv"
}
part_latency() {
  bench nets models=nf_resnet50,nfnet_f0,nfnet_f1,nfnet_f2,nfnet_f3 against=twin device=cuda precision=bf16 \
    layout=nhwc batch=32,128 what=train,memory out="$OUT/nets-gpu.csv"
}
part_race() {
  bench train device=cuda what=train data=parquet ${CIFAR10:+root="$CIFAR10"} precision=bf16 epochs=5 workers=8 threads=4 \
    rounds=3 out="$OUT/train-gpu.csv"
}
part_together() {
  # What the limit does not allow is left out, BatchNorm first.
  bench together models=nf_resnet20,resnet20 device=cuda k=1,2,4,8,16 rounds=3 seconds=0.1 compare_runs=2 \
    limit="${TOGETHER_LIMIT:-70}" out="$OUT/together-gpu.csv"
}
part_figure() {
  bench latency device=cuda what=train precision=bf16 layout=nhwc form=captured,eager resume=true out="$OUT/latency-gpu.csv"
}
part_sweep() {
  # Small networks leave a GPU idle: eight share it.
  local code=0
  sweep 540 experiment=quickstart trainer=gpu hydra.launcher.workers=8 runs_dir="$OUT/runs" || code=1
  "$PYTHON" report.py experiment=quickstart runs_dir="$OUT/runs" reports_dir="$OUT/reports" || code=1
  return $code
}
part_cifar10() {
  [ -n "${CIFAR10:-}" ] || { echo "cifar10: set CIFAR10 to the folder of train-*.parquet and test-*.parquet" >&2; return 2; }
  local code=0
  sweep 590 experiment=cifar10 size=gpu data.root="$CIFAR10" hydra.launcher.workers=12 runs_dir="$OUT/runs" || code=1
  "$PYTHON" report.py experiment=cifar10 size=gpu runs_dir="$OUT/runs" reports_dir="$OUT/reports" || code=1
  return $code
}
part_speedrun() {
  [ -n "${CIFAR10:-}" ] || { echo "speedrun: set CIFAR10 to the folder of train-*.parquet and test-*.parquet" >&2; return 2; }
  # One process trains all runs of some seeds, the arms in turn. As many seeds follow as the time left allows, by what
  # the first took: claims are of whole seeds.
  local limit=${SPEEDRUN_LIMIT:-540} began=$SECONDS code=0 first=${SPEEDRUN_SEEDS:-3} took more
  speedrun 0 "$first" "$limit" || code=1
  took=$((SECONDS - began))
  more=$(((limit - took - 25) * first / (took + 1)))
  [ -n "$REHEARSAL" ] && more=1
  [ "$more" -lt 1 ] || speedrun "$first" "$more" $((limit - took)) || code=1
  "$PYTHON" report.py experiment=speedrun size=gpu runs_dir="$OUT/runs" reports_dir="$OUT/reports" || code=1
  return $code
}
# FIRST COUNT SECONDS: the speed run with so many seeds.
speedrun() {
  local seeds
  seeds=$(seq -s, "$1" $(($1 + $2 - 1)))
  sweep "$3" experiment=speedrun size=gpu data.root="$CIFAR10" hydra.launcher.workers=1 seed="$seeds" runs_dir="$OUT/runs"
}

parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(tests clip nets compiled latency race together figure sweep cifar10 speedrun)
failed=()
for part in "${parts[@]}"; do
  if ! declare -F "part_$part" >/dev/null; then
    echo "$part: no such part; there are: tests clip nets compiled latency race together figure sweep cifar10 speedrun" >&2
    exit 2
  fi
done
[ -n "$REHEARSAL" ] || "$PYTHON" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2>/dev/null ||
  { echo "PYTHON=$PYTHON: it has no torch, or torch sees no GPU here; nothing was measured" >&2; exit 2; }
mkdir -p "$OUT"
for part in "${parts[@]}"; do
  echo "== $part"
  "part_$part" || failed+=("$part")
done
[ ${#failed[@]} -eq 0 ] || { echo "failed: ${failed[*]}" >&2; exit 1; }
