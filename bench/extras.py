# SPDX-License-Identifier: GPL-2.0-only
"""What isn't throughput: how long formatting takes, how much memory a large volume holds, reads that find no
metadata in memory, and what the tree's cryptography costs."""
import json
import os
import random
import re
import threading
import time

import rivals
import works
from counters import Meter
from util import Failed, say, sh

TIB_MIB = 1 << 20


def memory_disk(name, mib):
    """A null_blk device of so many MiB that remembers; memory is taken as it is written."""
    base = f"/sys/kernel/config/nullb/{name}"
    if not os.path.isdir("/sys/module/null_blk"):
        sh("modprobe", "null_blk", "nr_devices=0")
    if not os.path.isdir(os.path.dirname(base)):
        sh("mount", "-t", "configfs", "configfs", "/sys/kernel/config")
    before = set(os.listdir("/sys/block"))
    os.mkdir(base)
    for k, v in ("size", mib), ("blocksize", 4096), ("memory_backed", 1), ("irqmode", 0), ("completion_nsec", 0), \
                ("submit_queues", os.cpu_count()), ("discard", 1), ("power", 1):
        with open(f"{base}/{k}", "w", encoding="ascii") as f:
            f.write(str(v))
    return "/dev/" + (set(os.listdir("/sys/block")) - before).pop()


def remove_memory_disk(name):
    os.rmdir(f"/sys/kernel/config/nullb/{name}")


def available():
    """MiB of memory that could be had."""
    with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as f:
        f.write("3")
    with open("/proc/meminfo", encoding="ascii") as f:
        return int(re.search(r"MemAvailable: *(\d+)", f.read()).group(1)) / 1024


def timed(func):
    t = time.monotonic()
    func()
    return time.monotonic() - t


def formatting(bench, rounds):
    """Seconds to format 1 TiB, and to wipe a GiB as dm-integrity has to."""
    dev = memory_disk("tib", TIB_MIB)
    try:
        vol = rivals.Inocrypt("tib", dev)
        for rnd in range(rounds):
            bench.row(kind="figure", work="format-1tib", rival="inocrypt", round=rnd, value=timed(vol.format), unit="s")
    finally:
        remove_memory_disk("tib")
    mib = 96
    dev = memory_disk("wipe", mib)
    try:
        gcm = rivals.Gcm("wipe", dev)
        for rnd in range(rounds):
            secs = timed(lambda: gcm.format(wipe=True)) - timed(gcm.format)
            # 16 MiB of it are the LUKS header.
            bench.row(kind="figure", work="wipe-gib", rival="gcm-journal", round=rnd, value=secs * 1024 / (mib - 16),
                      unit="s/GiB")
    finally:
        remove_memory_disk("wipe")


class Watch(threading.Thread):
    """Looks at the node cache while others work."""

    def __init__(self, vol):
        super().__init__(daemon=True)
        self.vol, self.stop, self.most, self.bound, self.looks = vol, threading.Event(), 0, 0, 0

    def run(self):
        while not self.stop.wait(0.1):
            s = self.vol.status()
            self.most, self.bound = max(self.most, int(s["nodes"])), int(s["nodes_max"])
            self.looks += 1


def memory(bench, rounds):
    """What an open volume of 16 TiB takes, and whether the node cache keeps its bound under load."""
    dev = memory_disk("tib16", 16 * TIB_MIB)
    try:
        vol = rivals.Inocrypt("tib16", dev)
        bench.row(kind="figure", work="format-16tib", rival="inocrypt", round=0, value=timed(vol.format), unit="s")
        for rnd in range(rounds):
            before = available()
            vol.open()
            time.sleep(1)
            bench.row(kind="figure", work="memory-16tib-idle", rival="inocrypt", round=rnd, value=before - available(),
                      unit="MiB")
            vol.close()
        vol.open_args = ("--cache-size", "8M")
        for rnd in range(rounds):
            vol.open()
            watch = Watch(vol)
            watch.start()
            for rw in "randwrite", "randrw":
                sh("fio", "--name=m", f"--filename={vol.dev}", f"--rw={rw}", "--bs=4k", "--direct=1", "--ioengine=libaio",
                   "--iodepth=32", "--norandommap", "--randrepeat=0", works.runtime(1.5), "--time_based", "--thread",
                   "--allow_file_create=0")
            watch.stop.set()
            watch.join()
            if not watch.looks:
                raise Failed("the node cache was not looked at")
            bench.row(kind="figure", work="node-cache-of-bound", rival="inocrypt", round=rnd,
                      value=watch.most / watch.bound, unit="", nodes=watch.most, nodes_max=watch.bound)
            vol.judge()
            vol.close()
    finally:
        remove_memory_disk("tib16")


def replay(dev, rw, offsets, depth):
    """4 KiB requests at these places, in this order; the job's results."""
    log = "/tmp/bench.iolog"
    with open(log, "w", encoding="ascii") as f:
        f.write(f"fio version 2 iolog\n{dev} add\n{dev} open\n")
        f.writelines(f"{dev} {rw} {o} 4096\n" for o in offsets)
        f.write(f"{dev} close\n")
    out = sh("fio", "--name=r", f"--read_iolog={log}", "--replay_no_stall=1", "--direct=1", "--ioengine=libaio",
             f"--iodepth={depth}", "--thread", "--output-format=json", "--percentile_list=99")
    job = json.loads(out[out.index("{"):])["jobs"][0]
    if job["error"] or job[rw]["total_ios"] != len(offsets):
        raise Failed(f"fio replay on {dev}: error {job['error']}, {job[rw]['total_ios']} of {len(offsets)}")
    return job[rw]


def cold(bench, settings):
    """Random reads all over a large device, where every record has to be read first."""
    mib, rounds = settings["cold_mib"], settings["rounds"]
    regions = rivals.Regions(settings["cold_backing"], mib)
    depths, counts = (1, 32), {1: 200, 32: 500}
    rng = random.Random(1)
    # Room for what a rival keeps for itself.
    places = rng.sample(range((mib - mib // 16) * 256), sum(counts.values()) * rounds)
    got = {}
    for n in settings["cold"]:
        r = got[n] = rivals.RIVALS[n](n, regions.new())
        r.setup()
        replay(r.dev, "write", [p * 4096 for p in places], 32)
        works.flush(r.dev)
        r.close()
    at = 0
    for rnd in range(rounds):
        mine = {}
        for d in depths:
            mine[d], at = [p * 4096 for p in places[at:at + counts[d]]], at + counts[d]
        for n, r in got.items():
            r.open()
            for d in depths:
                meter = Meter([settings["cold_backing"]])
                f = replay(r.dev, "read", mine[d], d)
                secs = f["runtime"] / 1000
                bench.row(kind="cold", work=f"cold-read-qd{d}", rival=n, round=rnd, secs=secs, ops=f["total_ios"],
                          bytes=f["io_bytes"], rate=f["total_ios"] / secs, mib_s=f["io_bytes"] / secs / (1 << 20),
                          lat_us=round(f["lat_ns"]["mean"] / 1000, 1),
                          p99_us=round(f["clat_ns"]["percentile"]["99.000000"] / 1000, 1), **meter.so_far())
            r.close()
    regions.close()


def tree(bench, settings, devs):
    """The same work with the tree's cryptography and without it, in turns: only the module differs."""
    regions = rivals.Regions(settings["backing"], settings["region"])
    lower = regions.new()
    sh("modprobe", "dm-inocrypt")
    modules = {"inocrypt": None, "inocrypt-no-tree": settings["no_tree"]}
    for rnd in range(min(settings["rounds"], 3)):
        names = list(modules)
        for name in names if rnd % 2 == 0 else reversed(names):
            # Not modprobe -r: that takes the ciphers' modules away, too, and insmod doesn't bring them back.
            sh("rmmod", "dm-inocrypt")
            sh(*(("insmod", modules[name]) if modules[name] else ("modprobe", "dm-inocrypt")))
            r = rivals.Inocrypt(name, lower)
            r.setup()
            works.fill(r, settings["span"])
            for work, secs in settings["tree"]:
                f = works.run(r, devs, work, settings["span"], secs)
                bench.row(kind="tree", work=f"tree-{work}", rival=name, round=rnd, **f)
            r.judge()
            r.close()
        say(f"{settings['device']}: with and without the tree's cryptography, round {rnd + 1}")
    regions.close()
    sh("rmmod", "dm-inocrypt")
