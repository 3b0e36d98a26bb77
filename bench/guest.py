#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What of the bench runs on the machine that has the device: sets the rivals up, has them work in turns.

usage: guest.py SETTINGS.json: see settings() in bench/run. Leaves rows.jsonl in its directory "out".
"""
import json
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
import rivals
import works
from util import Failed, die, say, sh


class Bench:
    """One device's part of the bench."""

    def __init__(self, settings):
        self.s = settings
        self.devs = [settings["backing"]] + ([settings["sidecar"]] if settings.get("sidecar") else [])
        self.rows = open(f"{settings['out']}/rows.jsonl", "a", encoding="ascii")  # pylint: disable=consider-using-with
        self.todo = self.done = 0

    def row(self, **fields):
        self.rows.write(json.dumps({"device": self.s["device"], **fields}) + "\n")
        self.rows.flush()

    def setup(self, names):
        """Rivals by name, each over its region, filled."""
        self.regions = rivals.Regions(self.s["backing"], self.s["region"])
        got = {}
        for n in names:
            r = rivals.RIVALS[n](n, self.regions.new(), self.s.get("sidecar") if n == "inocrypt" else None)
            r.setup()
            t = time.monotonic()
            works.fill(r, self.s["span"])
            t = time.monotonic() - t
            say(f"{self.s['device']}: {n} is set up, filled at {self.s['span'] / t:.0f} MiB/s")
            got[n] = r
        return got

    def block(self):
        """Block works: [[work, seconds, [rivals]], ...]; in each round all rivals in turn."""
        plan = self.s["works"]
        names = [n for n in rivals.RIVALS if any(n in p[2] for p in plan)]
        todo = sum(len(p[2]) for p in plan) * self.s["rounds"]
        got = self.setup(names)
        done = 0
        for work, secs, who in plan:
            rates = {n: [] for n in who}
            for rnd in range(self.s["rounds"]):
                # Nobody is always first.
                turn = who[rnd % len(who):] + who[:rnd % len(who)]
                for n in turn:
                    f = works.run(got[n], self.devs, work, self.s["span"], secs)
                    rates[n].append(f["rate"])
                    self.row(kind="block", work=work, rival=n, round=rnd, **f)
                    done += 1
                if works.is_fresh(work) and "inocrypt" in who:
                    works.fill(got["inocrypt"], self.s["span"])
            med = {n: sorted(v)[len(v) // 2] for n, v in rates.items()}
            say(f"{self.s['device']} {done}/{todo} {work}: " + ", ".join(f"{n} {m:.0f}/s" for n, m in med.items()))
        for n in reversed(names):
            if n == "inocrypt":
                got[n].judge()
            got[n].close()
        self.regions.close()


def memory_disk(mib):
    """A null_blk device of so many MiB that remembers."""
    sh("modprobe", "null_blk", "nr_devices=0")
    base = "/sys/kernel/config/nullb/bench"
    if not os.path.isdir("/sys/kernel/config/nullb"):
        sh("mount", "-t", "configfs", "configfs", "/sys/kernel/config")
    os.mkdir(base)
    for k, v in ("size", mib), ("blocksize", 4096), ("memory_backed", 1), ("irqmode", 0), ("completion_nsec", 0), \
                ("submit_queues", os.cpu_count()), ("discard", 1), ("power", 1):
        with open(f"{base}/{k}", "w", encoding="ascii") as f:
            f.write(str(v))
    return "/dev/nullb0" if os.path.exists("/dev/nullb0") else "/dev/bench"


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        settings = json.load(f)
    if settings.get("memory"):
        settings["backing"] = memory_disk(settings["memory"])
    try:
        Bench(settings).block()
    except Failed as e:
        die(e)


main()
