# Servers for the benchmarks that are shell scripts, which read this: `source bench/servers.sh`.
# Wants $bin (the programs) and $data (a folder); keeps what it starts in `pids` until
# stop_servers.
# shellcheck shell=bash disable=SC2154,SC2034

pids=()

say() { printf '%s\n' "$*" >&2; }

stop_servers() {
  ((${#pids[@]} == 0)) || kill "${pids[@]}" 2>/dev/null || true
  ((${#pids[@]} == 0)) || wait "${pids[@]}" 2>/dev/null || true
  pids=()
}

# free_ports COUNT: ports that nobody listens on now.
free_ports() {
  python3 - "$1" <<'PYTHON'
import socket, sys
sockets = [socket.socket() for _ in range(int(sys.argv[1]))]
for s in sockets:
    s.bind(("127.0.0.1", 0))
print(*[s.getsockname()[1] for s in sockets])
PYTHON
}

# wait_for_port PORT LOG
wait_for_port() {
  local i
  for ((i = 0; i < 200; ++i)); do
    (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return
    sleep 0.05
  done
  say "nobody listens on port $1 after 10 s; the end of its log:"
  tail -5 "$2" >&2
  return 1
}

# start_node I: node I + 1 of those that start_coterie made up; again, after it was killed.
start_node() {
  local i
  local founders=()
  for i in 0 1 2; do
    founders+=(--founder "$((i + 1))=127.0.0.1:${ports[i + 3]}=127.0.0.1:${ports[i]}")
  done
  "$bin/coterie-node" --id $(($1 + 1)) --cluster-id 1 --data "$data/coterie$1" \
    --listen "127.0.0.1:${ports[$1]}" --peer-listen "127.0.0.1:${ports[$1 + 3]}" \
    --user-calls-per-second 0 "${founders[@]}" >>"$data/coterie$1.log" 2>&1 &
  pids[$1]=$!
}

# Three nodes; sets `ports` (of clients, then of nodes) and `nodes` (where clients go).
start_coterie() {
  local i
  read -ra ports < <(free_ports 6)
  for i in 0 1 2; do start_node "$i"; done
  for i in 0 1 2; do wait_for_port "${ports[i]}" "$data/coterie$i.log"; done
  nodes="127.0.0.1:${ports[0]},127.0.0.1:${ports[1]},127.0.0.1:${ports[2]}"
}

# start_model FLAG...: a coterie-llm with $model; sets `llm` (its process) and `address`. It is one
# of those that stop_servers stops.
start_model() {
  local i
  : >"$data/llm.log"  # Else what an earlier one said could be read.
  "$bin/coterie-llm" --model "$model" --listen 127.0.0.1:0 --context 2048 "$@" \
    >"$data/llm.log" 2>&1 &
  llm=$!
  pids+=("$llm")
  for ((i = 0; i < 1200; ++i)); do
    address=$(sed -n 's/.*ready at \([^ ]*\): .*/\1/p' "$data/llm.log")
    [[ -z $address ]] || return 0
    kill -0 "$llm" 2>/dev/null || break
    sleep 0.1
  done
  cat "$data/llm.log" >&2
  return 1
}
