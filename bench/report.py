#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The bench's results as tables and plots, and judged by the targets.

usage: report.py BENCH.json OUTDIR              bench.json, bench.md and *.svg in OUTDIR
       report.py BENCH.json OUTDIR --readme F   and the summary between F's markers
"""
import json
import os
import sys
import textwrap
from statistics import median

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
import plots
import targets

BEGIN, END = "<!-- bench -->", "<!-- /bench -->"
NAMES = {
    "raw": "raw device", "xts": "dm-crypt aes-xts", "gcm-journal": "dm-crypt gcm + dm-integrity, journal",
    "gcm-nojournal": "the same, no journal", "hmac-bitmap": "dm-crypt xts + dm-integrity hmac, bitmap",
    "fscrypt": "ext4 with fscrypt", "inocrypt": "inocrypt", "inocrypt-no-tree": "inocrypt, tree not verified",
}
# The README's rows: the best and the worst of each kind, none left out because it is bad.
SHORT = {
    ("ssd", "seq-write"): "SSD: 1 MiB, one after the other, written",
    ("ssd", "rand-write-qd32"): "SSD: 4 KiB at random, 32 at a time, written",
    ("ssd", "fsync1"): "SSD: 4 KiB at random, an fsync after each",
    ("ssd", "sqlite-wal"): "SSD: SQLite's transactions, WAL",
    ("ssd", "cold-read-qd32"): "SSD: 4 KiB at random, read, no record in memory",
    ("nvme", "fsync1"): "NVMe without a volatile cache: an fsync after each 4 KiB",
    ("hdd", "fsync1"): "hard disk: an fsync after each 4 KiB",
    ("cpu", "rand-read-qd8"): "memory: 4 KiB at random, 8 at a time, read",
}


def group(rows):
    """{(device, work): {rival: {round: row}}}, in the order of the rows; figures are left out."""
    out = {}
    for r in rows:
        if r["kind"] != "figure":
            out.setdefault((r["device"], r["work"]), {}).setdefault(r["rival"], {})[r["round"]] = r
    return out


def med(rounds, field):
    v = [r[field] for r in rounds.values() if field in r]
    return median(v) if v else None


def per(rounds, field, by, scale=1.0):
    """A sum over the rounds by another sum, or None."""
    n = sum(r.get(by, 0) for r in rounds.values())
    return sum(r.get(field, 0) for r in rounds.values()) * scale / n if n else None


def fmt(value, digits=2):
    return "-" if value is None else f"{value:.{digits}f}"


def lines_of(result):
    """A line for each device, work and rival: all figures."""
    yield ["device", "work", "by", "MiB/s", "per s", "mean us", "p99 us", "CPU s/GiB", "bytes/byte", "writes/op",
           "flushes/sync", "inocrypt's rate to its"]
    for (device, work), rivals in group(result["rows"]).items():
        for name, r in rivals.items():
            vs = targets.spread(targets.ratios(rivals["inocrypt"], r)) \
                if name != "inocrypt" and "inocrypt" in rivals else ""
            rate = med(r, "rate")
            yield [device, work, name, fmt(med(r, "mib_s"), 1), fmt(rate, 0 if rate >= 10 else 3),
                   fmt(med(r, "lat_us"), 0), fmt(med(r, "p99_us"), 0), fmt(per(r, "cpu_s", "bytes", 1 << 30), 1),
                   fmt(per(r, "write_bytes", "write_user_bytes")), fmt(per(r, "write_reqs", "ops")),
                   fmt(per(r, "flushes", "syncs")), vs]


def as_text(lines):
    lines = [[str(c) for c in line] for line in lines]
    width = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, width)).rstrip() for line in lines)


def as_markdown(lines):
    lines = [f"| {' | '.join(str(c) for c in line)} |" for line in lines]
    return "\n".join([lines[0], "|" + "---|" * (lines[0].count("|") - 1), *lines[1:]])


def figures(result):
    """What is no rate: [(device, work, values, unit)]."""
    out = {}
    for r in result["rows"]:
        if r["kind"] == "figure":
            out.setdefault((r["device"], r["work"], r["unit"]), []).append(r["value"])
    return [(d, w, v, u) for (d, w, u), v in out.items()]


def summary(result):
    """bench.md's first table: inocrypt's rate, and as a ratio to each rival's."""
    others = [n for n in NAMES if n not in ("inocrypt", "inocrypt-no-tree")]
    yield ["device", "work", "inocrypt", *(f"/ {NAMES[n]}" for n in others)]
    for (device, work), rivals in group(result["rows"]).items():
        if "inocrypt" not in rivals or "inocrypt-no-tree" in rivals:
            continue
        mine = rivals["inocrypt"]
        rate, mib = med(mine, "rate"), med(mine, "mib_s")
        rate = f"{mib:.1f} MiB/s" if mib and "seq" in work else f"{rate:.{0 if rate >= 10 else 2}f}/s"
        cells = [f"{median(targets.ratios(mine, rivals[n])):.2f}" if n in rivals else "" for n in others]
        yield [device, work, rate, *cells]


def origin(result):
    """Where the figures are from, in a sentence."""
    where = {"tcg": "a VM under QEMU's TCG, no KVM", "kvm": "a VM under KVM"}.get(result["vm"], "no VM")
    rounds = [len(r) for rivals in group(result["rows"]).values() for r in rivals.values()] or [1]
    times = f"{min(rounds)}" if min(rounds) == max(rounds) else f"{min(rounds)} to {max(rounds)}"
    runs = result.get("runs", 1)
    what, last = ("One run of", "") if runs == 1 else (f"{runs} runs of, in all,", "the last ")
    return (f"{what} {result['seconds'] / 60:.0f} min, {last}on {result['date']}, commit {result['commit']}, kernel "
            f"{result['kernel']}, {result['cpus']} CPUs ({result['cpu']}), {where}; medians of {times} rounds, in each of "
            "which all take turns.")


def markdown(result):
    judged = targets.judge(result)
    met = sum(j.met for j in judged)
    return "\n".join([
        origin(result), "", *(f"- {d}: {what}" for d, what in result["models"].items()), "",
        as_markdown(summary(result)), "",
        f"{met} of {len(judged)} targets met; medians of the rounds' ratios:", "", as_markdown(targets.brief(judged)),
    ]) + "\n"


def short(result):
    """The README's summary: of the first table the rows of SHORT, beside two rivals."""
    head, *lines = summary(result)
    columns = [2, *(head.index(f"/ {NAMES[n]}") for n in ("xts", "gcm-journal"))]
    found = {tuple(line[:2]): line for line in lines}
    judged = targets.judge(result)
    rows = [[what, *(found[key][i] for i in columns)] for key, what in SHORT.items() if key in found]
    return "\n".join([
        textwrap.fill(origin(result), 100), "",
        as_markdown([["", "inocrypt", "/ dm-crypt", "/ dm-crypt + dm-integrity"], *rows]), "",
        f"{sum(j.met for j in judged)} of {len(judged)} targets met.",
    ]) + "\n"


def into_readme(path, text):
    with open(path, encoding="utf-8") as f:
        old = f.read()
    if old.count(BEGIN) != 1 or old.count(END) != 1:
        sys.exit(f"{path}: has to have one {BEGIN} and one {END}")
    head, rest = old.split(BEGIN)
    with open(path, "w", encoding="utf-8") as f:
        f.write(f"{head}{BEGIN}\n{text}{END}{rest.split(END)[1]}")


def write(result, out):
    """All of it into a directory, and the tables on the screen."""
    os.makedirs(out, exist_ok=True)
    with open(f"{out}/bench.json", "w", encoding="utf-8") as f:
        # One row a line: readable, and a diff of two runs too.
        head = json.dumps({k: v for k, v in result.items() if k != "rows"}, indent=1)
        rows = ",\n".join("  " + json.dumps(r) for r in result["rows"])
        f.write(f'{head[:-2]},\n "rows": [\n{rows}\n ]\n}}\n')
    with open(f"{out}/bench.md", "w", encoding="utf-8") as f:
        f.write("\n".join([markdown(result), as_markdown(targets.lines_of(targets.judge(result))), "",
                           as_markdown(lines_of(result)), ""]))
    for name, svg in plots.all_of(result).items():
        with open(f"{out}/{name}.svg", "w", encoding="utf-8") as f:
            f.write(svg)
    print("\n" + as_text(lines_of(result)))
    for d, w, v, u in figures(result):
        print(f"{d}  {w}: {targets.spread(v)} {u}")
    judged = targets.judge(result)
    if judged:
        print("\n" + as_text(targets.lines_of(judged)))
        print(f"{sum(j.met for j in judged)} of {len(judged)} targets met")


def main():
    if len(sys.argv) not in (3, 5) or (len(sys.argv) == 5 and sys.argv[3] != "--readme"):
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as f:
        result = json.load(f)
    write(result, sys.argv[2])
    if len(sys.argv) == 5:
        into_readme(sys.argv[4], short(result))


if __name__ == "__main__":
    main()
