#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The bench's results as tables."""
from statistics import median


def group(rows):
    """{(device, work): {rival: {round: row}}}, in the order of the rows."""
    out = {}
    for r in rows:
        out.setdefault((r["device"], r["work"]), {}).setdefault(r["rival"], {})[r["round"]] = r
    return out


def ratios(mine, its, field="rate"):
    """Of a field, mine to its, round by round."""
    return [mine[k][field] / its[k][field] for k in sorted(mine) if k in its and its[k][field]]


def med(rounds, field):
    return median(r[field] for r in rounds.values())


def spread(values):
    return f"{median(values):.2f} ({min(values):.2f}..{max(values):.2f})" if values else "-"


def per(rounds, field, by, scale=1.0):
    """A sum over rounds by another sum, or None."""
    n = sum(r[by] for r in rounds.values())
    return sum(r[field] for r in rounds.values()) * scale / n if n else None


def fmt(value, digits=2):
    return "-" if value is None else f"{value:.{digits}f}"


def table(result):
    """All figures, one line for each work and rival."""
    head = ["device", "work", "rival", "MiB/s", "ops/s", "lat us", "p99 us", "CPU s/GiB", "B/B", "req/op",
            "flush/sync", "inocrypt's rate to its"]
    lines = []
    for (device, work), rivals in group(result["rows"]).items():
        for name, rounds in rivals.items():
            vs = "" if name == "inocrypt" or "inocrypt" not in rivals else spread(ratios(rivals["inocrypt"], rounds))
            lines.append([
                device, work, name, fmt(med(rounds, "mib_s"), 1), fmt(med(rounds, "rate"), 0),
                fmt(med(rounds, "lat_us"), 0), fmt(med(rounds, "p99_us"), 0), fmt(per(rounds, "cpu_s", "bytes", 1 << 30), 1),
                fmt(per(rounds, "write_bytes", "write_user_bytes")), fmt(per(rounds, "write_reqs", "ops")),
                fmt(per(rounds, "flushes", "syncs")), vs])
    width = [max(len(str(row[i])) for row in [head, *lines]) for i in range(len(head))]
    return "\n".join("  ".join(str(c).ljust(w) for c, w in zip(row, width)).rstrip() for row in [head, *lines])
