#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# bench-smoke.sh - the bench's rivals can be set up, do every kind of work and leave nothing behind;
# the figures make a report. What they are means nothing here.
# vm: --disk d:1G --timeout 200
# not: debug-kernel
set -euo pipefail

fail() { echo "FAIL: $*" >&2; exit 1; }
export PYTHONDONTWRITEBYTECODE=1
mkdir /tmp/out
bench/guest.py '{"device": "ssd", "backing": "/run/disks/d", "out": "/tmp/out", "rounds": 1, "span": 32, "region": 96,
	"block": [["fsync32", 0.2, ["raw", "xts", "gcm-journal", "hmac-bitmap", "inocrypt"]],
		  ["fresh-rand-write", 0.2, ["inocrypt"]]],
	"files": [["small-files", 5, ["fscrypt", "gcm-journal", "inocrypt"]], ["sqlite-wal", 5, ["inocrypt"]],
		  ["files-write", 0.2, ["inocrypt"]]], "todo": 11, "warm_up": false}'
[ "$(echo /dev/mapper/*)" = /dev/mapper/control ] || fail "left behind: $(echo /dev/mapper/*)"
[ "$(wc -l </tmp/out/rows.jsonl)" = 11 ] || fail "not 11 rows: $(cat /tmp/out/rows.jsonl)"
/usr/bin/python3 - <<'END'
import json
import sys

sys.path.insert(0, "bench")
import report

with open("/tmp/out/rows.jsonl", encoding="ascii") as f:
    rows = [json.loads(line) for line in f]
for r in rows:
    assert r["rate"] > 0 and r["write_bytes"] > 0, r
report.write({"date": "", "commit": "", "kernel": "", "cpu": "", "cpus": 2, "vm": "tcg", "seconds": 1, "models": {},
              "rows": rows}, "/tmp/report")
END
