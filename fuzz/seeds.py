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
    """As the target wants it: apply takes two updates with the length of the first in front."""
    return len(data).to_bytes(2, "little") + data if name == "apply" and len(data) < 65536 else data


def main():
    name, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    testdata = pathlib.Path(__file__).resolve().parent.parent / "src" / "crdt" / "testdata"
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(testdata.rglob("*.txt")):
        for word in HEX.findall(path.read_text()):
            data = framed(name, bytes.fromhex(word))
            (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)


if __name__ == "__main__":
    main()
