# Servers for the benchmarks that are shell scripts, which read this: `source bench/servers.sh`.
# Wants $bin (the programs) and $data (a folder); keeps what it starts in `pids` until
# stop_servers.
# shellcheck shell=bash disable=SC2154,SC2034

pids=()
ports=()
reach=()

say() { printf '%s\n' "$*" >&2; }

stop_servers() {
  ((${#pids[@]} == 0)) || kill "${pids[@]}" 2>/dev/null || true
  ((${#pids[@]} == 0)) || wait "${pids[@]}" 2>/dev/null || true
  pids=()
  reach=()
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

# Sets `ports` (of clients, then of nodes) and `reach`, the ports by which nodes reach each other:
# their own unless a benchmark has laid something between.
take_ports() {
  ((${#reach[@]} == 0)) || return 0
  read -ra ports < <(free_ports 6)
  reach=("${ports[@]:3:3}")
}

# start_node I: node I + 1 of those that start_coterie made up; again, after it was killed.
start_node() {
  local i
  local founders=()
  for i in 0 1 2; do
    founders+=(--founder "$((i + 1))=127.0.0.1:${reach[i]}=127.0.0.1:${ports[i]}")
  done
  "$bin/coterie-node" --id $(($1 + 1)) --cluster-id 1 --data "$data/coterie$1" \
    --listen "127.0.0.1:${ports[$1]}" --peer-listen "127.0.0.1:${ports[$1 + 3]}" \
    --peer-advertise "127.0.0.1:${reach[$1]}" \
    --user-calls-per-second 0 "${founders[@]}" >>"$data/coterie$1.log" 2>&1 &
  pids[$1]=$!
}

# Three nodes; sets `nodes`, where clients go.
start_coterie() {
  local i
  take_ports
  for i in 0 1 2; do start_node "$i"; done
  for i in 0 1 2; do wait_for_port "${ports[i]}" "$data/coterie$i.log"; done
  nodes="127.0.0.1:${ports[0]},127.0.0.1:${ports[1]},127.0.0.1:${ports[2]}"
}

# The same of etcd.
start_etcd() {
  local i cluster=
  take_ports
  for i in 0 1 2; do cluster+=",n$i=http://127.0.0.1:${reach[i]}"; done
  for i in 0 1 2; do
    etcd --name "n$i" --data-dir "$data/etcd$i" --logger zap --log-level error \
      --listen-client-urls "http://127.0.0.1:${ports[i]}" \
      --advertise-client-urls "http://127.0.0.1:${ports[i]}" \
      --listen-peer-urls "http://127.0.0.1:${ports[i + 3]}" \
      --initial-advertise-peer-urls "http://127.0.0.1:${reach[i]}" \
      --initial-cluster "${cluster:1}" --initial-cluster-state new >"$data/etcd$i.log" 2>&1 &
    pids+=($!)
  done
  for i in 0 1 2; do wait_for_port "${ports[i]}" "$data/etcd$i.log"; done
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
