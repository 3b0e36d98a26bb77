#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# dm-integrity-profile-of-a-table.sh - how long a mapped device has an integrity profile
#
# Versions: linux-image-6.1.0-57-amd64 6.1.192-3, dmsetup 2:1.02.185-2 (Debian 12, amd64)
# Guess:    the profile is the disk's: a target's constructor registers it by the gendisk, device
#           mapper only passes on what all devices below have, and the target's destructor leaves
#           it. So it takes effect with the first resume, and stays for as long as the disk lives.
# Seen:     with dm-integrity as the target (a tag for each sector, no hash of its own) the disk has
#           the profile as soon as the table is loaded, while nothing is active. It keeps it while
#           another table is merely loaded, and loses it when that one is resumed.
# So:       a target that must not change its tuple size can't rely on its own profile being there
#           to compare with (bio_owner_register_profile()), and a module that owns the profile
#           isn't told when the last disk has let go of it: bio-owner.ko stays in memory.
#
# Boots the distribution's kernel in a VM (tools/vm), with its own modules; half a minute. Exit code
# 0: still so.
set -euo pipefail
if [ -z "${VM_KVER:-}" ]; then
	exec "$(dirname "$0")/../tools/vm/run" --kver 6.1.0-57-amd64 --no-modules --disk d:32M "$0"
fi
D=/run/disks/d
modprobe dm-integrity
dmsetup create x --notable
disk=/sys/class/block/dm-0	# there from the first load on

# is WHEN FORMAT
is()
{
	local format

	format=$(cat "$disk/integrity/format" 2>/dev/null || echo none)
	echo "$1: $format"
	[ "$format" = "$2" ] || { echo "CHANGED: $1 it was $2"; exit 1; }
}

is "without a table" none
dmsetup load x --table "0 1024 integrity $D 0 32 D 0"
is "with dm-integrity's table loaded" DM-DIF-EXT-TAG
dmsetup resume x
is "and resumed" DM-DIF-EXT-TAG
dmsetup load x --table "0 1024 linear $D 0"
is "with dm-linear's loaded beside it" DM-DIF-EXT-TAG
dmsetup resume x
is "and resumed" none
echo "as seen"
