#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# scale.sh - the scale simulation (bench/scale/): its pieces beside brute force, under ASan and
# UBSan. The target's constants are its own: shared/tunables.h.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)

make -s -C "$top/bench/scale" all unit
if ! out=$("$top/build/bench/scale/scale-unit" 2>&1); then
	printf '%s\n' "$out"
	echo "FAIL: scale-unit; run build/bench/scale/scale-unit" >&2
	exit 1
fi

# A point is played and printed in each form.
scale=$top/build/bench/scale/scale
for how in "" --json --csv "--sync 8"; do
	# shellcheck disable=SC2086 # several words
	"$scale" --volume 1G --log 16M $how | grep -q bytes_per_byte
done
echo "scale: all pass"
