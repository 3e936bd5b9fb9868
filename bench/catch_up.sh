#!/usr/bin/env bash
# `./dev bench catch_up`: what it costs those who write that a node which was away catches up. Three
# nodes on this disk and writers in a closed loop: all in step, one killed, it comes back.
#   CLIENTS=64  SECONDS_EACH=6  AWAY=20 seconds  ROUNDS=3  BIN=build/release/bin
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bin=${BIN:-build/release/bin}
clients=${CLIENTS:-64}
seconds=${SECONDS_EACH:-6}
away=${AWAY:-20}

mkdir -p build
data=$(mktemp -d "$PWD/build/bench-data.XXXXXX")
# shellcheck source=bench/servers.sh
source bench/servers.sh
trap 'stop_servers; rm -rf "$data"' EXIT

# write_for SECONDS: how many writes a second.
write_for() {
  "$bin/load" --target coterie --nodes "$nodes" --clients "$clients" --work write \
    --seconds "$1" --warm-up 1 |
    python3 -c 'import json, sys; print(int(json.load(sys.stdin)["calls_per_s"]))'
}

# The lag of node 3 in entries, as node 1 knows it.
lag() {
  HOME=$data "$bin/coterie" --nodes "127.0.0.1:${ports[0]}" cluster status --json |
    python3 -c 'import json, sys
nodes = json.load(sys.stdin)["nodes"]
print(next((int(node.get("lag_entries", 0)) for node in nodes if int(node["node_id"]) == 3), 0))'
}

main() {
  local round before gone back behind
  start_coterie
  HOME=$data COTERIE_PASSWORD=watch "$bin/coterie" --nodes "$nodes" login watcher >/dev/null
  printf '%8s %12s %12s %14s %14s %14s %8s\n' round 'all in step' 'one away' 'it comes back' \
    'entries behind' 'after' 'ratio'
  for ((round = 1; round <= ${ROUNDS:-3}; ++round)); do
    before=$(write_for "$seconds")
    kill -9 "${pids[2]}"
    wait "${pids[2]}" 2>/dev/null || true
    gone=$(write_for "$away")
    start_node 2
    wait_for_port "${ports[2]}" "$data/coterie2.log"
    behind=$((gone * (away + 1)))
    back=$(write_for "$seconds")
    printf '%8s %12s %12s %14s %14s %14s %8s\n' "$round" "$before" "$gone" "$back" "$behind" \
      "$(lag)" "$(python3 -c "print(f'{$back / $before:.2f}')")"
  done
}

main
