# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel counts: processor time, and what reached the backing devices."""
import os

from util import sysfs

TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds():
    """Processor time that was used, of all CPUs."""
    with open("/proc/stat", encoding="ascii") as f:
        v = [int(x) for x in f.readline().split()[1:]]
    # user nice system idle iowait irq softirq steal
    return (v[0] + v[1] + v[2] + v[5] + v[6]) / TICK


def device(devs):
    """Requests, bytes and flushes that the devices have had, as a dict."""
    got = dict.fromkeys(("read_reqs", "read_bytes", "write_reqs", "write_bytes", "flushes"), 0)
    for d in devs:
        with open(f"{sysfs(d)}/stat", encoding="ascii") as f:
            v = [int(x) for x in f.read().split()]
        got["read_reqs"] += v[0]
        got["read_bytes"] += v[2] * 512
        got["write_reqs"] += v[4]
        got["write_bytes"] += v[6] * 512
        got["flushes"] += v[15] if len(v) > 15 else 0
    return got


class Meter:
    """Both, from when it is made."""

    def __init__(self, devs):
        self.devs = devs
        self.cpu, self.dev = cpu_seconds(), device(devs)

    def so_far(self):
        now = device(self.devs)
        return {"cpu_s": round(cpu_seconds() - self.cpu, 3), **{k: now[k] - self.dev[k] for k in now}}
