#!/usr/bin/env bash
# `./dev bench llm`: coterie-llm beside llama.cpp's own llama-bench, built the same way from the
# same source, in turns in one run: a made-up model in the shape of TinyLlama-1.1B, Q4_K_M.
#   THREADS=all cores  ROUNDS=5  TOKENS=128  BIN=build/release/bin  JSON=file to keep the lines in
#   MODEL=file.gguf    instead of the made-up one, which is kept in build/
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bin=${BIN:-build/release/bin}
threads=${THREADS:-$(nproc)}
rounds=${ROUNDS:-5}
export TOKENS=${TOKENS:-128}
model=${MODEL:-build/tinyllama-shaped.Q4_K_M.gguf}
data=$(mktemp -d "$PWD/build/bench-llm.XXXXXX")
results=${JSON:-$data/results.jsonl}

# shellcheck source=bench/servers.sh
source bench/servers.sh
trap 'stop_servers; rm -rf "$data"' EXIT

# measure WORK RUN
measure() {
  "$bin/llm_load" --server "$address" --pid "$llm" --work "$1" --run "$2" --tokens "$TOKENS" |
    tee -a "$results" >&2
}

# Its processor time is what so many tokens cost more than one: it also loads and warms up.
measure_llama_bench() {
  local flags=(-m "$model" -t "$threads" -p 0 -r 1 -o json)
  python3 - "$llama_bench" "${flags[@]}" <<'PYTHON' | tee -a "$results" >&2
import json, os, resource, subprocess, sys
tokens = int(os.environ["TOKENS"])
rates, cpu = [], []
for count in (1, tokens):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    out = subprocess.run(sys.argv[1:] + ["-n", str(count)], stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, check=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    rates.append(json.loads(out)[0]["avg_ts"])
print(json.dumps({"work": "llama-bench", "tokens": tokens, "tokens_per_s": rates[1],
                  "tokens_per_cpu_s": (tokens - 1) / (cpu[1] - cpu[0])}))
PYTHON
}

main() {
  local address='' llm='' llama_bench round
  llama_bench=$(scripts/llama.sh --bench)
  if [[ ! -f $model ]]; then
    say "Making up a model of 1.1 billion parameters (668 MB; some minutes, once)"
    "$bin/coterie-test-model" big "$model.part"
    mv "$model.part" "$model"
  fi
  : >"$results"
  say "$threads threads, $TOKENS tokens an answer, $rounds rounds;" \
    "load $(cut -d' ' -f1 /proc/loadavg)"
  for ((round = 0; round < rounds; ++round)); do
    measure_llama_bench
    # As urgent as llama-bench, and as eager.
    start_model --slots 8 --threads "$threads" --nice 0
    measure alone "$((round * 10))"
    measure together "$((round * 10 + 1))"
    measure document "$((round * 10 + 2))"
    stop_servers
  done
  python3 bench/llm_report.py "$results"
}

main
