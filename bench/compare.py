#!/usr/bin/env python3
"""Prints the lines of bench/load as one table, Coterie beside etcd, with the ratios that count.

    bench/compare.py results.jsonl
"""
import json
import sys

HEADER = ["work", "clients", "target", "calls/s", "p50 us", "p99 us", "max us", "errors",
          "server us/call", "client us/call", "RSS MiB", "written B/call"]
KEYS = ["calls_per_s", "p50_us", "p99_us", "max_us", "errors", "server_cpu_us_per_call",
        "client_cpu_us_per_call", "server_rss_mib", "server_written_bytes_per_call"]


def ratio(ours, theirs):
    return f"{ours / theirs:.2f}x" if theirs else "-"


def rows_of(lines):
    steps = {}
    for line in lines:
        steps.setdefault((line["work"], line["clients"]), {})[line["target"]] = line
    for (work, clients), by_target in steps.items():
        for target, line in by_target.items():
            yield [work, str(clients), target] + [f"{line[key]:.0f}" for key in KEYS]
        if {"etcd", "coterie"} <= set(by_target):
            ours, theirs = by_target["coterie"], by_target["etcd"]
            ratios = ["" if key == "errors" else ratio(ours[key], theirs[key]) for key in KEYS]
            yield ["", "", "ratio"] + ratios


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        lines = [json.loads(line) for line in file if line.startswith("{")]
    table = [HEADER] + list(rows_of(lines))
    widths = [max(len(row[i]) for row in table) for i in range(len(HEADER))]
    for row in table:
        cells = [cell.ljust(w) if i < 3 else cell.rjust(w)
                 for i, (cell, w) in enumerate(zip(row, widths))]
        print("  ".join(cells).rstrip())
    for line in lines:
        if line["errors"]:
            step = f"{line['target']} {line['work']} {line['clients']}"
            print(f"errors: {step}: {line['last_error']}")


if __name__ == "__main__":
    main()
