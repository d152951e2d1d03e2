"""Paired differences between two sets of runs, with their 95 % t-interval.

    compare.py SUMMARY.csv

The CSV has columns net, form, seed, engine, epochs, top1 (percent). For each net and form it pairs the engines' runs of the
same seed and prints mean, standard deviation and n of each engine, and the mean difference with its interval.
"""
import csv
import math
import statistics
import sys
from collections import defaultdict


def t_quantile(df, p=0.975):
    """Student's t by bisection on the integral of its density (Simpson)."""
    c = math.exp(math.lgamma((df + 1) / 2) - math.lgamma(df / 2)) / math.sqrt(df * math.pi)

    def cdf(t, n=2000):
        f = lambda x: c * (1 + x * x / df) ** (-(df + 1) / 2)
        h = t / n
        return 0.5 + h / 3 * (f(0) + f(t) + 4 * sum(f(i * h) for i in range(1, n, 2)) + 2 * sum(f(i * h) for i in range(2, n, 2)))

    lo, hi = 0.0, 100.0
    for _ in range(60):
        mid = (lo + hi) / 2
        lo, hi = (mid, hi) if cdf(mid) < p else (lo, mid)
    return lo


def interval(differences):
    """mean, and half the width of the 95 % interval (None for a single one)."""
    n, mean = len(differences), statistics.mean(differences)
    if n < 2:
        return mean, None
    return mean, t_quantile(n - 1) * statistics.stdev(differences) / math.sqrt(n)


def main():
    runs = defaultdict(dict)
    with open(sys.argv[1]) as f:
        for row in csv.DictReader(f):
            runs[row["net"], row["form"], row["epochs"]].setdefault(row["engine"], {})[int(row["seed"])] = float(row["top1"])
    for (net, form, epochs), engines in sorted(runs.items()):
        for engine, by_seed in sorted(engines.items()):
            v = list(by_seed.values())
            spread = f"+- {statistics.stdev(v):.2f}" if len(v) > 1 else ""
            print(f"{net} {form}, {epochs} epochs, {engine}: {statistics.mean(v):.2f} {spread} (n = {len(v)})")
        if len(engines) != 2:
            continue
        a, b = (engines[e] for e in ("bantam", "pytorch"))
        seeds = sorted(a.keys() & b.keys())
        mean, half = interval([a[s] - b[s] for s in seeds])
        if half is None:
            print(f"  bantam - pytorch: {mean:+.2f} points, one seed: an anecdote")
        else:
            print(f"  bantam - pytorch: {mean:+.2f} points, 95 % interval [{mean - half:+.2f}, {mean + half:+.2f}],"
                  f" {'holds' if abs(mean) <= half else 'does not hold'} 0 (seeds {seeds})")


if __name__ == "__main__":
    assert abs(t_quantile(2) - 4.302653) < 1e-4 and abs(t_quantile(4) - 2.776445) < 1e-4
    main()
