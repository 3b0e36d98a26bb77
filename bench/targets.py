# SPDX-License-Identifier: GPL-2.0-only
"""The targets, and whether a run met them. A target is met by the median of the ratios of its rounds, to the two
decimals that are shown: where all have the device's own rate, the rest is noise."""
from collections import namedtuple
from statistics import median

WRITES = ("seq-write", "rand-write-qd8", "rand-write-qd32")
READS = ("seq-read", "rand-read-qd1", "rand-read-qd8", "rand-read-qd32")
SYNCED = ("fsync1", "fsync32", "fsync32-batch", "dsync", "sqlite-wal", "sqlite-delete", "small-files")
BOUND = ("ssd", "nvme", "hdd", "dev")
GCM, XTS = "gcm-journal", "xts"

# What, devices, works, field, {rival: limit}, whether the limit is the most
RATIOS = (
    ("write, device-bound", BOUND, WRITES, "rate", {GCM: 1.9, XTS: 0.93}, False),
    ("synced write, device-bound", BOUND, SYNCED, "rate", {GCM: 1.5, XTS: 0.8}, False),
    ("read, device-bound, warm sidecar", BOUND, READS, "rate", {GCM: 1.0, XTS: 0.97}, False),
    ("write, CPU-bound", ("cpu",), WRITES, "rate", {GCM: 1.3, XTS: 0.6}, False),
    ("read, CPU-bound", ("cpu",), READS, "rate", {GCM: 1.05, XTS: 0.6}, False),
    ("QD1 overwrite, mean latency", ("cpu", *BOUND), ("rand-write-qd1",), "lat_us", {GCM: 1.0, XTS: 1.5}, True),
)
# Device bytes per user byte, on these devices: {work: most}
BYTES = (("ssd", "dev"), {"seq-write": 1.03, "rand-write-qd32": 1.10, "fsync32": 1.3, "fsync32-batch": 1.3})
BYTES_TARGET = "device bytes per user byte"
TREE = 0.95
# Work: most of what, its unit
FIGURES = {
    "format-1tib": ("format of 1 TiB", 1.0, "s"), "memory-16tib-idle": ("memory of an idle 16 TiB volume", 64, "MiB"),
    "node-cache-of-bound": ("most nodes under load, of their bound", 1.0, ""),
}

# ceiling: what those without integrity reach, if it is less than the limit
Judged = namedtuple("Judged", "target device work measured limit met ceiling", defaults=(None,))


def ratios(mine, its, field="rate"):
    """Of a field, mine to its, round by round."""
    return [mine[k][field] / its[k][field] for k in sorted(mine) if k in its and its[k].get(field)]


def spread(values):
    if not values:
        return "-"
    return f"{median(values):.2f}" + (f" ({min(values):.2f}..{max(values):.2f})" if len(values) > 1 else "")


def by_work(result):
    out = {}
    for r in result["rows"]:
        out.setdefault((r["device"], r["work"]), {}).setdefault(r["rival"], {})[r["round"]] = r
    return out


def one(target, device, work, values, limit, most, unit=""):
    value = round(median(values), 2)
    met = value <= limit if most else value >= limit
    unit = unit and f" {unit}"
    return Judged(target, device, work, spread(values) + unit, f"{'≤' if most else '≥'} {limit:g}{unit}", met)


def ceiling(rivals, rival, limit):
    """The best of the bare device's and dm-crypt's ratio to a rival, or None if the limit is below."""
    its = rivals.get(rival, {})
    best = max((median(r) for r in (ratios(rivals.get(n, {}), its) for n in ("raw", XTS)) if r), default=limit)
    return best if round(best, 2) < limit else None


def judge(result):
    """[Judged], of all targets that the run says something about."""
    rows, out = by_work(result), []
    for what, devices, works, field, limits, most in RATIOS:
        for (device, work), rivals in rows.items():
            if device not in devices or work not in works or "inocrypt" not in rivals:
                continue
            for rival, limit in limits.items():
                values = ratios(rivals["inocrypt"], rivals.get(rival, {}), field)
                if values:
                    name = "gcm + journal" if rival == GCM else "xts"
                    j = one(f"{what}, to {name}", device, work, values, limit, most)
                    if rival == GCM and field == "rate":
                        j = j._replace(ceiling=ceiling(rivals, rival, limit))
                    out.append(j)
    devices, works = BYTES
    for (device, work), rivals in rows.items():
        mine = rivals.get("inocrypt", {})
        if device in devices and work in works and mine:
            # Of the rounds together: each ends with a checkpoint, which weighs more in a short one.
            values = [sum(r["write_bytes"] for r in mine.values()) / sum(r["write_user_bytes"] for r in mine.values())]
            out.append(one(BYTES_TARGET, device, work, values, works[work], True))
    for (device, work), rivals in rows.items():
        if work.startswith("tree-"):
            values = ratios(rivals.get("inocrypt", {}), rivals.get("inocrypt-no-tree", {}))
            if values:
                out.append(one("to the same without the tree's cryptography", device, work[5:], values, TREE, False))
        if work in FIGURES:
            what, limit, unit = FIGURES[work]
            values = [r["value"] for r in rivals["inocrypt"].values()]
            out.append(one(what, device, work, values, limit, True, unit))
    return out


def lines_of(judged):
    """As a table."""
    yield ["target", "device", "work", "measured", "wanted", ""]
    for j in judged:
        yield [j.target, j.device, j.work, j.measured, j.limit, "met" if j.met else "MISSED"]


def brief(judged):
    """As a shorter table, of medians: a line for each target and device, what is missed in bold, and whether no one
    could meet it."""
    yield ["target", "wanted", "device", "measured", ""]
    groups = {}
    for j in judged:
        groups.setdefault((j.target, j.device, "" if j.target == BYTES_TARGET else j.limit), []).append(j)
    for (target, device, limit), js in groups.items():
        cells = []
        for j in js:
            words = f"{j.work} {j.measured.split(' ')[0]}" + ("" if limit else f" ({j.limit})")
            cells.append(words if j.met else f"**{words}**" + (f" (without integrity {j.ceiling:.2f})" if j.ceiling else ""))
        missed = sum(not j.met for j in js)
        yield [target, limit, device, ", ".join(cells), f"missed ({missed} of {len(js)})" if missed else "met"]
