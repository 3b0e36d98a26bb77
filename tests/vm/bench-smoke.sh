#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# bench-smoke.sh - the bench on a real device, as far as that is one: refused if the device holds data
# or is in use; else rivals are set up, do work of both kinds and leave nothing behind, and the
# figures make a report. What they are means nothing here.
# vm: --disk d:256M:flush=off --disk side:32M:flush=off --timeout 200
# not: debug-kernel
set -euo pipefail

fail() { echo "FAIL: $*" >&2; exit 1; }
d=/run/disks/d
bench() { bench/run --dev $d --sidecar /run/disks/side --rounds 1 --secs 1 --span 16 --small --out /tmp/out "$@" >/tmp/o 2>&1; }

mkfs.ext4 -q $d
! bench || fail "takes a device with a file system"
grep -q "holds data (ext4)" /tmp/o || fail "$(cat /tmp/o)"
mount $d /mnt
! bench --yes || fail "takes a mounted device"
grep -q "in use" /tmp/o || fail "$(cat /tmp/o)"
umount /mnt

bench --yes --works fsync32,small-files \
	--rivals gcm-journal,fscrypt,inocrypt || fail "$(cat /tmp/o)"
[ "$(echo /dev/mapper/*)" = /dev/mapper/control ] || fail "left behind: $(echo /dev/mapper/*)"
[ "$(grep -c '"rate"' /tmp/out/bench.json)" = 5 ] || fail "not 5 rows: $(cat /tmp/o)"
! grep '"rate": 0[,.]0' /tmp/out/bench.json || fail "nothing done"
[ -s /tmp/out/throughput.svg ] && [ -s /tmp/out/write-cost.svg ] || fail "no plots"
bench/holds_data.py $d || fail "what it leaves looks like data"
tail -n 60 /tmp/o
