#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# bench-modeldisk.sh - the bench's model disk takes the time it says, and keeps what it is given.
# Never faster; slower only by what a busy machine adds, so for that it has five tries.
# alone
# timeout: 60
set -euo pipefail
tmp=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$tmp"' EXIT
bin=${INOCRYPT_BUILD:-build}/tests/modeldisk

# disk NAME ARGS...: a disk of 64 MiB that is served at $tmp/NAME
disk()
{
	local name=$1

	shift
	truncate -s 64M "$tmp/$name.img"
	"$bin" -S "$tmp/$name" -F "$tmp/$name.img" "$@" &
}
disk pipe -i 2000 -b 40 -r 2000 -l 1000 -f 8
disk through -i 2000 -b 40 -l 1000 -f 8 -w
disk arm -b 30 -s 7 -l 100 -c 64
disk arm-through -b 30 -s 7 -w
sleep 0.3

/usr/bin/python3 - "$tmp" <<'END'
import os
import random
import socket
import struct
import sys
import time

READ, WRITE, FLUSH = 0, 1, 3
K4 = 4096
bad, late = [], []


class Disk:
    """An NBD client."""

    def __init__(self, name):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.connect(f"{sys.argv[1]}/{name}")
        assert struct.unpack(">QQQ", self.get(152)[:24])[2] == 64 << 20
        self.lens = {}

    def get(self, n):
        out = b""
        while len(out) < n:
            more = self.s.recv(n - len(out))
            assert more, "the server went away"
            out += more
        return out

    def send(self, what, off=0, size=0, data=b""):
        h = len(self.lens)
        self.lens[h] = size if what == READ else 0
        self.s.sendall(struct.pack(">IHHQQI", 0x25609513, 0, what, h, off, len(data) or size) + data)

    def answer(self):
        magic, error, h = struct.unpack(">IIQ", self.get(16))
        assert (magic, error) == (0x67446698, 0)
        return self.get(self.lens[h])

    def run(self, requests, depth=1):
        """Have these done; the seconds it took."""
        t, open_ = time.monotonic(), 0
        for r in requests:
            self.send(*r)
            open_ += 1
            if open_ == depth:
                self.answer()
                open_ -= 1
        for _ in range(open_):
            self.answer()
        return time.monotonic() - t


def wants(what, secs, least, most):
    said = "BAD" if secs < least else "LATE" if secs > most else "ok"
    print(f"{said:4} {what}: {secs * 1000:.1f} ms, {least * 1000:.1f} to {most * 1000:.1f}")
    if secs < least:
        bad.append(what)
    if secs > most:
        late.append(what)


def writes(offsets, size=K4):
    return [(WRITE, o, 0, os.urandom(size)) for o in offsets]


rng = random.Random(1)
some = [o * K4 for o in rng.sample(range(16384), 200)]
flush = [(FLUSH,)]


def attempt():
    d = Disk("pipe")
    wants("200 writes at depth 32, 2000 a second", d.run(writes(some), 32), 0.0995, 0.25)
    wants("a flush", d.run(flush), 0.0079, 0.03)
    wants("one with nothing to do", d.run(flush), 0, 0.004)
    wants("20 writes, one by one, 1.5 ms each", d.run(writes(some[:20])), 0.0295, 0.08)
    wants("20 reads, one by one, 2.5 ms each", d.run([(READ, o, K4) for o in some[:20]]), 0.0495, 0.12)
    wants("8 MiB at 40 MB/s", d.run(writes([i << 20 for i in range(8)], 1 << 20), 8), 0.209, 0.5)
    data = os.urandom(K4)
    d.send(WRITE, some[7], 0, data)
    d.answer()
    d.send(READ, some[7], K4)
    if d.answer() != data:
        bad.append("what was written is not what is read")

    d = Disk("through")
    wants("20 writes without a cache", d.run(writes(some[:20])), 0.0295, 0.08)
    wants("a flush then", d.run(flush), 0, 0.004)

    d = Disk("arm")
    wants("8 scattered writes to the cache", d.run(writes(some[:8])), 0, 0.02)
    wants("a flush of them, a seek each", d.run(flush), 0.03, 0.15)
    wants("8 scattered reads, a seek each", d.run([(READ, o, K4) for o in some[8:16]]), 0.0485, 0.15)
    wants("20 reads in a row", d.run([(READ, (40 << 20) + i * K4, K4) for i in range(20)]), 0.007, 0.05)
    wants("40 scattered writes, more than the cache has room for", d.run(writes(some[:40]), 32), 0.09, 0.5)
    d.run(flush)

    d = Disk("arm-through")
    wants("8 scattered writes without a cache", d.run(writes(some[:8])), 0.0485, 0.15)
    wants("a flush then", d.run(flush), 0, 0.004)


# Too late is the machine's doing, if it is busy, and then what follows may be off, too.
for _ in range(5):
    bad.clear()
    late.clear()
    attempt()
    if not late:
        break
if late and not bad:
    print(f"the machine is too busy to tell: {', '.join(late)}")
    sys.exit(77)
sys.exit(f"FAIL: {', '.join(bad)}" if bad else 0)
END
