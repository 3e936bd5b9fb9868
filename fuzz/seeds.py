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


def varuint(value):
    data = b""
    while value >= 0x80:
        data += bytes([value & 0x7F | 0x80])
        value >>= 7
    return data + bytes([value])


def main():
    name, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    testdata = pathlib.Path(__file__).resolve().parent.parent / "src" / "crdt" / "testdata"
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(testdata.rglob("*.txt")):
        for word in HEX.findall(path.read_text()):
            data = framed(name, bytes.fromhex(word))
            (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)
    if name == "split":
        for update in long_updates():
            data = framed(name, update)
            (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)


if __name__ == "__main__":
    main()
