#!/usr/bin/env python3
"""Measures servers of Yjs documents in turns with one load program; see bench/realtime.sh.

    run.py BIN RESULTS      appends a JSON line per measurement to RESULTS

Every server is started anew for every group of measurements, in a folder of its own under build/.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import crash
import servers

# (what it is called, kind of server, protocol)
ALL = [("coterie, y-websocket", "coterie", "y-websocket"),
       ("y/websocket-server, memory", "y-memory", "y-websocket"),
       ("y/websocket-server, LevelDB", "y-leveldb", "y-websocket"),
       ("coterie, Hocuspocus", "coterie", "hocuspocus"),
       ("Hocuspocus 4, SQLite", "hocuspocus", "hocuspocus")]
SECONDS = os.environ.get("SECONDS_EACH", "3")
IDLE = int(os.environ.get("IDLE_SOCKETS", "2000"))
JOINERS = os.environ.get("JOINERS", "100")
# Rooms x editors, of whom so many write; letters a second, or how many of each are on their way.
EQUAL = ["--rooms", "100", "--editors", "10", "--rate", "1000"]
BUSY = ["--rooms", "100", "--editors", "10", "--rate", "0", "--window", "2"]
LECTURE = ["--rooms", "10", "--editors", "100", "--writers", "10", "--rate", "0", "--window", "4"]


class Bench:
    def __init__(self, binaries, results):
        self.binaries, self.results = binaries, results
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-realtime.",
                                                    dir=binaries.parent.parent))
        self.started = 0
        wanted = os.environ.get("SERVERS")
        self.servers = [row for row in ALL if not wanted or row[1] in wanted.split(",")]

    def start(self, kind):
        self.started += 1
        return servers.start(kind, self.binaries / "coterie-node",
                             self.folder / f"{self.started}-{kind}")

    def load(self, server, name, protocol, measurement, *flags):
        command = [self.binaries / "realtime_load", "--server", name, "--protocol", protocol,
                   "--seconds", SECONDS, "--pids", ",".join(map(str, server.pids())),
                   *server.flags(protocol), "--prefix", measurement, *flags]
        done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            print(f"{name}: {measurement} failed", file=sys.stderr)
            return
        self.note(measurement, json.loads(done.stdout))

    def note(self, measurement, line):
        line = {"measurement": measurement, **line}
        print(json.dumps(line), file=sys.stderr)
        with open(self.results, "a", encoding="utf-8") as file:
            print(json.dumps(line), file=file)

    def loads(self):
        for name, kind, protocol in self.servers:
            server = self.start(kind)
            self.load(server, name, protocol, "equal", *EQUAL)
            self.load(server, name, protocol, "busy", *BUSY)
            self.load(server, name, protocol, "lecture", *LECTURE)
            server.stop()

    def memory(self):
        for name, kind, protocol in self.servers:
            for measurement, rooms in (("idle", IDLE // 100), ("rooms", IDLE)):
                server = self.start(kind)
                self.load(server, name, protocol, measurement, "--work", "idle", "--rooms", rooms,
                          "--editors", IDLE // rooms)
                server.stop()

    def joins(self):
        document = self.folder.parent / "bench-realtime-b4.bin"
        if not document.exists():
            subprocess.run(["node", servers.HERE / "document.mjs", document], check=True)
        for name, kind, protocol in self.servers:
            server = self.start(kind)
            self.load(server, name, protocol, "join", "--work", "join", "--editors", JOINERS,
                      "--document", document)
            server.stop()

    def crashes(self):
        for name, kind, protocol in self.servers:
            server = self.start(kind)
            line = crash.measure(self.binaries / "realtime_load", server, protocol)
            self.note("crash", {"server": name, **line})
            server.stop()

    def run(self):
        servers.hold_descriptors()
        works = os.environ.get("WORKS", "load,memory,join,crash").split(",")
        try:
            for round_ in range(int(os.environ.get("ROUNDS", "2"))):
                if "load" in works:
                    self.loads()
                if "join" in works:
                    self.joins()
                if "crash" in works and round_ == 0:
                    self.crashes()
                if "memory" in works and round_ == 0:
                    self.memory()
        finally:
            if not os.environ.get("KEEP"):
                shutil.rmtree(self.folder, ignore_errors=True)


if __name__ == "__main__":
    Bench(pathlib.Path(sys.argv[1]).resolve(), sys.argv[2]).run()
