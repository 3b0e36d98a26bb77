#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A deleted file's owner is forgotten once the deletion has committed; its inode number isn't
# used before; what a crash leaves over is swept at the next mount.
# vm: --disk d:256M --timeout 300
set -euo pipefail
# shellcheck source=tests/vm/ext4.inc
. "$INOCRYPT_TOP/tests/vm/ext4.inc"

ino() { stat -c %i "$MNT/$1"; }

# has_owner INO yes|no
has_owner()
{
	local got

	got=$(msg owner "$1")
	case $2,$got in
	yes,ino=*|no,none) ;;
	*) fail "$what: inode $1: $got, expected an owner: $2";;
	esac
}

# gone INO: its owner is forgotten, at most a moment from now.
gone()
{
	local i

	for ((i = 0; i < 50 * VM_SLOW; i++)); do
		[ "$(msg owner "$1")" != none ] || return 0
		sleep 0.1
	done
	fail "$what: the owner of $1 isn't forgotten"
}

# fresh OPTS...: a new, small file system with two files.
fresh()
{
	start 4096
	# Few inodes, so that numbers come round.
	mkfs.ext4 -q -F -N 64 "$@" $DEV
	case $* in
	*^has_journal*)	do_mount;;
	# No commit but those asked for.
	*)		do_mount -o commit=300;;
	esac
	ops <<-END
		ok mkdir a
		ok setpolicy a $K1
		ok write a/f 1 0 20000
		ok write a/g 2 0 20000
		ok drop
	END
}

finish()
{
	umount $MNT
	judge
	clean
	stop
}

what="delete"
fresh
f=$(ino a/f)
has_owner "$f" yes
ops <<<"ok unlink a/f"
has_owner "$f" yes
# The deletion hasn't committed: the number is not used again, though it is the lowest.
ops <<-END
	ok open a/new c
	ok notino a/new $f
END
sync -f $MNT
gone "$f"
ops <<-END
	ok write a/new2 3 0 100
	ok ino a/new2 $f
	ok drop
	ok check a/new2 3 0 100
END

what="open while deleted"
f=$(ino a/g)
cp $MNT/a/g /tmp/g
exec 8<$MNT/a/g
ops <<<"ok unlink a/g"
sync -f $MNT
has_owner "$f" yes
echo 3 >/proc/sys/vm/drop_caches
cmp <(head -c 20000 <&8) /tmp/g || fail "$what: other data"
exec 8<&-
sync -f $MNT
gone "$f"

what="never written, and truncated"
ops <<-END
	ok open a/e c
	ok write a/t 1 0 9000
	ok drop
END
t=$(ino a/t)
ops <<<"ok truncate a/t 0"
sync -f $MNT
has_owner "$t" yes
ops <<-END
	ok write a/t 2 0 9000
	ok drop
	ok check a/t 2 0 9000
	ok unlink a/e
	ok unlink a/t
END
sync -f $MNT
gone "$t"

what="all numbers pending"
free=$(stat -f -c %d $MNT)
ops <<-END
	ok many a/m $free 100
	ENOSPC open a/toomany c
	ok drop
	ok unlinkmany a/m $free
	ok many a/n $free 100
	ENOSPC open a/toomany c
	ok unlinkmany a/n $free
END

what="forget fails"
ops <<-END
	ok write a/f 1 0 20000
	ok drop
END
f=$(ino a/f)
msg forget fail
ops <<<"ok unlink a/f"
! sync -f $MNT 2>/dev/null || fail "$what: sync says that all is erased"
sleep 1
has_owner "$f" yes
ops <<-END
	ok open a/new3 c
	ok notino a/new3 $f
END
umount $MNT
msg forget ok
do_mount
gone "$f"
klog_has "1 deleted owners forgotten" || fail "$what: no message of the sweep"
finish

what="sweep after a crash"
for how in 1 2; do
	fresh
	f=$(ino a/f) g=$(ino a/g)
	ops <<-END
		ok unlink a/f
		ok fsync .
	END
	msg forget fail
	# 1: what is in the log is written out, 2: it is not; either way no forget.
	ops <<-END
		ok unlink a/g
		ok shutdown . $how
	END
	umount $MNT
	msg forget ok
	do_mount
	gone "$f"
	if [ $how = 1 ]; then
		gone "$g"
	else
		has_owner "$g" yes
		ops <<<"ok check a/g 2 0 20000"
	fi
	finish
done

what="an orphan"
fresh
f=$(ino a/f)
exec 8<$MNT/a/f
ops <<-END
	ok unlink a/f
	ok fsync .
	ok shutdown . 2
END
has_owner "$f" yes
exec 8<&-
umount $MNT
has_owner "$f" yes
do_mount
sync -f $MNT
gone "$f"
finish

what="remount"
fresh
f=$(ino a/f)
msg forget fail
ops <<<"ok unlink a/f"
umount $MNT
msg forget ok
do_mount -o ro
has_owner "$f" yes
mount -o remount,rw $MNT
gone "$f"
finish

what="a journal that isn't replayed"
fresh
f=$(ino a/f)
umount $MNT
# As if what the journal has of this file had not been written in place.
debugfs -w -R "freei <$f>" $DEV 2>/dev/null
debugfs -w -R "clri <$f>" $DEV 2>/dev/null
debugfs -w -R "feature needs_recovery" $DEV >/dev/null 2>&1
do_mount -o ro,noload
mount -o remount,rw $MNT
has_owner "$f" yes
klog_has "not swept: the journal isn't replayed" || fail "$what: no message"
umount $MNT
judge
stop

what="owners that can't be listed"
fresh
f=$(ino a/f) g=$(ino a/g)
[ "$f" -lt "$g" ] || fail "$what: $f, $g"
msg forget fail
ops <<-END
	ok unlink a/f
	ok unlink a/g
END
umount $MNT
msg forget ok
msg damaged "$f"
do_mount
has_owner "$f" yes
gone "$g"
klog_has "1 pieces of the volume's list of owners can't be read" || fail "$what: no message"
umount $MNT
msg damaged 0
do_mount
gone "$f"
finish

what="without a journal"
fresh -O ^has_journal
f=$(ino a/f)
ops <<<"ok unlink a/f"
gone "$f"
ops <<<"ok write a/h 1 0 100"
finish

what="fast commits"
fresh -O fast_commit
ops <<-END
	ok write a/h 3 0 30000
	ok fsync a/h
	ok write a/i 4 0 30000
	ok fsync a/i
	ok unlink a/f
	ok fsync a/i
	ok shutdown . 2
END
umount $MNT
do_mount
ops <<-END
	ok haspolicy a/h $K1
	ok check a/h 3 0 30000
	ok haspolicy a/i $K1
	ok check a/i 4 0 30000
END
finish
# fc_commits: how many there were in this mount
fc_commits() { sed -n 's/ commits$//p' /proc/fs/ext4/dm-*/fc_info; }

# reuse NAME: it is removed, and r/g gets its number; nothing else after replay
reuse()
{
	local n commits

	n=$(ino "$1")
	rm -r "${MNT:?}/$1"
	sync -f $MNT
	gone "$n"
	commits=$(fc_commits)
	ops <<-END
		ok write r/g 5 0 30000
		ok ino r/g $n
		ok fsync r/g
	END
	[ "$(fc_commits)" = $((commits + 1)) ] || fail "$what: no fast commit"
	ops <<<"ok shutdown . 2"
	umount $MNT
	do_mount
	ops <<-END
		ok ino r/g $n
		ENODATA haspolicy r/g $K1
		ok check r/g 5 0 30000
	END
	finish
}

for old in r/a/f r/a r/u; do
	fresh -O fast_commit
	ops <<-END
		ok mkdir r
		ok mkdir r/a
		ok setpolicy r/a $K1
		ok write r/a/f 1 0 20000
		ok mkdir r/u
		ok setpolicy r/u 00000000000000000000000000000000 1
		ok drop
	END
	what="fast commit of a new file that has the number of $old"
	reuse $old
done
echo "forget: ok"
