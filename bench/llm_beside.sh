#!/usr/bin/env bash
# What a busy language model on the same machine costs those who write: three nodes on this disk,
# and writes in a closed loop, in turns with the model idle and with it answering eight at once.
# `./dev bench llm` runs it after bench/llm.sh, whose model it uses.
#   CLIENTS=1,16  SECONDS_EACH=6  ROUNDS=3  BIN=build/release/bin  MODEL=file.gguf
#   LLM_FLAGS="--nice 0 --threads 2"   of the model's server; default: none, as people run it
#   BESIDE_JSON=file to keep the lines in
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bin=${BIN:-build/release/bin}
clients=${CLIENTS:-1,16}
seconds_each=${SECONDS_EACH:-6}
rounds=${ROUNDS:-3}
model=${MODEL:-build/tinyllama-shaped.Q4_K_M.gguf}
data=$(mktemp -d "$PWD/build/bench-beside.XXXXXX")
results=${BESIDE_JSON:-$data/results.jsonl}
read -ra llm_flags <<<"${LLM_FLAGS:-}"
llm=
asking=

# shellcheck source=bench/servers.sh
source bench/servers.sh

# stop PROCESS: waits for its end.
stop() {
  [[ -z $1 ]] || kill "$1" 2>/dev/null || true
  [[ -z $1 ]] || wait "$1" 2>/dev/null || true
}

stop_all() {
  stop "$asking"
  stop_servers
  rm -rf "$data"
}
trap stop_all EXIT

# ask_on FIRST_RUN: eight answers at once, again and again, until it is stopped.
ask_on() {
  local run asker=
  trap 'stop "$asker"; exit 0' TERM
  for ((run = $1; ; ++run)); do
    "$bin/llm_load" --server "$address" --pid "$llm" --work together --run "$run" --tokens 64 \
      >>"$data/answers.jsonl" 2>>"$data/llm_load.log" &
    asker=$!
    wait "$asker"
  done
}

# measure idle|busy: a line for each number of clients. `--pids`: what the model's server used.
measure() {
  "$bin/load" --target coterie --nodes "$nodes" --clients "$clients" --work write \
    --seconds "$seconds_each" --pids "$llm" |
    sed "s/^{/{\"model\":\"$1\",/" | tee -a "$results" >&2
}

main() {
  local address='' nodes='' round
  [[ -f $model ]] || { say "there is no $model: run bench/llm.sh first"; exit 1; }
  : >"$results"
  start_coterie
  start_model --slots 8 "${llm_flags[@]}"
  say "load $(cut -d' ' -f1 /proc/loadavg); $(sed -n 's/.*ready at [^ ]*: //p' "$data/llm.log")"
  for ((round = 0; round < rounds; ++round)); do
    measure idle
    ask_on "$((round * 1000))" &
    asking=$!
    measure busy
    stop "$asking"
    asking=
  done
  [[ ! -s $data/llm_load.log ]] || { cat "$data/llm_load.log" >&2; exit 1; }
  python3 bench/llm_beside_report.py "$results"
}

main
