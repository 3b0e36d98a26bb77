#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Another user's key is no help: what alice, bob and root can do with alice's and bob's files
# while both keys are unlocked, when alice's is locked, when both are; and what bob reads where
# somebody who holds the volume key has pointed his file at alice's blocks.
# vm: --disk d:128M --timeout 200
set -euo pipefail
# shellcheck source=tests/vm/keys.inc
. "$INOCRYPT_TOP/tests/vm/keys.inc"

vol_setup /run/disks/d
export VOL_NO_JUDGE=1
vol_format
vol_open
vol_mkfs -b 4096
vol_mount
M=$VOL_MNT
inocrypt key setup
a=$(new_key $ALICE work)
new_key $BOB work >/dev/null
for u in $ALICE $BOB; do user_dir $u "$M/$u" work; done
ln -s $ALICE "$M/alice" && ln -s $BOB "$M/bob"
install -d -m 1777 "$M/pub"

# In alice's directory: a file of her own, one for all to read, one for all to write, and a
# directory where all may make files; the same in bob's.
for u in $ALICE $BOB; do
	ops $u "$M/$u" <<-END
		ok write own $u 0 256k
		ok write read $u 0 64k
		ok write all $u 0 64k
		ok fsync own
		ok fsync all
		ok mkdir in
	END
	chmod 600 "$M/$u/own" && chmod 644 "$M/$u/read"
	chmod 666 "$M/$u/all" && chmod 1777 "$M/$u/in"
done

# The table.  With all keys unlocked only permissions count, and that a file's key is that of
# its directory.  Without alice's key nobody gets at what is in her files, whoever he is.
# WHO OPERATION: both unlocked, alice's locked, both locked.  N: another number each time.
table="
alice	check alice/own $ALICE 0 256k	ok	ENOKEY	ENOKEY
alice	write alice/own $ALICE 0 4k	ok	ENOKEY	ENOKEY
alice	truncate alice/all 64k		ok	ENOKEY	ENOKEY
alice	open alice/newN c		ok	ENOKEY	ENOKEY
alice	mkdir alice/dirN		ok	ENOKEY	ENOKEY
alice	tmpfile alice alice/tmpN	ok	ENOKEY	ENOKEY
alice	link alice/all alice/lN		ok	ok	ok
alice	rename alice/lN alice/mN	ok	ok	ok
alice	unlink alice/mN			ok	ok	ok
alice	link alice/all bob/in/lN	EXDEV	EXDEV	EXDEV
alice	rename alice/all bob/in/lN	EXDEV	EXDEV	EXDEV
alice	check bob/own $BOB 0 256k	EACCES	EACCES	EACCES
alice	check bob/read $BOB 0 64k	ok	ok	ENOKEY
alice	write bob/all $BOB 0 4k		ok	ok	ENOKEY
alice	open bob/in/aliceN c		ok	ok	ENOKEY
bob	check alice/own $ALICE 0 256k	EACCES	EACCES	EACCES
bob	check alice/read $ALICE 0 64k	ok	ENOKEY	ENOKEY
bob	dcheck alice/read $ALICE 0 64k	ok	ENOKEY	ENOKEY
bob	mcheck alice/read $ALICE 0 64k	ok	ENOKEY	ENOKEY
bob	write alice/read $ALICE 0 4k	EACCES	EACCES	EACCES
bob	write alice/all $ALICE 0 4k	ok	ENOKEY	ENOKEY
bob	truncate alice/all 64k		ok	ENOKEY	ENOKEY
bob	open alice/bobN c		EACCES	EACCES	EACCES
bob	open alice/in/bobN c		ok	ENOKEY	ENOKEY
bob	link alice/read pub/lN		EPERM	EPERM	EPERM
bob	link alice/all pub/lN		ok	ok	ok
bob	open pub/lN r			ok	ENOKEY	ENOKEY
bob	link alice/all bob/lN		EXDEV	EXDEV	EXDEV
bob	rename alice/own bob/lN		EACCES	EACCES	EACCES
bob	unlink alice/own		EACCES	EACCES	EACCES
bob	check bob/own $BOB 0 256k	ok	ok	ENOKEY
bob	write bob/own $BOB 0 4k		ok	ok	ENOKEY
root	check alice/own $ALICE 0 256k	ok	ENOKEY	ENOKEY
root	dcheck alice/own $ALICE 0 256k	ok	ENOKEY	ENOKEY
root	mcheck alice/own $ALICE 0 256k	ok	ENOKEY	ENOKEY
root	write alice/own $ALICE 0 4k	ok	ENOKEY	ENOKEY
root	truncate alice/all 64k		ok	ENOKEY	ENOKEY
root	open alice/rootN c		ok	ENOKEY	ENOKEY
root	link alice/own pub/rN		ok	ok	ok
root	open pub/rN r			ok	ENOKEY	ENOKEY
root	rename alice/own bob/own	EXDEV	EXDEV	EXDEV
root	exchange alice/own bob/own	EXDEV	EXDEV	EXDEV
root	link alice/own bob/l		EXDEV	EXDEV	EXDEV
root	check bob/own $BOB 0 256k	ok	ok	ENOKEY
"

# rows STATE: what the table says of that state, as those users.
rows()
{
	local who u

	for who in alice bob root; do
		case $who in alice) u=$ALICE;; bob) u=$BOB;; root) u=0;; esac
		what="${state_name[$1]}, $who"
		awk -F '\t+' -v who=$who -v s="$1" '$1 == who { gsub("N", s, $2); print $(2 + s), $2 }' \
			<<<"$table" >$W/rows
		[ -s $W/rows ] || fail "no rows"
		ops $u "$M" <$W/rows
	done
}
state_name=("" "both unlocked" "alice's locked" "both locked")

# block FILE: where on the volume its first block is.
block() { filefrag -v -b4096 "$1" | awk '$1 == "0:" { print $4 + 0 }'; }
raw_read() { dd if="$VOL_DEV" bs=4096 skip="$1" count=1 iflag=direct status=none of=$W/block 2>/dev/null; }

at=$(block "$M/alice/own")
for s in 1 2 3; do
	rows $s
	! raw_read "$at" || fail "$what: root reads alice's block from the device"
	case $s in
	1)	exec 7<"$M/alice/own"
		expect $BOB 7 "isn't unlocked by you" key lock "$a"
		expect $ALICE 4 "still open under it: 1 file;" key lock work
		! head -c 4096 <&7 >$W/block 2>/dev/null || fail "$what: read through an old descriptor"
		[ ! -s $W/block ] || fail "$what: data through an old descriptor"
		exec 7<&-;;
	2)	expect $BOB 0 "" key lock work;;
	esac
done
say "$(grep -c "$(printf '\t')" <<<"$table") rows, 3 states: as the table says"

# The volume's holder, who has neither's key, with debugfs.
what="extents"
vol_umount
# point FILE BLOCK: let the file's only extent begin there.
point()
{
	inocrypt raw on vol
	debugfs -w -R "sif $1 block[5] $2" "$VOL_DEV" 2>$W/debugfs || fail "debugfs: $(cat $W/debugfs)"
	inocrypt raw off vol
}
unlock()
{
	PASS=pw-$ALICE expect $ALICE 0 "" key unlock work
	PASS=pw-$BOB expect $BOB 0 "" key unlock work
}
vol_mount
unlock
ops 0 "$M" <<-END
	ok write pub/plain 9 0 256k
	ok fsync pub/plain
END
for f in bob/own pub/plain alice/own; do
	[ "$(filefrag -v -b4096 "$M/$f" | grep -c '^ *[0-9]*:')" = 1 ] || fail "$f isn't in one piece"
done
b_at=$(block "$M/bob/own") p_at=$(block "$M/pub/plain")
vol_umount
point $BOB/own "$at"
point pub/plain "$at"
vol_mount
unlock
# Both keys unlocked, all permissions given: an error, for bob and for root.
for u in $BOB 0; do
	ops "$u" "$M" <<-END
		EIO check bob/own $BOB 0 256k
		EILSEQ dcheck bob/own $BOB 0 256k
		ok check alice/read $ALICE 0 64k
	END
	! as "$u" cat "$M/bob/own" >$W/block 2>/dev/null || fail "bob's file with alice's blocks is read"
	[ ! -s $W/block ] || fail "bob's file gives data"
	! as "$u" cat "$M/pub/plain" >$W/block 2>/dev/null || fail "an unkeyed file with alice's blocks is read"
	[ ! -s $W/block ] || fail "the unkeyed file gives data"
done
ops $ALICE "$M" <<<"ok check alice/own $ALICE 0 256k"
# Writing there destroys, and shows nothing: alice reads an error, not what bob has written.
ops $BOB "$M" <<-END
	ok write bob/own 77 0 4k
	ok fsync bob/own
END
wipe_caches
ops $BOB "$M" <<<"ok check bob/own 77 0 4k"
ops $ALICE "$M" <<-END
	EIO check alice/own $ALICE 0 4k
	ok check alice/own $ALICE 4k 252k
END
vol_umount
point $BOB/own "$b_at"
point pub/plain "$p_at"
vol_mount
unlock
ops $BOB "$M" <<<"ok check bob/own $BOB 0 256k"
ops 0 "$M" <<<"ok check pub/plain 9 0 256k"
vol_umount
vol_close
say "extents of another's file: errors, never data"
