# SPDX-License-Identifier: GPL-2.0-only
"""Work on a block device, done by fio: direct I/O over a span that has been written before."""
import json
import os
import time

from counters import Meter
from util import Failed, sh

RAND4K = ("--bs=4k", "--norandommap", "--randrepeat=0")
WORKS = {
    "seq-write": ("--rw=write", "--bs=1M", "--iodepth=8"),
    "seq-read": ("--rw=read", "--bs=1M", "--iodepth=8"),
    "rand-write-qd1": ("--rw=randwrite", *RAND4K, "--iodepth=1"),
    "rand-write-qd8": ("--rw=randwrite", *RAND4K, "--iodepth=8"),
    "rand-write-qd32": ("--rw=randwrite", *RAND4K, "--iodepth=32"),
    "rand-read-qd1": ("--rw=randread", *RAND4K, "--iodepth=1"),
    "rand-read-qd8": ("--rw=randread", *RAND4K, "--iodepth=8"),
    "rand-read-qd32": ("--rw=randread", *RAND4K, "--iodepth=32"),
    "mixed-qd32": ("--rw=randrw", "--rwmixread=70", *RAND4K, "--iodepth=32"),
    # As an application does: write, sync, write.
    "fsync1": ("--rw=randwrite", *RAND4K, "--ioengine=psync", "--fsync=1"),
    "fsync32": ("--rw=randwrite", *RAND4K, "--ioengine=psync", "--fsync=32"),
    "dsync": ("--rw=randwrite", *RAND4K, "--ioengine=psync", "--sync=dsync"),
    # 32 at once, then a sync: a database's checkpoint.
    "fsync32-batch": ("--rw=randwrite", *RAND4K, "--iodepth=32", "--iodepth_batch=32",
                      "--iodepth_batch_complete_min=32", "--fsync=32"),
    # To sectors that hold nothing, which is where new file data goes: discarded before.
    "fresh-seq-write": ("--rw=write", "--bs=1M", "--iodepth=8"),
    "fresh-rand-write": ("--rw=randwrite", "--bs=4k", "--randrepeat=0", "--iodepth=32"),
}


def is_fresh(work):
    return work.startswith("fresh-")


def runtime(secs):
    """fio's option; 1.5 would be 1 to it."""
    return f"--runtime={round(secs * 1000)}ms"


def fio(dev, span, secs, args):
    """Run fio; its only job's results."""
    out = sh("fio", "--name=b", f"--filename={dev}", f"--size={span}M", "--direct=1", "--ioengine=libaio",
             runtime(secs), "--time_based", "--output-format=json", "--allow_file_create=0", "--thread",
             "--percentile_list=99", *args)
    return json.loads(out[out.index("{"):])["jobs"][0]


def flush(dev):
    fd = os.open(dev, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def fill(rival, span):
    """Write all of the span once, so that the work overwrites."""
    sh("fio", "--name=f", f"--filename={rival.dev}", f"--size={span}M", "--direct=1", "--ioengine=libaio", "--rw=write",
       "--bs=1M", "--iodepth=8", "--thread", "--allow_file_create=0")
    flush(rival.dev)
    rival.settle()


def run(rival, devs, work, span, secs):
    """One work on one rival: a dict of figures.

    The rate counts a flush at the end. What was put off beyond that (a journal, a checkpoint) is then written
    too, before the device's counters and the processor time are taken; how long that takes is in settle_s.
    """
    args = list(WORKS[work])
    if is_fresh(work):
        if rival.name == "inocrypt":
            sh("blkdiscard", "-f", "-l", span << 20, rival.dev)
            rival.settle()
        # Each block once: not longer than the span.
        args.append("--time_based=0")
    meter = Meter(devs)
    job = fio(rival.dev, span, secs, args)
    sides = [job[d] for d in ("read", "write") if job[d]["total_ios"]]
    if job["error"] or not sides:
        raise Failed(f"fio {work} on {rival.name}: error {job['error']}")
    t0 = time.monotonic()
    if job["write"]["total_ios"]:
        flush(rival.dev)
    t1 = time.monotonic()
    if job["write"]["total_ios"]:
        rival.settle()
    t2 = time.monotonic()
    secs = max(s["runtime"] for s in sides) / 1000 + t1 - t0
    ops = sum(s["total_ios"] for s in sides)
    size = sum(s["io_bytes"] for s in sides)
    lat = [s["lat_ns"]["mean"] * s["total_ios"] for s in sides]
    if job["sync"]["total_ios"]:
        # A write that is synced is done when the sync is.
        lat.append(job["sync"]["lat_ns"]["mean"] * job["sync"]["total_ios"])
    p99 = max(s["clat_ns"].get("percentile", {}).get("99.000000", 0) for s in sides)
    return {
        "secs": round(secs, 4), "settle_s": round(t2 - t1, 4), "ops": ops, "bytes": size,
        "write_user_bytes": job["write"]["io_bytes"], "syncs": ops if work == "dsync" else job["sync"]["total_ios"],
        "rate": ops / secs, "mib_s": size / secs / (1 << 20),
        "lat_us": round(sum(lat) / ops / 1000, 1), "p99_us": round(p99 / 1000, 1), **meter.so_far(),
    }
