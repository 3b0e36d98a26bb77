#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# bio-owner by itself: attaching, splitting, malformed tags, very large bios, binding; with
# sectors of 512 and 4096 bytes, and through a dm-linear (tests/kmod/bio-owner-test.c).
# vm: --disk d:256M --timeout 120
# quick2
set -euo pipefail
# shellcheck source=tests/vm/ext4.inc
. "$INOCRYPT_TOP/tests/vm/ext4.inc"

for how in "512 plain" "512 linear" "4096 plain" "4096 linear"; do
	what="sectors of $how"
	read -r ss kind <<<"$how"
	start "$ss" "$kind"
	modprobe bio-owner-test dev="$DEV" raw=$DISK || fail "$what"
	rmmod bio-owner-test
	# The large bio: from the first to the last of its sectors.  The second device maps
	# them 32 MiB on, and counts more bios.
	first=64
	[ "$kind" = plain ] || first=$((first + 33554432 / ss))
	for i in 0 $((16777216 / ss)) $((20971520 / ss - 1)); do
		[[ $(msg sector $((first + i))) == "ino=1000 gen=42 "* ]] ||
			fail "$what: sector $i isn't tagged"
	done
	[ "$(msg sector $((first + 20971520 / ss)))" = none ] || fail "$what: written beyond its end"
	[ "$(counter write_malformed)" = 1 ] || fail "$what: the malformed bio wasn't seen"
	[ "$(counter read_malformed)$(counter write_untagged)" = 00 ] || fail "$what"
	stop
	echo "$what: ok"
done
