#!/usr/bin/env bash
# `./dev bench crdt`: our document engine beside npm's yjs, ywasm (yrs), loro-crdt and automerge, on
# the cases of crdt-benchmarks: every engine in a process of its own, interleaved, the same edits.
#   REPETITIONS=3  ENGINES=coterie,yjs,ywasm,loro,automerge  CASES=B1.1,B4  BIN=build/release/bin
#   CLOCK=cpu      CPU time of every engine's process instead of time, where the machine is busy
#   LARGE=1        also B4x100, B4 a hundred times over in one document: ours and yjs
#   ALGEBRA=1      also the algebra on bytes alone: merging, differences, format V2, by CPU time
#   GROWTH=1       also cost against size for the worst mixes: a plot, and the slopes;
#                  GROWTH_ENGINES=coterie,yjs
# Results and plot stay in build/bench-crdt/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bin=${BIN:-build/release/bin}
out=build/bench-crdt

say() { printf '%s\n' "$*" >&2; }

main() {
  mkdir -p "$out"
  node bench/crdt/workload.mjs "$out/cases"
  say "every case, ${REPETITIONS:-3} times: about 20 minutes for all engines"
  node bench/crdt/run.mjs "$out/cases" "$out/results.jsonl" "$bin/crdt_bench"
  if [[ -n ${LARGE:-} ]]; then
    "$bin/crdt_bench" --large "$out/cases" "$out/B4x100.update" >>"$out/results.jsonl"
    node --expose-gc bench/crdt/measure.mjs --large yjs "$out/B4x100.update" >>"$out/results.jsonl"
  fi
  printf '%s, %s cores, node %s\n' "$(uname -m)" "$(nproc)" "$(node --version)"
  node bench/crdt/report.mjs "$out/results.jsonl"
  [[ -z ${ALGEBRA:-} ]] || "$bin/crdt_algebra_bench" "$out/cases"
  [[ -n ${GROWTH:-} ]] || return 0
  node bench/crdt/workload.mjs "$out/growth" growth
  ENGINES=${GROWTH_ENGINES:-coterie,yjs} REPETITIONS=1 CASES='' \
    node bench/crdt/run.mjs "$out/growth" "$out/growth.jsonl" "$bin/crdt_bench"
  node bench/crdt/plot.mjs "$out/growth.jsonl" "$out/growth.svg"
  say "plot: $out/growth.svg"
}

main
