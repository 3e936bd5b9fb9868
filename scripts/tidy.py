#!/usr/bin/env python3
"""Checks the house rules that need no compiler: sizes, names, banned calls, comments. Under 2 s.

    scripts/tidy.py [FILE...]    check what git knows (or these); file:line: rule, exit 1
    scripts/tidy.py --self-test  check the checker

What it cannot see, clang-tidy (scripts/lint.sh) or the reader does. Exceptions are listed in
ALLOWED below, each with its reason; there is no comment that silences a rule.
"""
import argparse
import pathlib
import re
import subprocess
import sys

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 800
LINE_CHARACTERS_MAX = 100
TOP_COMMENT_LINES_MAX = 60

# (rule, path) -> why this one may.
ALLOWED = {
    ("sleep", "tests/pacing.cc"): "the one place where system tests wait between two looks",
    ("name", "src/gateway/connect_codec.cc"): "protobuf's namespace of its JSON functions",
    ("mutex", "src/runtime/inbox.h"): "the hottest lock, which ThreadSanitizer must see through",
    ("not-built", "src/runtime/tsan_mutex.cc"): "cmake/rooms.cmake adds it for ThreadSanitizer",
    ("not-built", "src/runtime/tsan_grpc.cc"): "as above",
    ("name", "src/crdt/lib0.h"): "lib0 is the name of the encoding",
    ("name", "src/crdt/lib0.cc"): "as above",
    ("name", "src/crdt/lib0_test.cc"): "as above",
}

CPP = {".h", ".cc"}
TEXT = CPP | {".py", ".sh", ".proto", ".cmake", ".md", ".txt", ".yml"}

# Words that say nothing; the first set in any identifier or path, the second in paths only.
EMPTY_WORDS = {"util", "utils", "utility", "helper", "helpers", "manager", "misc"}
EMPTY_FOLDERS = EMPTY_WORDS | {"common", "shared", "stuff", "lib"}
LATER = re.compile(r"\b(TO" + "DO|FIX" + "ME|XX" + "X|HA" + r"CK)\b")
MACHINE_PATH = re.compile(r"(?<![\w.])/(work|home|root)/[a-z]")

ANYWHERE = frozenset()
PROGRAMS = {"cli", "bin", "bench"}
OUTER = PROGRAMS | {"client", "gateway", "rpc", "tests"}
THREADED = OUTER | {"runtime", "io", "wal", "node", "llm"}
# (rule, pattern, rooms that may, whether tests may, what to write instead)
BANNED = [
    ("thread", r"std::j?thread\b(?!::id)|\bpthread_create\b|std::async\b", THREADED, True,
     "pure rooms have one owner and no threads"),
    ("random", r"(?<![\w:.>])s?rand\(|(?<![\w:.>])random\(\)|std::(mt19937|default_random_engine)",
     ANYWHERE, False, "inject a Prng; its seed makes the run repeatable"),
    ("random", r"std::random_device", OUTER | {"node"}, True, "inject a Prng"),
    ("time", r"(?<![\w:.>])time\((NULL|nullptr|0)\)|\bgettimeofday\b|\bclock_gettime\b"
             r"|_clock::now\(|absl::Now\(", OUTER | {"io", "node", "llm"}, True,
     "Ticks in pure rooms, io::Clock elsewhere"),
    ("sleep", r"\bsleep_(for|until)\b|(?<![\w:.>])u?sleep\(|\bnanosleep\b|absl::SleepFor",
     {"bench"}, False, "wait for the event itself, with a deadline"),
    ("mutex", r"std::(recursive_|shared_|timed_)?mutex\b|std::condition_variable", ANYWHERE, False,
     "absl::Mutex with ABSL_GUARDED_BY"),
    ("assert", r"(?<![\w:.>])assert\(", ANYWHERE, False, "CHECK, which is always on"),
    ("exception", r"\bthrow\b|\bcatch\s*\(|\bdynamic_cast\b|\btypeid\b", {"cli", "bin"}, False,
     "absl::Status for the environment, CHECK for bugs"),
    ("unsafe", r"(?<![\w.>])(strcpy|strcat|v?sprintf|strtok|gets|system|popen|atoi|atol)\(",
     ANYWHERE, False, "a bounded or checked counterpart"),
    ("stdout", r"std::(cout|cerr|clog)\b|(?<![\w:.>])printf\(", PROGRAMS | {"base"}, True,
     "only programs talk to terminals; else a node::Notice"),
    ("subset", r"std::(ranges::)?views::|std::source_location|std::format\b|std::expected\b"
               r"|std::move_only_function|\bco_(await|yield|return)\b", ANYWHERE, False,
     "both compilers must accept it (style rule 1)"),
    ("using-namespace", r"\busing\s+namespace\s+(?!\w*_literals|std::\w*_?literals)", ANYWHERE,
     False, "name what you use"),
]
BANNED = [(rule, re.compile(pattern), *rest) for rule, pattern, *rest in BANNED]

TEST_FILE = re.compile(r"(_(test|fuzz|bench)\.(cc|h)|/test_[a-z0-9_]*\.h)$|^(tests|fuzz)/")
TOKEN = re.compile(r"""//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"""
                   r""""(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.S)
IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def without_text(code):
    """The code with comments and literals blanked, so that columns and lines stay."""
    code = re.sub(r"(?<=[0-9a-fA-F])'(?=[0-9a-fA-F])", "_", code)  # 1'000 is no character literal.

    def blank(match):
        text = match.group(0)
        quote = text[0] if text[0] in "\"'" else ""
        inner = re.sub(r"[^\n]", " ", text)
        return quote + inner[1:-1] + quote if quote else inner

    return TOKEN.sub(blank, code)


def kind_of_block(head, outer):
    head = re.sub(r"\b(alignas|noexcept|ABSL_\w+)\([^()]*\)", "", head).strip()
    is_constant = re.match(r"(inline\s+)?(constexpr|const)\b[^()]*$", head)
    if is_constant or re.search(r"(=|\breturn|,|\()$", head):
        return "value"
    if re.search(r"\bnamespace\b|^extern\b\s*\"", head):
        return "scope"
    is_callable = re.search(r"\)\s*(const|override|->|$)", head)
    if re.search(r"\b(class|struct|union|enum)\b", head) and not is_callable:
        return "scope"
    if outer == "scope" and "(" in head:
        return "function"
    return "block"


def functions(code):
    """(first line, last line) of every function body outside other functions; `code` is blanked."""
    found, stack, head_begin, line = [], [], 0, 1
    lines_before = [0]
    for position, character in enumerate(code):
        if character == "\n":
            line += 1
            lines_before.append(position + 1)
        elif character == "{":
            outer = stack[-1][0] if stack else "scope"
            head = re.sub(r"^\s*#.*$", "", code[head_begin:position], flags=re.M)
            kind = kind_of_block(re.sub(r"\b(public|private|protected):", "", head), outer)
            begin = line - head.lstrip().rstrip().count("\n")
            stack.append((kind, begin))
            head_begin = position + 1
        elif character == "}":
            if stack:
                kind, begin = stack.pop()
                if kind == "function":
                    found.append((begin, line))
            head_begin = position + 1
        elif character == ";":
            head_begin = position + 1
    return found


def check_words(name, code):
    for number, line in enumerate(code.splitlines(), 1):
        if line.lstrip().startswith("#include"):
            continue
        for identifier in IDENTIFIER.findall(line):
            empty = {word.lower() for word in WORD.findall(identifier)} & EMPTY_WORDS
            if empty:
                yield number, "name", f"{identifier}: '{empty.pop()}' says nothing"


def check_calls(name, code):
    parts = name.split("/")
    room = parts[1] if parts[0] == "src" and len(parts) > 2 else parts[0]
    is_test = bool(TEST_FILE.search(name))
    for number, line in enumerate(code.splitlines(), 1):
        for rule, pattern, rooms, tests_may, instead in BANNED:
            if room in rooms or (is_test and tests_may):
                continue
            match = pattern.search(line)
            if match:
                yield number, rule, f"'{match.group(0).strip()}' is not used here: {instead}"


def check_header(name, text):
    lines = text.splitlines()
    code = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    plain = [line for _, line in code if not line.startswith("//")]
    if not plain or plain[0].strip() != "#pragma once":
        yield 1, "pragma-once", "a header begins with #pragma once"
    first = next((i for i, (_, line) in enumerate(code) if line.startswith("//")), None)
    if first is None or first > 1:
        yield 1, "top-comment", "a header's top comment says what it is, what not, and which thread"
        return
    size = 0
    while first + size < len(code) and code[first + size][1].startswith("//"):
        size += 1
    if size > TOP_COMMENT_LINES_MAX:
        yield 1, "top-comment", f"{size} lines; at most {TOP_COMMENT_LINES_MAX}"


def check_text(name, text):
    for number, line in enumerate(text.splitlines(), 1):
        if LATER.search(line):
            yield number, "later", "do it now, or say why not"
        if MACHINE_PATH.search(line) and not line.startswith("#!"):
            yield number, "machine-path", "a path of one machine"
        is_prose = name.endswith(".md") or "/testdata/" in name or "://" in line
        if len(line) > LINE_CHARACTERS_MAX and not is_prose:
            yield number, "line-length", f"{len(line)} characters; at most {LINE_CHARACTERS_MAX}"


def check_file(name, text):
    """All problems of one file: (line, rule, message)."""
    yield from check_text(name, text)
    words = {word.lower() for part in name.split("/") for word in WORD.findall(part.split(".")[0])}
    if words & EMPTY_FOLDERS and name.endswith((".h", ".cc", ".proto", ".py", ".sh")):
        if not (words & {"shared"} == words & EMPTY_FOLDERS and "/" in name):
            yield 1, "name", f"{name}: '{(words & EMPTY_FOLDERS).pop()}' says nothing"
    if pathlib.PurePath(name).suffix not in CPP:
        return
    count = len(text.splitlines())
    if count > FILE_LINES_MAX:
        yield 1, "file-size", f"{count} lines; at most {FILE_LINES_MAX}"
    code = without_text(text)
    for begin, end in functions(code):
        if end - begin + 1 > FUNCTION_LINES_MAX:
            yield begin, "function-size", f"{end - begin + 1} lines; at most {FUNCTION_LINES_MAX}"
    yield from check_words(name, code)
    yield from check_calls(name, code)
    if name.endswith(".h"):
        yield from check_header(name, text)


def check_built(root, names):
    """A source that no CMakeLists names is built by nobody."""
    for name in names:
        path = root / name
        lists = path.parent / "CMakeLists.txt"
        if not name.endswith(".cc") or not name.startswith(("src/", "tests/", "bench/", "fuzz/")):
            continue
        if lists.exists() and path.name not in lists.read_text():
            yield name, 1, "not-built", f"{lists.relative_to(root)} does not name it"


def known_files(root):
    listed = subprocess.run(["git", "-C", str(root), "ls-files"], capture_output=True, text=True)
    if listed.returncode == 0:
        return listed.stdout.split("\n")[:-1]
    return [p.relative_to(root).as_posix() for p in root.rglob("*")
            if p.is_file() and "build" not in p.relative_to(root).parts]


def check(root, names):
    names = [n for n in names if not n.startswith("proto/google/")]  # As its authors wrote it.
    names = [n for n in names if pathlib.PurePath(n).suffix in TEXT and (root / n).is_file()]
    problems = list(check_built(root, names))
    for name in names:
        text = (root / name).read_text(errors="replace")
        problems += [(name, *problem) for problem in check_file(name, text)]
    return sorted(p for p in problems if (p[2], p[0]) not in ALLOWED)


TOP = "#pragma once\n\n// What it is.\n"
SELF_TESTS = [
    ("src/raft/a.cc", "int F() {\n" + "  x();\n" * 68 + "}\n", []),
    ("src/raft/a.cc", "int F() {\n" + "  x();\n" * 69 + "}\n", ["function-size"]),
    ("src/raft/a.cc", "struct S {\n" + "  int x;\n" * 90 + "};\n", []),
    ("src/raft/a.cc", "struct S {\n  int F(int a,\n  int b) {\n" + "    x();\n" * 70 + "  }\n};\n",
     ["function-size"]),
    ("src/raft/a.cc", "namespace a {\nconstexpr int k[] = {\n" + "  1,\n" * 90 + "};\n}\n", []),
    ("src/raft/a.cc", "int x;\n" * 801, ["file-size"]),
    ("src/raft/a.h", TOP + "int x;\n", []),
    ("src/raft/a.h", "// What it is.\n#pragma once\n", []),
    ("src/raft/a.h", "int x;\n", ["pragma-once", "top-comment"]),
    ("src/raft/a.h", "#pragma once\nint x;\nint y;\n// Late.\n", ["top-comment"]),
    ("src/raft/a.cc", "x = " + "1" * 97 + ";\n", ["line-length"]),
    ("src/raft/a.cc", "// TO" + "DO: later\n", ["later"]),
    ("src/raft/a.cc", "// rand() and sleep(1) in a comment, std::thread\nf(\"throw\");\n", []),
    ("src/raft/a.cc", "std::thread t;\n", ["thread"]),
    ("src/raft/a_test.cc", "std::thread t;\n", []),
    ("src/wal/a.cc", "std::thread t;\n", []),
    ("src/node/a.cc", "x = rand() % 3;\n", ["random"]),
    ("src/node/a.cc", "x = prng.rand() + Operand(1);\n", []),
    ("src/wal/a.cc", "auto n = std::chrono::steady_clock::now();\n", ["time"]),
    ("src/io/posix_clock.cc", "auto n = std::chrono::steady_clock::now();\n", []),
    ("tests/a_test.cc", "std::this_thread::sleep_for(1s);\n", ["sleep"]),
    ("src/node/a.cc", "std::mutex m;\n", ["mutex"]),
    ("src/node/a.cc", "auto n = 1'000'000; std::mutex m; char c = 'x';\n", ["mutex"]),
    ("src/node/a.cc", "static_assert(sizeof(x) == 1);\n", []),
    ("src/node/lock_manager.cc", "int x;\n", ["name"]),
    ("src/node/a.cc", "class PeerManager {};\n", ["name"]),
    ("src/node/a.cc", "int CommonPrefix();\n", []),
    ("src/node/a.cc", "// See /wo" + "rk/notes.\n", ["machine-path"]),
]


def self_test():
    failures = 0
    for name, text, expected in SELF_TESTS:
        found = sorted(rule for _, rule, _ in check_file(name, text))
        if found != expected:
            failures += 1
            print(f"self-test: {name} {text[:60]!r}: expected {expected}, found {found}",
                  file=sys.stderr)
    print(f"tidy.py: {len(SELF_TESTS) - failures} of {len(SELF_TESTS)} self tests passed")
    return 1 if failures else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("files", nargs="*", help="relative to the repository's root")
    arguments = parser.parse_args()
    if arguments.self_test:
        return self_test()
    root = pathlib.Path(__file__).resolve().parent.parent
    problems = check(root, arguments.files or known_files(root))
    for name, line, rule, message in problems:
        print(f"{name}:{line}: {rule}: {message}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
