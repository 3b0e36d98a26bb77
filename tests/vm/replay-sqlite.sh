#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# As replay-ordered.sh, under SQLite databases in all of its journal modes: every committed
# transaction is there, the next one whole or not at all.
# vm: --disk a:192M --disk log:4G --disk keys:1M --mem 3072 --timeout 3600
set -euo pipefail
dirs=(alice nokey)
tasks=(--db alice/wal:wal:70 --db alice/persist:persist:50
       --db nokey/truncate:truncate:50 --db nokey/delete:delete:50)
noise=()
mkfs_args=(-b 4096 -N 256)
points=64 variants=1 no_fua=1
. "$(dirname "$0")/replay.inc"
