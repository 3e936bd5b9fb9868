#!/usr/bin/env bash
# `./dev bench realtime`: three of our nodes, every write synced to this disk, beside one process
# each of @y/websocket-server (in memory, and with LevelDB) and @hocuspocus/server 4 with SQLite; in
# turns, with the same load program (bench/realtime/realtime_load.cc).
#   ROUNDS=2          times that load and joins are measured; the best and the median count
#   SECONDS_EACH=3    of each measurement under load
#   IDLE_SOCKETS=2000 JOINERS=100
#   SERVERS=coterie,y-memory,y-leveldb,hocuspocus     WORKS=load,join,crash,memory
#   BIN=build/release/bin   JSON=file to keep the lines in   KEEP=1 keeps folders and logs
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bin=${BIN:-build/release/bin}
results=${JSON:-$(mktemp)}

say() { printf '%s\n' "$*" >&2; }

# SQLite's binding comes as source where its authors' binaries cannot be fetched. Without it
# Hocuspocus is left out.
build_sqlite() {
  local module=bench/realtime/node_modules/better-sqlite3
  [[ -f $module/build/Release/better_sqlite3.node ]] && return
  mkdir -p build/logs
  say "Compiling SQLite for Node (some minutes, once)"
  npm rebuild --prefix bench/realtime better-sqlite3 --ignore-scripts=false --nodedir=/usr \
    >build/logs/sqlite.log 2>&1 && [[ -f $module/build/Release/better_sqlite3.node ]] && return
  say "It does not compile here, see build/logs/sqlite.log: Hocuspocus is left out."
  export SERVERS=${SERVERS:-coterie,y-memory,y-leveldb}
}

main() {
  build_sqlite
  : >"$results"
  say "load $(cut -d' ' -f1 /proc/loadavg), $(nproc) cores, node $(node --version)"
  python3 bench/realtime/run.py "$bin" "$results"
  python3 bench/realtime/report.py "$results"
}

main
