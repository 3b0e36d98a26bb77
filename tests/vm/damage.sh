#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Every kind of block of a volume, and every 37th block, is damaged, one at a time: a bit flipped,
# zeros, not to be read, not to be written, neither, or only to be read again once it was written;
# of a volume that was closed, and of one that a power cut left. What is lost is what docs/tool.md
# says, and no more.
# vm: --timeout 900
set -euo pipefail
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

dir=/tmp/damage
step=37
[ -z "${INOCRYPT_LONG:-}" ] || step=3
mkdir $dir
"$INOCRYPT_TOP/tests/damage/images" $dir
modprobe brd rd_nr=2 rd_size=24576
modprobe dm-badblock
modprobe dm-inocrypt
say "the volume is made"
damage trials $dir /dev/ram0 /dev/ram1 ${DAMAGE_STEP:-$step} ${DAMAGE_PICK:+"$DAMAGE_PICK"} || fail "see above"
say "ok"
