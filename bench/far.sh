#!/usr/bin/env bash
# `./dev bench far`: three nodes that are far apart, of Coterie and of etcd 3.4, one after the
# other: what goes between nodes takes its time, clients sit beside the leader. On this disk, fsync
# on.
#   DELAY_MS=20, one way  CLIENTS=1,16,64,256  SECONDS_EACH=6  ONLY=etcd|coterie
#   BIN=build/release/bin
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bin=${BIN:-build/release/bin}
delay_ms=${DELAY_MS:-20}
clients=${CLIENTS:-1,16,64,256}
only=${ONLY:-}

mkdir -p build
data=$(mktemp -d "$PWD/build/bench-data.XXXXXX")
results=$data/results.jsonl
# shellcheck source=bench/servers.sh
source bench/servers.sh
trap 'stop_servers; kill "$link" 2>/dev/null || true; rm -rf "$data"' EXIT
link=

# Before the nodes: sets `ports` and what they reach each other by.
lay_links() {
  read -ra ports < <(free_ports 9)
  reach=("${ports[@]:6:3}")
  python3 bench/slow_link.py "$delay_ms" "${reach[0]}=${ports[3]}" "${reach[1]}=${ports[4]}" \
    "${reach[2]}=${ports[5]}" &
  link=$!
}

measure() {
  local target=$1
  [[ -z $only || $only == "$target" ]] || return 0
  say "$target: three nodes, $delay_ms ms from each other, write with $clients clients"
  lay_links
  "start_$target"
  # The first leader is found a few round trips later.
  "$bin/load" --target "$target" --nodes "$nodes" --clients "$clients" --work write \
    --seconds "${SECONDS_EACH:-6}" --warm-up 3 | tee -a "$results" >&2
  stop_servers
  kill "$link"
}

main() {
  measure etcd
  measure coterie
  python3 bench/compare.py "$results"
}

main
