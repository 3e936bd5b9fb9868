#!/usr/bin/env python3
"""Checks every #include under src/ against LAYERS: who may include whom.

    scripts/layers.py              check this repository; file:line of what breaks a rule, exit 1
    scripts/layers.py --self-test  check the checker

Rules, named in the output:
  unknown-room    a folder of src/ that LAYERS does not list, or an edge to a room it does not list
  cycle           rooms, or headers, that include each other in a circle
  edge            an include that LAYERS does not allow the room
  relative        a quoted include that is not written "room/header.h"
  third-party     a system or library header that belongs to no package known here
  platform        an operating system's header in a room that must be pure (base, raft, crdt,
                  yproto, state)

A room may always include itself and the standard library. Tests (*_test.cc, *_fuzz.cc, *_bench.cc
and headers test_*.h) may use the test libraries and the operating system besides.
"""
import argparse
import pathlib
import re
import sys
import tempfile

# The beginning of an include's path -> the package's name in LAYERS.
PACKAGES = {
    "absl/": "absl", "spdlog/": "spdlog", "rocksdb/": "rocksdb", "grpc/": "grpc",
    "grpcpp/": "grpc", "google/": "grpc", "sodium": "sodium", "re2/": "re2",
    "openssl/": "openssl", "boost/": "boost", "CLI/": "CLI11", "nlohmann/": "nlohmann",
    "toml++/": "toml++", "hunspell/": "hunspell",
    "histedit.h": "libedit", "editline/": "libedit",
    "coterie/v1/": "proto", "llama.h": "llama", "ggml": "llama", "gguf.h": "llama",
    "gtest/": "test", "gmock/": "test", "benchmark/": "test",
}
PURE_ROOMS = {"base", "raft", "crdt", "yproto", "state"}
# Operating system headers; intrinsics of the processor are no platform.
PLATFORM = re.compile(r"^(sys/|linux/|netinet/|arpa/|net/)|^(unistd|fcntl|pthread|dirent|poll|"
                      r"termios|signal|netdb|pwd|spawn|sched|dlfcn|getopt)\.h$")
INTRINSICS = re.compile(r"^(arm_acle|arm_neon|[a-z]*intrin)\.h$")
STANDARD = re.compile(r"^[a-z0-9_]+$")  # <vector>, <cstdint>: no dot, no slash.
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')
TEST_FILE = re.compile(r"(_(test|fuzz|bench)\.(cc|h)|/test_[a-z0-9_]*\.h)$")


def read_layers(path):
    """Room -> list of what it may include, as written."""
    rooms = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        line = line.split("#", 1)[0].strip()
        if not line:
            continue
        if ":" not in line:
            sys.exit(f"{path}:{number}: not of the form 'room: what it may include'")
        room, allowed = line.split(":", 1)
        rooms[room.strip()] = allowed.split()
    return rooms


def find_cycle(edges):
    """One circle in a graph {node: nodes}, as a list that begins and ends with the same node."""
    done, path = set(), []

    def visit(node):
        if node in path:
            return path[path.index(node):] + [node]
        if node in done:
            return None
        path.append(node)
        for following in sorted(edges.get(node, ())):
            circle = visit(following)
            if circle:
                return circle
        path.pop()
        done.add(node)
        return None

    for node in sorted(edges):
        circle = visit(node)
        if circle:
            return circle
    return None


def includes_of(path):
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1), match.group(2)


def check_rooms(rooms):
    problems = []
    packages = set(PACKAGES.values())
    edges = {}
    for room, allowed in rooms.items():
        targets = {entry.split("/")[0] for entry in allowed if entry != "*"}
        edges[room] = {target for target in targets if target in rooms}
        for target in sorted(targets - set(rooms) - packages):
            problems.append(f"LAYERS: unknown-room: {room} may include {target}, which is no room "
                            "and no package that scripts/layers.py knows")
    circle = find_cycle(edges)
    if circle:
        problems.append("LAYERS: cycle: " + " -> ".join(circle))
    return problems


def check_angle(name, room, allowed, is_test):
    if STANDARD.match(name) or INTRINSICS.match(name):
        return None
    if PLATFORM.match(name):
        if room in PURE_ROOMS and not is_test:
            return f"platform: {room} is pure and may not include <{name}>"
        return None
    package = next((p for start, p in PACKAGES.items() if name.startswith(start)), None)
    if package is None:
        return f"third-party: <{name}> belongs to no package that scripts/layers.py knows"
    if package in allowed or "*" in allowed or (package == "test" and is_test):
        return None
    return f"edge: {room} may not include <{name}> (package {package}); see LAYERS"


def check_quoted(name, room, rooms, allowed):
    if name.startswith(("coterie/v1/", "coterie/internal/v1/", "coterie/llm/v1/",
                        "google/rpc/")):
        ok = "proto" in allowed or "*" in allowed
        return None if ok else f"edge: {room} may not include \"{name}\" (proto); see LAYERS"
    target = name.split("/")[0]
    if "/" not in name or ".." in name or target not in rooms:
        return f"relative: write \"room/header.h\", not \"{name}\""
    if target == room or target in allowed or name in allowed or "*" in allowed:
        return None
    return f"edge: {room} may not include \"{name}\"; see LAYERS"


def check(root):
    rooms = read_layers(root / "LAYERS")
    problems = check_rooms(rooms)
    headers = {}
    source = root / "src"
    for path in sorted(source.rglob("*")):
        if path.suffix not in (".h", ".cc"):
            continue
        name = path.relative_to(source).as_posix()
        room = name.split("/")[0]
        if room not in rooms:
            problems.append(f"src/{name}:1: unknown-room: LAYERS does not list {room}")
            continue
        is_test = bool(TEST_FILE.search("/" + name))
        for number, quoted, angle in includes_of(path):
            if quoted is not None:
                problem = check_quoted(quoted, room, rooms, rooms[room])
                if name.endswith(".h"):
                    headers.setdefault(name, set()).add(quoted)
            else:
                problem = check_angle(angle, room, rooms[room], is_test)
            if problem:
                problems.append(f"src/{name}:{number}: {problem}")
    circle = find_cycle(headers)
    if circle:
        problems.append(f"src/{circle[0]}:1: cycle: " + " -> ".join(circle))
    return problems


SELF_TEST_LAYERS = "# Comment.\nbase:\nraft: base\nwal: raft/entry.h base absl\nbin: *\n"
# What is written where -> the rule that must be named; None = clean.
SELF_TESTS = [
    ({"raft/a.h": '#include <vector>\n#include "base/x.h"'}, None),
    ({"wal/a.cc": '#include "raft/entry.h"\n#include <absl/x.h>\n#include <unistd.h>'}, None),
    ({"bin/main.cc": '#include "wal/a.h"\n#include <rocksdb/db.h>'}, None),
    ({"raft/a_test.cc": "#include <gtest/gtest.h>\n#include <unistd.h>"}, None),
    ({"base/crc.cc": "#include <nmmintrin.h>"}, None),
    ({"wal/a.cc": '#include "raft/core.h"'}, "edge"),
    ({"base/a.h": '#include "raft/a.h"'}, "edge"),
    ({"raft/a.cc": "#include <absl/time/time.h>"}, "edge"),
    ({"raft/a.cc": "#include <gtest/gtest.h>"}, "edge"),
    ({"raft/a.cc": '#include "coterie/v1/auth.pb.h"'}, "edge"),
    ({"raft/a.cc": "#include <unistd.h>"}, "platform"),
    ({"raft/a.cc": '#include "core.h"'}, "relative"),
    ({"raft/a.cc": '#include "../base/x.h"'}, "relative"),
    ({"raft/a.cc": "#include <poco/net.hpp>"}, "third-party"),
    ({"attic/a.cc": ""}, "unknown-room"),
    ({"raft/a.h": '#include "raft/b.h"', "raft/b.h": '#include "raft/a.h"'}, "cycle"),
]


def run_case(layers, files):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "LAYERS").write_text(layers)
        (root / "src").mkdir()
        for name, text in files.items():
            (root / "src" / name).parent.mkdir(parents=True, exist_ok=True)
            (root / "src" / name).write_text(text + "\n")
        return check(root)


def self_test():
    cases = [(SELF_TEST_LAYERS, files, rule) for files, rule in SELF_TESTS]
    cases.append(("a: b\nb: c\nc: a\n", {}, "cycle"))
    cases.append(("a: nowhere\n", {}, "unknown-room"))
    failures = 0
    for layers, files, rule in cases:
        found = [problem.split(": ")[1] for problem in run_case(layers, files)]
        if found != ([rule] if rule else []):
            failures += 1
            print(f"self-test: {files or layers!r}: not {rule} but {found}", file=sys.stderr)
    print(f"layers.py: {len(cases) - failures} of {len(cases)} self tests passed")
    return 1 if failures else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("--root", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parent.parent)
    arguments = parser.parse_args()
    if arguments.self_test:
        return self_test()
    problems = check(arguments.root)
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
