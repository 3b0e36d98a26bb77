#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# ext4-fast-commit-of-deleted-file.sh - what syncing a deleted file costs a file system
#
# Versions: linux-image-6.1.0-57-amd64 6.1.192-3, e2fsprogs 1.47.0-2 (Debian 12, amd64)
# Guess:    a file that is deleted while a program has it open is gone after a power cut, synced
#           or not. With fast commits (mkfs.ext4 -O fast_commit), too: replay of the log has
#           nothing to bring back, so there is nothing it could fail at.
# Seen:     the file's inode is logged, without links. Replay writes it to its place, and then
#           can't read it, as it has no links: "JBD2: recovery failed". The file system doesn't
#           mount until e2fsck has been over it. Without fast_commit all is well.
# So:       ext4-hooks/patches/6.1/0002 doesn't log such an inode; docs/hooks.md, "Fast commits",
#           has what else is wrong.
#
# Boots the distribution's kernel in a VM (tools/vm), with its own modules; about a minute. The
# power cut is a copy of the disk as it is then. Exit code 0: still so.
set -euo pipefail
if [ -z "${VM_KVER:-}" ]; then
	exec "$(dirname "$0")/../tools/vm/run" --kver 6.1.0-57-amd64 --no-modules \
		--disk d:32M --disk e:32M "$0"
fi
D=/run/disks/d AFTER=/run/disks/e M=/mnt/d
mkdir -p $M

# try FEATURE: is "mounts", or what the kernel says
try()
{
	mkfs.ext4 -q -F -O "$1" $D
	mount $D $M
	echo text >$M/file
	sync -f $M		# the transaction that fast commits may follow
	exec 8<>$M/file
	rm $M/file
	echo more >&8
	sync /proc/self/fd/8
	dd if=$D of=$AFTER bs=1M iflag=direct oflag=direct status=none
	exec 8>&-
	umount $M
	if mount $AFTER $M 2>/dev/null; then
		is=mounts
		umount $M
	else
		is=$(dmesg | tail -n 2 | sed -n 's/.*\(JBD2: .*\)/\1/p')
	fi
	echo "$1: after the power cut: $is"
}
changed() { echo "CHANGED: $*"; exit 1; }

try ^fast_commit
[ "$is" = mounts ] || changed "it doesn't mount without fast commits"
try fast_commit
[ "$is" = "JBD2: recovery failed" ] || changed "with fast commits it isn't recovery that fails"
e2fsck -fy $AFTER >/dev/null 2>&1 || true
mount $AFTER $M || changed "e2fsck doesn't mend it"
echo "after e2fsck -fy: mounts"
echo "as seen"
