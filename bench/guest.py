#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What of the bench runs on the machine that has the device: sets the rivals up, has them work in turns.

usage: guest.py SETTINGS, in JSON: bench/run makes them. Leaves rows.jsonl in the directory that they name.
"""
import json
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
import extras
import files
import rivals
import works
from util import Failed, die, say


class Bench:
    """One device's part of the bench."""

    def __init__(self, settings):
        self.s = settings
        self.devs = [settings["backing"]] + ([settings["sidecar"]] if settings.get("sidecar") else [])
        self.rows = open(f"{settings['out']}/rows.jsonl", "a", encoding="ascii")  # pylint: disable=consider-using-with
        self.regions = rivals.Regions(settings["backing"], settings["region"])
        self.got, self.mounted = {}, {}
        self.done, self.began = 0, None

    def row(self, **fields):
        self.rows.write(json.dumps({"device": self.s["device"], **fields}) + "\n")
        self.rows.flush()

    def setup(self, names):
        """Rivals by name, each over its region, filled so far as will be read."""
        for n in names:
            sidecar = self.s.get("sidecar") if n == "inocrypt" else None
            r = self.got[n] = rivals.RIVALS[n](n, self.regions.new(), sidecar)
            r.setup()
            t = time.monotonic()
            works.fill(r, self.s["span"])
            t = time.monotonic() - t
            say(f"{self.s['device']}: {n} is set up, filled at {self.s['span'] / t:.0f} MiB/s")

    def rounds(self, kind, work, who, func):
        """Each of `who` in turn, in each round another one first."""
        self.began = self.began or time.monotonic()
        rates = {n: [] for n in who}
        for rnd in range(self.s["rounds"]):
            at = rnd % len(who)
            for n in who[at:] + who[:at]:
                figures = func(n)
                rates[n].append(figures["rate"])
                self.row(kind=kind, work=work, rival=n, round=rnd, **figures)
                self.done += 1
        med = ", ".join(f"{n} {sorted(v)[len(v) // 2]:.{0 if v[0] >= 10 else 2}f}" for n, v in rates.items())
        left = (time.monotonic() - self.began) / self.done * (self.s["todo"] - self.done)
        say(f"{self.s['device']} {self.done}/{self.s['todo']}, {left:.0f} s to go: {work}, per s: {med}")

    def warm_up(self):
        """Not measured: an emulated CPU is slow with code that it has not run yet."""
        for n, r in self.got.items():
            for work in "seq-write", "rand-write-qd32", "rand-read-qd32":
                works.run(r, self.devs, work, self.s["span"], 0.4)
        say(f"{self.s['device']}: warmed up")

    def block(self):
        for work, secs, who in self.s["block"]:
            self.rounds("block", work, who, lambda n: works.run(self.got[n], self.devs, work, self.s["span"], secs))
            if works.is_fresh(work) and "inocrypt" in who:
                works.fill(self.got["inocrypt"], self.s["span"])

    def files(self):
        """ext4 on the rivals that are there."""
        for n in [n for n in files.RIVALS if any(n in p[2] for p in self.s["files"])]:
            self.mounted[n] = files.Mounted(n, self.got[n], self.s["span"])
        for work, count, who in self.s["files"]:
            files.prepare(work, count)
            self.rounds("files", work, who, lambda n: files.run(self.mounted[n], self.devs, work, count))
        self.umount()

    def umount(self):
        while self.mounted:
            self.mounted.popitem()[1].close()

    def close(self):
        self.umount()
        while self.got:
            self.got.popitem()[1].close()
        self.regions.close()

    def run(self):
        wanted = {n for p in self.s["block"] + self.s["files"] for n in p[2]}
        try:
            self.setup([n for n in rivals.RIVALS if n in wanted])
            if self.s["warm_up"] and self.s["block"]:
                self.warm_up()
            self.block()
            if self.s["files"]:
                self.files()
            if "inocrypt" in self.got:
                self.got["inocrypt"].judge()
        finally:
            # On a real machine nothing may stay behind.
            self.close()
        if self.s.get("tree"):
            extras.tree(self, self.s, self.devs)
        if self.s.get("extras"):
            say(f"{self.s['device']}: time to format, memory")
            extras.formatting(self, 3)
            extras.memory(self, 3)
        if self.s.get("cold"):
            say(f"{self.s['device']}: reads on a large device, nothing in memory")
            extras.cold(self, self.s)


def main():
    settings = json.loads(sys.argv[1])
    if settings.get("memory"):
        settings["backing"] = extras.memory_disk("bench", settings["memory"])
    if settings.get("no_tree"):
        settings["no_tree"] = f"{os.environ['INOCRYPT_BUILD']}/{settings['no_tree']}"
    try:
        Bench(settings).run()
    except Failed as e:
        die(e)


main()
