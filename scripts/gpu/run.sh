#!/usr/bin/env bash
# The GPU suite: builds ocrnet for the GPU of this machine and runs the phases that are named, all by default.
#
#     bash run.sh [PHASE...]
#
#     build      the addon and the native tests, by nvcc
#     tests      the cases of every operation on the GPU, against float64 references
#     networks   modules, whole networks and training steps on the GPU, against the processor
#     bench      times of all of them, ours alone, and where the time goes
#     pytorch    the same in turn with PyTorch, where a Python imports it
#     sanitizer  a sample of the cases under compute-sanitizer
#     summary    one page from all results
#
# It lies in a checkout (scripts/gpu/run.sh, started by `npm run gpu`) or in the folder that `npm run gpu -- pack` makes, which
# also holds Node.js, packages and oneDNN, and needs no network: nvcc, g++, CMake and a driver are enough. Every phase has a
# limit of its own and writes its results as it goes, so that one that is cut off loses only what it had not reached.
#
#     OUT                  folder of the results; by default bench/results
#     OCRNET_GPU_SECONDS   for all phases together
#     OCRNET_GPU_ONLY      a pattern: only native tests and benches whose names it matches
#     OCRNET_GPU_CUDA      emulated: a dry run without a GPU, at sizes that measure nothing
#     OCRNET_GPU_TUNING    the file of measurements by which benches choose algorithms, by default in OUT; empty: by estimates
#     OCRNET_PYTHON        a Python that imports torch; by default python3
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [[ -f $here/CMakeLists.txt ]]; then
  root=$here packed=yes
else
  root=$(cd "$here/../.." && pwd) packed=no
fi
cd "$root" || exit 2
build=$root/build-gpu
emulated=no
[[ ${OCRNET_GPU_CUDA:-} == emulated ]] && emulated=yes
if [[ $emulated == yes ]]; then out=${OUT:-$build/results}; else out=${OUT:-$root/bench/results}; fi
mkdir -p "$build" "$out"
exec > >(tee "$out/suite.log") 2>&1

phases=("$@")
[[ ${#phases[@]} == 0 ]] && phases=(build tests networks bench pytorch sanitizer summary)
started=$SECONDS
failed=()

# Seconds that a phase may take.
limit_of() {
  local own
  case $1 in
    build) own=300 ;;
    tests | networks) own=120 ;;
    bench) own=150 ;;
    pytorch) own=300 ;;
    sanitizer) own=120 ;;
    *) own=60 ;;
  esac
  [[ $emulated == yes ]] && own=1800
  if [[ -n ${OCRNET_GPU_SECONDS:-} ]]; then
    local left=$((OCRNET_GPU_SECONDS - (SECONDS - started)))
    ((left < own)) && own=$left
  fi
  echo "$own"
}

# .tar.xz, by Python where there is no xz.
unpack() {
  tar -xJf "$1" -C "$2" 2>/dev/null ||
    python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2])' "$1" "$2"
}

node=node
entry=(--import tsx bench/gpu/main.ts)
cmake_options=(-DCMAKE_BUILD_TYPE=Release)
if [[ $packed == yes ]]; then
  tools=$root/unpacked
  if [[ ! -d $tools ]]; then
    mkdir -p "$tools.part" && unpack node.tar.xz "$tools.part" && unpack onednn.tar.xz "$tools.part" &&
      mv "$tools.part" "$tools" || exit 2
  fi
  node=$tools/node
  entry=(bench/gpu/main.js)
  OCRNET_COMMIT=$(cat COMMIT)
  export OCRNET_COMMIT
  export LD_LIBRARY_PATH=$tools/onednn/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  cmake_options+=(-Ddnnl_DIR="$tools/onednn")
fi
export PATH=$PATH:/usr/local/cuda/bin

# Of the first GPU, as nvcc names machine code.
architecture() {
  local capability
  capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1 | tr -d '. ')
  case $capability in
    [0-9]*) echo "sm_$capability" ;;
    *)
      echo "no GPU was found by nvidia-smi" >&2
      return 1
      ;;
  esac
}

# Those that run on a GPU; two are about the emulation.
native_tests() {
  grep -lE '^#include "(op-runner|cuda)' test/native/*.test.cpp | xargs -n 1 basename | sed 's/\.cpp$//' |
    grep -vE '^(emulation|cuda-conv2d-mistakes)\.' | grep -E "${OCRNET_GPU_ONLY:-.}"
}

if [[ $emulated == yes ]]; then
  addon_target=ocrnet-emulated
  export OCRNET_ADDON=$build/emulated/ocrnet.node
else
  addon_target=ocrnet
  export OCRNET_ADDON=$build/Release/ocrnet.node
fi

# Measured once, for all processes of the benches.
export OCRNET_GPU_TUNING=${OCRNET_GPU_TUNING-$out/tuning.json}

# Seconds that a command may take, then the command.
limited() {
  timeout --kill-after=10 "$@"
}

build_all() {
  local limit=$1 begun=$SECONDS generator=() keep_going=-k
  if command -v ninja >/dev/null; then
    generator=(-G Ninja) keep_going=-k0
  fi
  if [[ $emulated == yes ]]; then
    cmake_options+=(-DOCRNET_CUDA=OFF)
  else
    local machine_code
    machine_code=$(architecture) || return
    cmake_options+=(-DOCRNET_CUDA=ON -DOCRNET_GPU_TESTS=ON "-DOCRNET_CUDA_CODE=$machine_code")
  fi
  local modules=$root/node_modules
  limited "$limit" cmake -S . -B "$build" "${generator[@]}" "${cmake_options[@]}" -DCMAKE_JS_LIB= \
    -DCMAKE_JS_INC="$modules/node-api-headers/include;$modules/node-addon-api" || return
  # What does not compile leaves the rest to be tested.
  local tests
  mapfile -t tests < <(native_tests)
  limited $((limit - (SECONDS - begun))) cmake --build "$build" --parallel "$(nproc)" \
    --target "$addon_target" "${tests[@]}" -- $keep_going
}

run_phase() {
  local limit=$1 phase=$2 size=()
  [[ $emulated == yes ]] && size=(--emulated)
  limited "$limit" "$node" "${entry[@]}" "$phase" --out "$out" --build "$build" "${size[@]}"
}

for phase in "${phases[@]}"; do
  limit=$(limit_of "$phase")
  begun=$SECONDS
  if ((limit < 5)); then
    echo "gpu: $phase: no time left"
    failed+=("$phase")
    continue
  fi
  if [[ $phase == sanitizer ]] && ! command -v compute-sanitizer >/dev/null; then
    echo "gpu: sanitizer: skipped, compute-sanitizer is not installed"
    continue
  fi
  echo "gpu: $phase, $limit s at most"
  if [[ $phase == build ]]; then build_all "$limit"; else run_phase "$limit" "$phase"; fi
  code=$?
  verdict="done"
  if ((code != 0)); then
    verdict="FAILED (exit code $code)"
    ((code == 124 || code == 137)) && verdict="cut off"
    failed+=("$phase")
  fi
  echo "gpu: $phase: $verdict in $((SECONDS - begun)) s"
done
((${#failed[@]} == 0)) && exit 0
echo "gpu: not well: ${failed[*]}"
exit 1
