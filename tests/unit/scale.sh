#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# scale.sh - the scale simulation (bench/scale/): its pieces beside brute force, under ASan and
# UBSan, and its copies of the target's constants beside the target's own.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
model=$top/bench/scale/model.h
target=$top/dm-target

make -s -C "$top/bench/scale" all unit
if ! out=$("$top/build/bench/scale/scale-unit" 2>&1); then
	printf '%s\n' "$out"
	echo "FAIL: scale-unit; run build/bench/scale/scale-unit" >&2
	exit 1
fi

# value FILE NAME: of a #define, as a number.
value()
{
	local v

	v=$(sed -n "s/^#define $2[[:space:]]\{1,\}\(.*\)/\1/p" "$1" | sed 's#/\*.*##; s/HZ/1/g; s/\([0-9]\)U\?L\{0,2\}\b/\1/g')
	[ -n "$v" ] || { echo "FAIL: no $2 in $1" >&2; exit 1; }
	echo $((v))
}

# same M_NAME FILE NAME: in the model, and in a file of the target.
same()
{
	[ "$(value "$model" "$1")" = "$(value "$target/$2" "$3")" ] || {
		echo "FAIL: $3 in dm-target/$2 is $(value "$target/$2" "$3"), $1 in bench/scale/model.h $(value "$model" "$1")" >&2
		exit 1
	}
}

for c in CACHE_BYTES_DEFAULT CACHE_BYTES_MIN NODE_RESERVE CHECKPOINT_PAGES CHECKPOINT_DELAY IO_MAX_BYTES \
	OWNERS_CACHED; do
	same M_$c core/table.h IC_$c
done
same M_FLUSH_SECTORS_MAX ../shared/log_rounds.c FLUSH_SECTORS_MAX
same M_UNSETTLED_MAX ../shared/log_rounds.c UNSETTLED_MAX
same M_RECOVERY_READS load/recovery.c READS_MAX
# Where checkpoints and rounds of the log begin: said in code only.
grep -q 'ic_log_used(log) > log->blocks / 2' "$target/../shared/log_rounds.c" &&
	grep -q 'nr_dirty) >= cache->max / 2' "$target/tree/node.c" || {
	echo "FAIL: checkpoints begin elsewhere now: see M_LOG_CHECKPOINT, M_DIRTY_CHECKPOINT in bench/scale/model.h" >&2
	exit 1
}
grep -q 'r->waiting >= r->log->live_max / 2' "$target/../shared/log_rounds.h" &&
	grep -q 'behind) < ic->cache.max / 8' "$target/io/detached.c" &&
	grep -q '^#define IC_DRAIN_DELAY[[:space:]]*(HZ / 10)' "$target/core/table.h" &&
	grep -q '^#define M_DRAIN_DELAY[[:space:]]*0\.1$' "$model" || {
	echo "FAIL: rounds begin elsewhere now: see M_LOG_GATHER, M_BEHIND, M_DRAIN_DELAY in bench/scale/model.h" >&2
	exit 1
}
# A point is played and printed in each form.
scale=$top/build/bench/scale/scale
for how in "" --json --csv "--sync 8"; do
	# shellcheck disable=SC2086 # several words
	"$scale" --volume 1G --log 16M $how | grep -q bytes_per_byte
done
echo "scale: all pass"
