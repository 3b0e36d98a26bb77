# SPDX-License-Identifier: GPL-2.0-only
"""Plots in SVG, by hand: inocrypt's rate to its rivals', and what a write costs at the device."""
from html import escape
from math import log2
from statistics import median

from targets import by_work, ratios

INK, GRID, PAPER = "#222", "#ddd", "#fff"
COLOURS = {
    "raw": "#999999", "xts": "#e07b00", "gcm-journal": "#1f5fa8", "gcm-nojournal": "#7fb2e5", "hmac-bitmap": "#8a5bb5",
    "fscrypt": "#b8a000", "inocrypt": "#1a8a3a",
}
LABELS = {
    "raw": "raw", "xts": "dm-crypt aes-xts", "gcm-journal": "dm-crypt gcm + dm-integrity journal",
    "gcm-nojournal": "gcm, no journal", "hmac-bitmap": "xts + hmac bitmap", "fscrypt": "fscrypt", "inocrypt": "inocrypt",
}


def text(x, y, words, anchor="start", size=12, weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" '
            f'fill="{INK}">{escape(words)}</text>')


def line(x1, y1, x2, y2, colour=GRID, width=1.0):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"/>'


def page(width, height, parts):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
            f'font-family="sans-serif">\n<rect width="{width}" height="{height}" fill="{PAPER}"/>\n'
            + "\n".join(parts) + "\n</svg>\n")


class Scale:
    """A logarithmic one from `low` to `high`, both powers of 2."""

    def __init__(self, low, high, left, right):
        self.low, self.high, self.left, self.right = low, high, left, right

    def x(self, value):
        value = min(max(value, self.low), self.high)
        return self.left + (self.right - self.left) * log2(value / self.low) / log2(self.high / self.low)

    def grid(self, top, bottom):
        out, v = [], self.low
        while v <= self.high:
            out.append(line(self.x(v), top, self.x(v), bottom, INK if v == 1 else GRID, 1.2 if v == 1 else 1))
            out.append(text(self.x(v), bottom + 15, f"{v:g}", "middle", 11))
            v *= 2
        return out


def legend(names, x, y):
    out = []
    for n in names:
        out.append(f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{COLOURS[n]}"/>')
        out.append(text(x + 15, y, LABELS[n]))
        x += 40 + 7 * len(LABELS[n])
    return out


def throughput(result):
    """A line for each work: medians as dots, lowest to highest round as bars."""
    against = ("gcm-journal", "xts")
    works = [(k, r) for k, r in by_work(result).items() if "inocrypt" in r and "gcm-journal" in r]
    if not works:
        return None
    width, left, top, step = 900, 230, 78, 19
    scale = Scale(0.125, 8, left, width - 30)
    devices = len({k[0] for k, _ in works})
    bottom = top + step * (len(works) + devices)
    out = [text(20, 26, "inocrypt's rate, as a multiple of its rival's", size=16, weight="bold"),
           text(20, 44, "dot: median of the rounds; bar: lowest to highest; right of 1 is faster; logarithmic", size=11)]
    out += legend(against, 20, 64)
    out += scale.grid(top - 6, bottom)
    y, device = top, None
    for (dev, work), rivals in works:
        if dev != device:
            device = dev
            y += step
            out.append(text(20, y - 5, dev, weight="bold", size=13))
        y += step
        out.append(text(left - 8, y - 5, work, "end"))
        for i, rival in enumerate(against):
            v = ratios(rivals["inocrypt"], rivals.get(rival, {}))
            if v:
                at = y - 12 + 6 * i
                out.append(line(scale.x(min(v)), at, scale.x(max(v)), at, COLOURS[rival], 3))
                out.append(f'<circle cx="{scale.x(median(v)):.1f}" cy="{at}" r="4" fill="{COLOURS[rival]}"/>')
    return page(width, bottom + 30, out)


def write_cost(result):
    """Bars: bytes at the device for each byte written."""
    rows, device = by_work(result), "dev" if "dev" in result["models"] else "ssd"
    wanted = ("seq-write", "rand-write-qd32", "fsync32-batch", "fsync32", "fsync1", "dsync")
    groups = [(w, rows[device, w]) for w in wanted if (device, w) in rows]
    if not groups:
        return None
    width, left, top, step = 900, 130, 78, 17
    bottom = top + sum(len(r) * step + 14 for _, r in groups)
    scale = Scale(1, 64, left, width - 60)
    names = [n for n in COLOURS if any(n in r for _, r in groups)]
    out = [text(20, 26, "bytes written to the device for each byte that was written", size=16, weight="bold"),
           text(20, 44, f"{device}, 4 KiB sectors, overwriting; what was put off is included; logarithmic", size=11)]
    out += legend(names, 20, 64) + scale.grid(top - 6, bottom)
    y = top
    for work, rivals in groups:
        out.append(text(left - 8, y + len(rivals) * step / 2 + 4, work, "end"))
        for n in [n for n in names if n in rivals]:
            rounds = rivals[n].values()
            user = sum(r["write_user_bytes"] for r in rounds)
            v = sum(r["write_bytes"] for r in rounds) / user if user else 1
            out.append(f'<rect x="{left}" y="{y + 2}" width="{max(scale.x(v) - left, 1):.1f}" height="{step - 4}" '
                       f'fill="{COLOURS[n]}"/>')
            out.append(text(scale.x(v) + 5, y + step - 4, f"{v:.2f}", size=11))
            y += step
        y += 14
    return page(width, bottom + 30, out)


def all_of(result):
    """{name: SVG} of those that the run has figures for."""
    got = {"throughput": throughput(result), "write-cost": write_cost(result)}
    return {k: v for k, v in got.items() if v}
