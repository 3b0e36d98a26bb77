#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Whether a device holds data, so that a bench may not write to it.

usage: holds_data.py DEV: says what is there and fails, or prints nothing.
"""
import os
import stat
import subprocess
import sys

EDGE = 1 << 20


def size_of(fd):
    return os.lseek(fd, 0, os.SEEK_END)


def edges(fd):
    """Its first and its last MiB, where whatever manages a disk leaves its mark."""
    size = size_of(fd)
    return os.pread(fd, EDGE, 0) + os.pread(fd, EDGE, max(0, size - EDGE))


def in_use(dev):
    """Why it can't be had, whatever it holds, or None: a mount, a partition that is mounted, a holder."""
    try:
        os.close(os.open(dev, os.O_RDWR | os.O_EXCL))
    except OSError as e:
        return e.strerror
    if not stat.S_ISBLK(os.stat(dev).st_mode):
        return None
    n = os.stat(dev).st_rdev
    at = f"/sys/dev/block/{os.major(n)}:{os.minor(n)}"
    for d in [at] + [f"{at}/{p}" for p in os.listdir(at) if os.path.exists(f"{at}/{p}/partition")]:
        holders = os.listdir(f"{d}/holders") if os.path.isdir(f"{d}/holders") else []
        if holders:
            return f"{os.path.basename(d)} is held by {', '.join(holders)}"
    return None


def holds_data(dev):
    """What it holds, in words, or None."""
    found = subprocess.run(["wipefs", "--no-act", "--noheadings", "--output", "TYPE,OFFSET", dev],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if found.returncode:
        return f"unknown: {found.stderr.decode(errors='replace').strip()}"
    kinds = [line.split()[0] for line in found.stdout.decode().splitlines() if line.split()]
    if kinds:
        return ", ".join(dict.fromkeys(kinds))
    fd = os.open(dev, os.O_RDONLY)
    try:
        return "something unknown in its first or last MiB" if edges(fd).strip(b"\0") else None
    finally:
        os.close(fd)


def clear_edges(dev):
    """So that the next bench finds nothing."""
    fd = os.open(dev, os.O_RDWR)
    try:
        size = size_of(fd)
        for at in 0, max(0, size - EDGE):
            os.pwrite(fd, bytes(min(EDGE, size)), at)
        os.fsync(fd)
    finally:
        os.close(fd)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    dev = sys.argv[1]
    why = in_use(dev)
    if why:
        sys.exit(f"{dev} is in use: {why}")
    what = holds_data(dev)
    if what:
        sys.exit(f"{dev} holds data: {what}")


if __name__ == "__main__":
    main()
