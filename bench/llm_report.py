#!/usr/bin/env python3
"""Prints the lines of bench/llm.sh as one table, with the ratios that count.

    bench/llm_report.py results.jsonl

Best and median of the rounds: what else the machine does makes a round slower, never faster.
"""
import json
import statistics
import sys


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        lines = [json.loads(line) for line in file if line.startswith("{")]
    rates, cpu_rates = {}, {}
    for line in lines:
        if "tokens_per_s" in line:
            rates.setdefault(line["work"], []).append(line["tokens_per_s"])
            cpu_rates.setdefault(line["work"], []).append(line["tokens_per_cpu_s"])
    print(f"{'':<28}{'tokens/s':>18}{'tokens/CPU second':>20}")
    print(f"{'':<28}{'best':>10}{'median':>8}{'best':>12}{'median':>8}")
    for work, values in rates.items():
        cpu = cpu_rates[work]
        print(f"{work:<28}{max(values):>10.2f}{statistics.median(values):>8.2f}"
              f"{max(cpu):>12.2f}{statistics.median(cpu):>8.2f}")
    documents = [line for line in lines if line["work"] == "document"]
    first = [line["first_s"] for line in documents]
    second = [line["second_s"] for line in documents]
    print(f"\n{'time to first token, s':<28}{'best':>8}{'median':>8}")
    print(f"{'first question':<28}{min(first):>8.3f}{statistics.median(first):>8.3f}")
    print(f"{'second, same document':<28}{min(second):>8.3f}{statistics.median(second):>8.3f}")

    def ratio(name, ours, theirs, pick, wanted):
        value = pick(ours) / pick(theirs)
        print(f"{name:<52}{value:>7.2f}   (wanted: at least {wanted})")

    print()
    for label, by, pick in (("best", rates, max), ("median", rates, statistics.median),
                            ("CPU, median", cpu_rates, statistics.median)):
        ratio(f"alone / llama-bench, {label}", by["alone"], by["llama-bench"], pick, 0.97)
        ratio(f"eight together / alone, {label}", by["together"], by["alone"], pick, 2)
    for label, pick in (("best", min), ("median", statistics.median)):
        ratio(f"first question / second, {label}", first, second, pick, 10)


if __name__ == "__main__":
    main()
