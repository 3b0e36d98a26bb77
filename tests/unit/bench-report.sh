#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# bench-report.sh - the bench's medians, ratios, targets, tables and plots from made-up figures; the
# README's table is from the figures kept beside it; a device that holds data is refused.
# timeout: 60
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export PYTHONDONTWRITEBYTECODE=1
py=/usr/bin/python3

fail() { echo "FAIL: $*" >&2; exit 1; }

# Three rounds; the ratios to xts are 1.0, 0.9, 0.5, those to gcm-journal 2, 2, 2.
$py - "$tmp" <<'END'
import json
import sys

rows = []
for work in "seq-write", "fsync32":
    for rnd, mine in enumerate((100.0, 90.0, 50.0)):
        for rival, rate in ("xts", 100.0), ("gcm-journal", mine / 2), ("inocrypt", mine):
            rows.append({
                "device": "ssd", "kind": "block", "work": work, "rival": rival, "round": rnd, "secs": 1, "ops": 100,
                "bytes": 1 << 30, "write_user_bytes": 1 << 20, "syncs": 10, "rate": rate, "mib_s": rate, "lat_us": 1e6 / rate,
                "p99_us": 5.0, "cpu_s": 2.0, "write_bytes": int((1 << 20) * 1.02), "write_reqs": 110, "read_reqs": 0,
                "read_bytes": 0, "flushes": 20})
for rnd, (a, b) in enumerate(((94, 100), (99, 100), (90, 100))):
    for rival, rate in ("inocrypt", a), ("inocrypt-no-tree", b):
        rows.append({**rows[0], "device": "cpu", "kind": "tree", "work": "tree-seq-read", "rival": rival, "round": rnd,
                     "rate": float(rate)})
for rnd, secs in enumerate((0.9, 0.2, 1.5)):
    rows.append({"device": "cpu", "kind": "figure", "work": "format-1tib", "rival": "inocrypt", "round": rnd, "value": secs,
                 "unit": "s"})
with open(f"{sys.argv[1]}/in.json", "w", encoding="ascii") as f:
    json.dump({"date": "today", "commit": "abc", "kernel": "6.1", "cpu": "x<&>", "cpus": 2, "vm": "tcg", "seconds": 600,
               "models": {"ssd": "a model"}, "rows": rows}, f)
END
printf 'before\n<!-- bench -->\nold\n<!-- /bench -->\nafter\n' >"$tmp/README"
$py "$top/bench/report.py" "$tmp/in.json" "$tmp/out" --readme "$tmp/README" >"$tmp/said" || fail "report.py"

has() { grep -q -F -e "$2" "$1" || { cat "$1"; fail "${1##*/} has no: $2"; }; }
# has_row FILE WORDS: a line of a table, however wide its columns are
has_row() { tr -s ' ' <"$1" | grep -q -F -e "$2" || { cat "$1"; fail "${1##*/} has no: $2"; }; }
has_row "$tmp/said" "write, device-bound, to gcm + journal ssd seq-write 2.00 (2.00..2.00) ≥ 1.9 met"
has_row "$tmp/said" "write, device-bound, to xts ssd seq-write 0.90 (0.50..1.00) ≥ 0.93 MISSED"
has_row "$tmp/said" "synced write, device-bound, to xts ssd fsync32 0.90 (0.50..1.00) ≥ 0.8 met"
has_row "$tmp/said" "device bytes per user byte ssd seq-write 1.02 ≤ 1.03 met"
has_row "$tmp/said" "without the tree's cryptography cpu seq-read 0.94 (0.90..0.99) ≥ 0.95 MISSED"
has_row "$tmp/said" "format of 1 TiB cpu format-1tib 0.90 (0.20..1.50) s ≤ 1 s met"
has "$tmp/said" "6 of 8 targets met"
has_row "$tmp/said" "ssd seq-write inocrypt 90.0 90 11111 5 2.0 1.02 1.10 2.00"
has "$tmp/out/bench.md" "| ssd | seq-write | 90.0 MiB/s |  | 0.90 | 2.00 |"
has "$tmp/out/bench.md" "| write, device-bound, to xts | ≥ 0.93 | ssd | **seq-write 0.90** | missed (1 of 1) |"
has "$tmp/out/bench.md" "| device bytes per user byte |  | ssd | seq-write 1.02 (≤ 1.03), fsync32 1.02 (≤ 1.3) | met |"
has "$tmp/out/bench.md" "medians of 3 rounds"
has "$tmp/README" "| SSD: 1 MiB, one after the other, written | 90.0 MiB/s | 0.90 | 2.00 |"
has "$tmp/README" "6 of 8 targets met"
has "$tmp/README" "medians of 3 rounds"
# A target that dm-crypt without integrity misses as well.
$py -c 'import json, sys
r = json.load(sys.stdin)
for row in r["rows"]:
    row["rate"] = 10.0
json.dump(r, sys.stdout)' <"$tmp/in.json" >"$tmp/equal.json"
$py "$top/bench/report.py" "$tmp/equal.json" "$tmp/out2" >/dev/null
has "$tmp/out2/bench.md" "| ssd | **seq-write 1.00** (without integrity 1.00) | missed (1 of 1) |"
[ "$(head -n 1 "$tmp/README") $(tail -n 1 "$tmp/README")" = "before after" ] || fail "what is around the markers"
! grep -q old "$tmp/README" || fail "the old table is still there"
for f in "$tmp"/out/*.svg "$top"/docs/bench/*.svg; do
	[ ! -f "$f" ] || $py -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' "$f" || fail "$f is no XML"
done
[ -s "$tmp/out/throughput.svg" ] && [ -s "$tmp/out/write-cost.svg" ] || fail "plots are missing"
# What was written is what was read, and comes out the same again.
$py "$top/bench/report.py" "$tmp/out/bench.json" "$tmp/again" >/dev/null
cmp "$tmp/out/bench.json" "$tmp/again/bench.json" || fail "the figures changed on the way"
cmp "$tmp/out/bench.md" "$tmp/again/bench.md" || fail "the tables changed on the way"

# The README's own.
if [ -f "$top/docs/bench/bench.json" ]; then
	cp "$top/README.md" "$tmp/README.md"
	$py "$top/bench/report.py" "$top/docs/bench/bench.json" "$tmp/own" --readme "$tmp/README.md" >/dev/null
	cmp "$top/README.md" "$tmp/README.md" || fail "README.md's table is not that of docs/bench/bench.json"
	for f in bench.md throughput.svg write-cost.svg; do
		cmp "$top/docs/bench/$f" "$tmp/own/$f" || fail "docs/bench/$f is not that of docs/bench/bench.json"
	done
fi

# refuses WHAT: and says that it is there. It is in $tmp/dev.
refuses()
{
	! $py "$top/bench/holds_data.py" "$tmp/dev" >"$tmp/o" 2>&1 || fail "takes a device with $1 for empty"
	has "$tmp/o" "$1"
}
truncate -s 32M "$tmp/dev"
$py "$top/bench/holds_data.py" "$tmp/dev" || fail "takes zeros for data"
mkfs.ext4 -q "$tmp/dev"
refuses ext4
truncate -s 0 "$tmp/dev" && truncate -s 32M "$tmp/dev"
echo x | cryptsetup -q luksFormat --pbkdf pbkdf2 --pbkdf-force-iterations 1000 "$tmp/dev"
refuses crypto_LUKS
truncate -s 0 "$tmp/dev" && truncate -s 32M "$tmp/dev"
# A partition table of one partition.
printf '\x00\x01\x01\x00\x83\xfe\xff\xff\x3f\x00\x00\x00\x00\x80\x00\x00' | dd of="$tmp/dev" bs=1 seek=446 conv=notrunc status=none
printf '\x55\xaa' | dd of="$tmp/dev" bs=1 seek=510 conv=notrunc status=none
refuses dos
truncate -s 0 "$tmp/dev" && truncate -s 32M "$tmp/dev"
printf x | dd of="$tmp/dev" bs=1 seek=$((32 * 1024 * 1024 - 5)) conv=notrunc status=none
refuses "something unknown"
