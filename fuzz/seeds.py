#!/usr/bin/env python3
"""Begins a corpus: every hexadecimal word of the crdt room's test data becomes an input.

    fuzz/seeds.py NAME FOLDER     NAME: of the target, without _fuzz
"""
import hashlib
import pathlib
import re
import sys

HEX = re.compile(r"(?<![0-9A-Za-z+/=])(?:[0-9a-f]{2})+(?![0-9A-Za-z+/=])")


def framed(name, data):
    """As the target wants it: apply and views take two updates with the length of the first in
    front, split the size of the parts."""
    if name in ("apply", "views") and len(data) < 65536:
        return len(data).to_bytes(2, "little") + data
    return b"\0" + data if name == "split" else data


def long_updates():
    """Updates that are longer than a part, which the test data has none of: letters in front of
    each other, and a long text, by two clients."""
    for structs in (40, 200):
        update = bytes([2]) + varuint(structs) + bytes([9, 0, 4, 1, 1, 116, 1, 97])
        for clock in range(structs - 1):
            update += bytes([0x44, 9]) + varuint(clock) + bytes([1, 98 + clock % 20])
        text = "a\u00df\u20ac\U0001f600".encode() * structs
        update += bytes([1, 5, 0, 0x84, 9]) + varuint(structs - 1) + varuint(len(text)) + text
        yield update + bytes([1, 9, 1, 0, 3])


def editors():
    """What editors say of themselves, as states and as updates."""
    for state in (
        b'{"user":{"name":"Ana","color":"#ff8800","colorLight":"rgba(1, 2, 3, 50%)"}}',
        b'{"cursor":{"anchor":{"type":{"client":7,"clock":1},"tname":"t","item":null,"assoc":0}}}',
        b'{"n\\u0061me":"A\\ud83d\\ude00\\u200bn","color":["r",{"x":"url(y)"}],"coterie":{"a":1}}',
        b"null",
    ):
        yield state
        yield bytes([2, 7, 1, len(state)]) + state + bytes([9, 2, 4]) + b"null"


def frames():
    """Of each kind one: y-websocket's, and Hocuspocus' with a session behind the name."""
    sync = [bytes([0, step, 2, 0, 0]) for step in range(3)]
    others = [bytes([1, 1, 0]), b"\x02\x00\x03why", bytes([3])]
    yield b"".join(sync + others)
    more = [b"\x02\x00\x03abc\x054.8.0", b"\x05\x02{}", bytes([7]), bytes([8, 1])]
    for body in sync + others + more:
        for key in (b"notes", b"notes\x00s1"):
            yield bytes([len(key)]) + key + body
    yield from (bytes([9]), bytes([10]))


def grammars():
    """What people write, and what is refused."""
    yield b'root ::= "yes" | "no" | [a-z0-9_]+ "\\n"'
    yield b'root ::= object # JSON\nobject ::= "{" ws (pair ("," ws pair)*)? "}" ws\n' \
        b'pair ::= string ":" ws value\nstring ::= "\\"" ([^"\\\\] | "\\\\" .)* "\\""\n' \
        b'value ::= object | string | [0-9]{1,9}\nws ::= | " " ws'
    yield b'root ::= (("a"? "b"*){2,5} "\\u00e9\\U0001F600\\x41"){,3}'
    yield b'root ::= a\na ::= b? a "x"\nb ::= [^\\]\\-]'
    yield b'root ::= <[1]> !<[2]> .'


def varuint(value):
    data = b""
    while value >= 0x80:
        data += bytes([value & 0x7F | 0x80])
        value >>= 7
    return data + bytes([value])


def main():
    name, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    made = {"split": long_updates, "awareness": editors, "frames": frames,
            "grammar": grammars}.get(name)
    testdata = pathlib.Path(__file__).resolve().parent.parent / "src" / "crdt" / "testdata"
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(testdata.rglob("*.txt")):
        for word in HEX.findall(path.read_text()):
            data = framed(name, bytes.fromhex(word))
            (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)
    if made:
        for piece in made():
            data = framed(name, piece)
            (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)


if __name__ == "__main__":
    main()
