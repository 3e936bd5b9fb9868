#!/usr/bin/env python3
"""Prints the lines of bench/realtime.sh as tables, with the ratios that count.

    report.py results.jsonl

Of several rounds the best of each figure: what else the machine does makes a round worse, never
better.
"""
import json
import sys

LOADS = [("equal", "Equal load: 100 rooms x 10 writers, 1 000 letters a second"),
         ("busy", "As fast as it goes: 100 rooms x 10 writers, 2 letters of each on their way"),
         ("lecture",
          "As fast as it goes: 10 rooms x 100 editors, 10 write, 4 letters on their way")]
HIGHER = {"updates_per_s", "deliveries_per_s", "deliveries_per_cpu_s"}


def best(lines, measurement, server, figure):
    values = [line[figure] for line in lines
              if line["measurement"] == measurement and line["server"] == server
              and figure in line]
    if not values:
        return None
    return max(values) if figure in HIGHER else min(values)


def show(value, digits=1):
    return "-" if value is None else f"{value:,.{digits}f}".replace(",", " ")


def table(head, rows):
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")


def print_loads(lines, names):
    for measurement, title in LOADS:
        if not any(line["measurement"] == measurement for line in lines):
            continue
        print(f"\n{title}\n")
        figures = [("updates_per_s", 0), ("deliveries_per_s", 0), ("p50_ms", 2), ("p99_ms", 2),
                   ("cpu_ms_per_1000", 2), ("deliveries_per_cpu_s", 0), ("memory_mib", 0)]
        table(["", "updates/s", "deliveries/s", "p50 ms", "p99 ms", "CPU ms/1000 deliveries",
               "deliveries/CPU s", "memory MiB"],
              [[name, *(show(best(lines, measurement, name, figure), digits)
                        for figure, digits in figures)] for name in names])


def print_ratios(lines, names):
    print("\nRatios (coterie / other, the same protocol)\n")
    rows = []
    for ours, others in (("coterie, y-websocket", [n for n in names if n.startswith("y/")]),
                         ("coterie, Hocuspocus", [n for n in names if n.startswith("Hocus")])):
        for other in others:
            for measurement, _ in LOADS:
                row = [f"{other}: {measurement}"]
                for figure in ("deliveries_per_s", "deliveries_per_cpu_s", "p50_ms", "p99_ms"):
                    mine = best(lines, measurement, ours, figure)
                    its = best(lines, measurement, other, figure)
                    row.append("-" if mine is None or not its else show(mine / its, 2))
                rows.append(row)
    table(["", "deliveries/s", "deliveries/CPU s", "p50", "p99"], rows)


def print_rest(lines, names):
    print("\nMemory, joiners, crash\n")
    rows = []
    for name in names:
        per_socket = best(lines, "idle", name, "kb_per_socket")
        per_room = best(lines, "rooms", name, "kb_per_socket")
        room = None if per_socket is None or per_room is None else per_room - per_socket
        lost, seen = (best(lines, "crash", name, figure) for figure in ("lost", "seen"))
        rows.append([name, show(per_socket), show(room),
                     show(best(lines, "join", name, "p50_ms")),
                     show(best(lines, "join", name, "last_ms")),
                     show(best(lines, "join", name, "cpu_ms"), 0),
                     "-" if lost is None else f"{lost} of {seen}"])
    table(["", "kB per idle socket", "kB per room", "joiners p50 ms", "last ms", "CPU ms",
           "seen and gone after kill -9"], rows)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        lines = [json.loads(line) for line in file if line.startswith("{")]
    names = list(dict.fromkeys(line["server"] for line in lines))
    print_loads(lines, names)
    print_ratios(lines, names)
    print_rest(lines, names)


if __name__ == "__main__":
    main()
