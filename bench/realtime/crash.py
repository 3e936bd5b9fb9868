#!/usr/bin/env python3
"""Kills a server under load and looks for letters that somebody else had seen and that are gone.

    crash.py BIN      ours: the leader of three nodes; exit code 1 if anything is gone

Nobody who was there comes back with what they have: lost is what a new reader is not sent.
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import servers

LOAD = ["--rooms", "20", "--editors", "6", "--rate", "400", "--seconds", "4"]
UNTIL_CRASH_SECONDS = 3.5
# Of those that a check must be about, or it has seen nothing.
SEEN_MIN = 400


def run(program, server, protocol, *flags):
    command = [program, "--protocol", protocol, *server.flags(protocol), "--prefix", "crash",
               *flags]
    return subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True)


def result_of(process):
    text, _ = process.communicate()
    if process.returncode != 0:
        raise SystemExit("the load program failed")
    return json.loads(text)


def measure(program, server, protocol):
    ledger = server.folder / "ledger"
    load = run(program, server, protocol, *LOAD, "--ledger", ledger)
    servers.until("all are connected", lambda: ledger.exists() or load.poll() is not None)
    time.sleep(UNTIL_CRASH_SECONDS)
    server.crash()
    closed = result_of(load)["closed"]
    server.restart()
    time.sleep(0.5)
    line = result_of(run(program, server, protocol, "--work", "check", "--ledger", ledger))
    return {"closed": closed, "seen": line["seen"], "lost": line["lost"]}


def main():
    binaries = pathlib.Path(sys.argv[1])
    servers.hold_descriptors()
    with tempfile.TemporaryDirectory(prefix="coterie-crash.") as folder:
        server = servers.start("coterie", binaries / "coterie-node", pathlib.Path(folder) / "n")
        line = measure(binaries / "realtime_load", server, "y-websocket")
        server.stop()
    print(json.dumps(line))
    if line["closed"] == 0:
        raise SystemExit("nobody lost a connection: the leader was not killed under load")
    if line["seen"] < SEEN_MIN:
        raise SystemExit(f"too little was seen to judge by: {line['seen']} letters")
    if line["lost"] > 0:
        raise SystemExit(f"{line['lost']} letters that somebody had seen are gone")


if __name__ == "__main__":
    main()
