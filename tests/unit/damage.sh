#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# damage.sh - what inocrypt check says of a volume with one damaged block, for every kind of
# block and every 37th one, and that what --repair says it has cured is cured: see
# tests/damage. What opening makes of them is tests/vm/damage.sh.
# timeout: 600
set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
PATH=$top/build:$top/build/tests:$PATH
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
make -s -C "$top/userspace"
make -s -C "$top/tests" "$top/build/tests/mkvol" "$top/build/tests/damage"
"$top/tests/damage/images" "$dir"
cd "$dir"
step=37
[ -z "${INOCRYPT_LONG:-}" ] || step=3
damage check . $step
