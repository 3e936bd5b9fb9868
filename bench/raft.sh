#!/usr/bin/env bash
# `./dev bench raft`: the Raft core alone, then a three-node cluster of Coterie beside one of etcd
# 3.4: the same disk, machine, client program and payload, fsync on, one after the other.
#   CLIENTS=1,16,64,256,1000  SECONDS_EACH=4  WARM_UP=1  WORK=write,read  BIN=build/release/bin
#   ONLY=etcd|coterie         JSON=file to keep the lines in
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bin=${BIN:-build/release/bin}
clients=${CLIENTS:-1,16,64,256,1000}
seconds_each=${SECONDS_EACH:-4}
warm_up=${WARM_UP:-1}
work=${WORK:-write,read}
only=${ONLY:-}

# Beside the build, so that it is a disk and not a memory file system.
mkdir -p build
data=$(mktemp -d "$PWD/build/bench-data.XXXXXX")
results=${JSON:-$data/results.jsonl}
# shellcheck source=bench/servers.sh
source bench/servers.sh
trap 'stop_servers; rm -rf "$data"' EXIT

# measure NAME: the whole of one system.
measure() {
  [[ -z $only || $only == "$1" ]] || return 0
  say "$1: three nodes, $work with $clients clients"
  local nodes
  "start_$1"
  "$bin/load" --target "$1" --nodes "$nodes" --clients "$clients" --work "$work" \
    --seconds "$seconds_each" --warm-up "$warm_up" --pids "$(IFS=,; printf '%s' "${pids[*]}")" |
    tee -a "$results" >&2
  stop_servers
}

# What one durable write of a small block costs here, for judging the rest.
measure_disk() {
  python3 - "$data/disk" <<'PYTHON'
import os, sys, time
block, blocks = bytes(4096), 500
file = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)
os.write(file, block * blocks); os.fsync(file); os.lseek(file, 0, 0)
times = []
for _ in range(blocks):
    begun = time.perf_counter(); os.write(file, block); os.fdatasync(file)
    times.append((time.perf_counter() - begun) * 1e6)
times.sort()
print(f"disk: fdatasync of 4 KiB, pre-written: p50 {times[blocks // 2]:.0f} us, "
      f"p99 {times[blocks * 99 // 100]:.0f} us; {os.cpu_count()} cores")
PYTHON
  rm -f "$data/disk"
}

main() {
  local nodes=
  : >"$results"
  measure_disk
  if [[ -z $only && -x $bin/raft_core_bench ]]; then
    "$bin/raft_core_bench" --benchmark_min_time=0.3 2>/dev/null | grep -E '^(Benchmark|Trio|Leader)'
  fi
  if command -v etcd >/dev/null; then measure etcd; else say "etcd is not installed: skipped"; fi
  if [[ -x $bin/coterie-node ]]; then measure coterie; else say "no $bin/coterie-node: skipped"; fi
  python3 bench/compare.py "$results"
}

main
