# SPDX-License-Identifier: GPL-2.0-only
"""Work on ext4 over each rival: in four directories, with fscrypt and inocrypt under four keys."""
import atexit
import functools
import json
import os
import shutil
import tempfile
import time

import fscrypt
import works
from counters import Meter
from rivals import key_file
from util import Failed, sh

KEYS = 4
# How much of each, where CPUs are emulated and where they are not.
COUNTS = {
    "small-files": (60, 10000), "sqlite-wal": (100, 20000), "sqlite-delete": (30, 5000), "compile": (4, 200),
    "files-write": (1.5, 5), "files-read": (1.5, 5),
}
RIVALS = ("raw", "fscrypt", "xts", "gcm-journal", "inocrypt")
SYNCED = ("small-files", "sqlite-wal", "sqlite-delete")


@functools.cache
def scratch():
    """A directory that goes at the end."""
    path = tempfile.mkdtemp(prefix="bench.")
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


class Mounted:
    """ext4 on a rival, and directories dirs[] in it."""

    def __init__(self, name, rival, mib):
        self.name, self.rival, self.mib = name, rival, mib
        self.mnt = f"/mnt/bench-{name}"
        features = ("-O", "encrypt") if name == "fscrypt" else ()
        sh("mkfs.ext4", "-q", "-F", "-b", 4096, "-N", 16384, "-E", "lazy_itable_init=0,lazy_journal_init=0", *features,
           rival.dev, f"{mib}M")
        os.makedirs(self.mnt, exist_ok=True)
        sh("mount", "-t", "ext4", rival.dev, self.mnt)
        self.dirs = [f"{self.mnt}/{i}" for i in range(KEYS)]
        for i, d in enumerate(self.dirs):
            os.mkdir(d)
            if name == "fscrypt":
                fscrypt.set_policy(d, fscrypt.add_key(self.mnt))
            elif name == "inocrypt":
                said = sh("inocrypt", "key", "add", rival.dm, "-k", key_file(f"mk{i}"))
                sh("inocrypt", "policy", "set", d, next(w for w in said.split() if len(w) == 32))

    def settle(self):
        fd = os.open(self.mnt, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)
        os.sync()
        self.rival.settle()

    def close(self):
        sh("umount", self.mnt)


@functools.cache
def make_tree(count):
    """A tar of C files with headers that include each other, and a Makefile; its name."""
    tree = f"{scratch()}/tree"
    os.makedirs(tree)
    for i in range(count):
        before = f'#include "h{i - 1}.h"\n' if i % 8 else ""
        with open(f"{tree}/h{i}.h", "w", encoding="ascii") as f:
            f.write(f"#ifndef H{i}\n#define H{i}\n{before}unsigned g{i}(unsigned x);\n")
            for k in range(8):
                f.write(f"static inline unsigned f{i}_{k}(unsigned x) {{ return x * {i * 8 + k + 3}u ^ x >> {k + 1}; }}\n")
            f.write("#endif\n")
        calls = "".join(f"\tx += table[f{i}_{k}(x) % 200];\n" for k in range(8))
        table = ",".join(str(i + 3 * k) for k in range(200))
        with open(f"{tree}/g{i}.c", "w", encoding="ascii") as f:
            f.write(f'#include "h{i}.h"\nstatic const unsigned table[] = {{ {table} }};\n'
                    f"unsigned g{i}(unsigned x)\n{{\n{calls}\treturn x;\n}}\n")
    for i in range(count * 50):
        with open(f"{tree}/data{i}", "w", encoding="ascii") as f:
            f.write(f"{i} " * 500)
    with open(f"{tree}/Makefile", "w", encoding="ascii") as f:
        f.write("O := $(patsubst %.c,%.o,$(wildcard *.c))\nCFLAGS := -O1 -pipe\nall: $(O)\n")
    sh("tar", "-C", scratch(), "-cf", f"{tree}.tar", "tree")
    return f"{tree}.tar"


def compile_tree(work, count):
    """Unpacked, compiled by two jobs, deleted, and all of it on the disk."""
    sh("tar", "-C", work, "-xf", make_tree(count))
    sh("make", "-s", "-j2", "-C", f"{work}/tree")
    shutil.rmtree(f"{work}/tree")
    fd = os.open(work, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
    os.sync()


def fio_files(mounted, rw, secs):
    """Random 4 KiB, direct, on four files under four keys; the job's results."""
    names, size = [f"{d}/fio" for d in mounted.dirs], f"--size={mounted.mib // 12 * 4}M"
    if not os.path.exists(names[0]):
        sh("fio", "--name=f", f"--filename={':'.join(names)}", size, "--rw=write", "--bs=1M", "--direct=1",
           "--end_fsync=1", "--thread")
        mounted.settle()
    out = sh("fio", "--name=f", f"--filename={':'.join(names)}", size, f"--rw={rw}", "--bs=4k", "--direct=1",
             "--ioengine=libaio", "--iodepth=16", "--norandommap", "--randrepeat=0", works.runtime(secs), "--time_based",
             "--output-format=json", "--thread", "--allow_file_create=0")
    job = json.loads(out[out.index("{"):])["jobs"][0]
    if job["error"]:
        raise Failed(f"fio on the files of {mounted.name}: error {job['error']}")
    return job["read" if rw == "randread" else "write"]


def prepare(work, count):
    """Also has the programs in memory."""
    if work == "compile":
        compile_tree(scratch(), count)
    elif work.startswith("sqlite-"):
        sh("dbload", "wal", 1, f"{scratch()}/{work}.db")


def run(mounted, devs, work, count):
    """One work: a dict of figures. Its rate is of files, transactions, requests, or runs, a second."""
    at = f"{mounted.dirs[0]}/{work}"
    if not work.startswith("files-"):
        os.mkdir(at)
    mounted.settle()
    meter = Meter(devs)
    t0 = time.monotonic()
    ops, size = count, 0
    if work == "small-files":
        sh("fsyncloop", "create", count, at)
        secs, size = time.monotonic() - t0, count * 4096
    elif work.startswith("sqlite-"):
        secs = float(sh("dbload", work.removeprefix("sqlite-"), count, f"{at}/db"))
    elif work == "compile":
        compile_tree(at, count)
        secs, ops = time.monotonic() - t0, 1
    else:
        f = fio_files(mounted, "randread" if work == "files-read" else "randwrite", count)
        secs, ops, size = f["runtime"] / 1000, f["total_ios"], f["io_bytes"]
    t1 = time.monotonic()
    mounted.settle()
    out = {"secs": round(secs, 4), "settle_s": round(time.monotonic() - t1, 4), "ops": ops, "bytes": size,
           "syncs": ops if work in SYNCED else 0, "rate": ops / secs, "lat_us": round(secs / ops * 1e6, 1),
           **meter.so_far()}
    if not work.startswith("files-"):
        shutil.rmtree(at)
    return out
