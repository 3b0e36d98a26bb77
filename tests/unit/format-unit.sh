#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# format-unit.sh - the format code in user space, under ASan and UBSan.
# quick
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)

make -s -C "$top/tests/unit/src"
for src in "$top"/tests/unit/src/test_*.c; do
	name=$(basename "$src" .c)
	if ! out=$("$top/build/tests/unit/$name" 2>&1); then
		printf '%s\n' "$out"
		echo "FAIL: $name; run build/tests/unit/$name" >&2
		exit 1
	fi
done
echo "format-unit: all pass"
