"""The servers of bench/realtime.sh: three nodes of ours, and one process of each of the others."""
import atexit
import json
import pathlib
import random
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).parent
START_SECONDS_MAX = 30
# Of one process.
DESCRIPTORS = 20_000
SESSIONS = 500
# The leader without its followers before it is killed. Shorter than it takes to step down.
ALONE_SECONDS = 0.3


_given = set()
_launched = []


def free_port():
    """Below those that systems give to connections, of which there are thousands here."""
    while True:
        port = random.randrange(15_000, 32_000)
        with socket.socket() as probe:
            if port not in _given and probe.connect_ex(("127.0.0.1", port)) != 0:
                _given.add(port)
                return port


def launch(command, log_path):
    with open(log_path, "ab") as log:
        process = subprocess.Popen([str(part) for part in command], stdout=log, stderr=log)
    _launched.append(process)
    return process


@atexit.register
def kill_all():
    for process in _launched:
        process.kill()


def until(what, condition):
    """Waits until it yields something true, and returns that."""
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline:
        result = condition()
        if result:
            return result
        time.sleep(0.05)
    raise SystemExit(f"not within {START_SECONDS_MAX} s: {what}")


class Peer:
    """One process, as its documentation starts it (peer.mjs)."""

    def __init__(self, kind, folder):
        self.kind, self.folder, self.port = kind, folder, free_port()
        folder.mkdir(parents=True)
        self.start()

    def start(self):
        self.process = launch(["node", HERE / "peer.mjs", self.kind, self.port, self.folder],
                              self.folder / "log")
        until(f"{self.kind} listens; {self.folder}/log", self.is_ready)

    def is_ready(self):
        if self.process.poll() is not None:
            raise SystemExit(f"{self.kind} ended; see {self.folder}/log")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def pids(self):
        return [self.process.pid]

    def flags(self, protocol):
        return ["--ports", str(self.port)]

    def crash(self):
        self.process.kill()
        self.process.wait()
        return "the server"

    def restart(self):
        self.start()

    def stop(self):
        self.process.kill()
        self.process.wait()


class Cluster:
    """Three nodes that sync every write to this disk."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        folder.mkdir(parents=True)
        self.nodes = [{"id": number, "http": free_port(), "grpc": free_port(), "peer": free_port()}
                      for number in (1, 2, 3)]
        for node in self.nodes:
            self.launch(node)
        for node in self.nodes:
            self.await_ready(node)
        self.log_in()

    def log_in(self):
        """One session for each editor, nearly: a page has a session, not a hundred."""
        tokens = [self.call_again(0, "AuthService/Login", {"user": "bench"})["token"]
                  for _ in range(SESSIONS)]
        self.token = tokens[0]
        (self.folder / "tokens").write_text("\n".join(tokens), encoding="utf-8")

    def launch(self, node):
        flags = ["--id", node["id"], "--cluster-id", 1, "--data", self.folder / f"n{node['id']}",
                 "--listen", f"127.0.0.1:{node['grpc']}",
                 "--peer-listen", f"127.0.0.1:{node['peer']}",
                 "--http-listen", f"127.0.0.1:{node['http']}", "--http-open-metrics"]
        for other in self.nodes:
            flags += ["--founder",
                      f"{other['id']}=127.0.0.1:{other['peer']}=127.0.0.1:{other['grpc']}"]
        node["process"] = launch([self.program, *flags], self.folder / f"n{node['id']}.log")

    def await_ready(self, node):
        def is_ready():
            if node["process"].poll() is not None:
                raise SystemExit(f"a node ended; see {self.folder}/n{node['id']}.log")
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{node['http']}/readyz", timeout=5):
                    return True
            except (urllib.error.URLError, OSError):
                return False
        until(f"node {node['id']} is ready; {self.folder}/n{node['id']}.log", is_ready)

    def call(self, index, method, request):
        headers = {"content-type": "application/json"}
        if getattr(self, "token", None):
            headers["authorization"] = f"Bearer {self.token}"
        ask = urllib.request.Request(
            f"http://127.0.0.1:{self.nodes[index]['http']}/coterie.v1.{method}",
            json.dumps(request).encode(), headers)
        with urllib.request.urlopen(ask, timeout=10) as answer:
            return json.load(answer)

    def call_again(self, index, method, request):
        """For what does no harm twice: on a busy machine leaders may change at any time."""
        def answer():
            try:
                return self.call(index, method, request)
            except urllib.error.HTTPError as error:
                if error.code != 503:
                    raise
                return None
        return until(f"{method} is answered", answer)

    def leader(self):
        def known():
            leader = self.call_again(0, "ClusterService/GetStatus", {}).get("leaderId")
            return next((node for node in self.nodes if str(node["id"]) == str(leader)), None)
        return until("there is a leader", known)

    def pids(self):
        return [node["process"].pid for node in self.nodes if node["process"].poll() is None]

    def flags(self, protocol):
        ports = ",".join(str(node["http"]) for node in self.nodes
                         if node["process"].poll() is None)
        tokens = ["--tokens", self.folder / "tokens"]
        if protocol == "hocuspocus":
            return ["--ports", ports, "--path", "/hocuspocus", "--query", "?create=1", *tokens]
        return ["--ports", ports, "--path", "/yjs/", "--query", "?create=1&token=", *tokens]

    def crash(self):
        self.dead = self.leader()
        others = [node["process"] for node in self.nodes if node is not self.dead]
        # What is typed on the leader while nobody can confirm it must not be seen by anybody: a
        # crash between two commits alone would nearly never find a letter under way.
        for process in others:
            process.send_signal(signal.SIGSTOP)
        time.sleep(ALONE_SECONDS)
        self.dead["process"].send_signal(signal.SIGKILL)
        self.dead["process"].wait()
        for process in others:
            process.send_signal(signal.SIGCONT)
        return "the leader"

    def restart(self):
        self.launch(self.dead)
        self.await_ready(self.dead)

    def stop(self):
        for node in self.nodes:
            node["process"].kill()
            node["process"].wait()


def start(kind, program, folder):
    return Cluster(program, folder) if kind == "coterie" else Peer(kind, folder)


def hold_descriptors():
    import resource
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if most == resource.RLIM_INFINITY else min(DESCRIPTORS, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


if __name__ == "__main__":
    raise SystemExit("This is read by run.py.")
