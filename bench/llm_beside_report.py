#!/usr/bin/env python3
"""Prints the lines of bench/llm_beside.sh: writes with the model idle and busy.

    bench/llm_beside_report.py results.jsonl

Medians of the rounds. "Model, cores" is the processor time that the model's server had: a model
that gets nothing disturbs nobody.
"""
import json
import statistics
import sys


def main():
    rows = {}
    with open(sys.argv[1], encoding="utf-8") as file:
        for line in file:
            if line.startswith("{"):
                values = json.loads(line)
                values["cores"] = values["server_cpu_us_per_call"] * values["calls_per_s"] / 1e6
                by_model = rows.setdefault(values["clients"], {})
                by_model.setdefault(values["model"], []).append(values)

    def median(clients, model, key):
        return statistics.median(values[key] for values in rows[clients][model])

    print(f"{'clients':>8} {'model':<6}{'writes/s':>10}{'p50, ms':>10}{'p99, ms':>10}"
          f"{'model, cores':>14}")
    for clients in sorted(rows):
        for model in ("idle", "busy"):
            print(f"{clients:>8} {model:<6}{median(clients, model, 'calls_per_s'):>10.0f}"
                  f"{median(clients, model, 'p50_us') / 1000:>10.2f}"
                  f"{median(clients, model, 'p99_us') / 1000:>10.2f}"
                  f"{median(clients, model, 'cores'):>14.2f}")
    for clients in sorted(rows):
        ratio = median(clients, "busy", "p99_us") / median(clients, "idle", "p99_us")
        print(f"p99 of {clients} clients, busy / idle: {ratio:.2f}")


if __name__ == "__main__":
    main()
