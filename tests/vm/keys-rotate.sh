#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# inocrypt key rotate: all that is under one key is put under another, through a power cut, by
# root and by a user; afterwards nothing needs the old key, and the volume can forget it.
# vm: --disk data:256M --timeout 240
# shellcheck disable=SC2086 # paths of ours, without blanks
set -euo pipefail
# shellcheck source=tests/vm/lib.sh
. "$INOCRYPT_TOP/tests/vm/lib.sh"
cd /tmp
BACKEND=inocrypt
vol_setup /run/disks/data
# What is made in this run is gone after the cut; the keys stay.
mkdir -p /results/keys
export VOL_KEYS=/results/keys
[ -f $VOL_KEYS/volume ] || mv /tmp/keys.vol/volume $VOL_KEYS/volume
m=$VOL_MNT

# digest: of all that shall stay the same; the times of plain/ and shared/ don't.
digest()
{
	tar --format=posix --sort=name --xattrs --xattrs-include='*' --acls --numeric-owner \
		--pax-option=exthdr.name=%d/x/%f,delete=atime,delete=ctime \
		-C $m -cf - tree other plain/moved shared/mine shared/theirs | sha256sum
}
# under KEYID PATH...
under()
{
	local f

	for f in "${@:2}"; do
		[ "$(inocrypt policy get "$m/$f")" = "$1" ] || fail "$f isn't under $1"
	done
}

if [ "$VM_STAGE" = 0 ]; then
	# shellcheck disable=SC2119
	vol_format
	# shellcheck disable=SC2119
	vol_open
	mkfs.ext4 -q -F -O project,quota -I 256 "$VOL_DEV"
	vol_mount
	old=$(key_new old) new=$(key_new new) third=$(key_new third)
	echo "$old $new $third" >/results/ids

	keyed_dir $m/tree "$old"
	keyed_dir $m/other "$third"
	mkdir $m/plain $m/shared
	inocrypt policy set $m/shared --user-key
	inocrypt key default "$old" -m $m
	mkdir -p $m/tree/sub/deep $m/shared/theirs
	head -c 1500000 /dev/urandom | split -b 50000 -a 2 --numeric-suffixes=10 - $m/tree/sub/
	for i in {1..100}; do echo "small $i" >$m/tree/sub/deep/$i; done
	truncate -s 2M $m/tree/sparse
	echo end >>$m/tree/sparse
	ln $m/tree/sub/11 $m/tree/sub/deep/link
	ln -s /nowhere $m/tree/symlink
	mknod $m/tree/null c 1 3
	setfattr -n user.a -v 1 $m/tree/sub/12
	setfattr -n trusted.a -v 2 $m/tree/sub/12
	setfacl -m u:12:r $m/tree/sub/13
	chown 1000:1000 $m/tree/sub/14
	chmod 4755 $m/tree/sub/14
	chattr +dA $m/tree/sub/15
	chattr -p 77 $m/tree/sub/16
	echo moved >$m/tree/moved
	mv $m/tree/moved $m/plain/moved
	echo mine >$m/shared/mine
	echo theirs >$m/shared/theirs/f
	echo third >$m/other/f
	touch -d 2001-02-03 $m/tree/sub/17 $m/tree/sub $m/tree
	sync -f $m
	digest >/results/digest
	under "$old" plain/moved shared/theirs
	says 0 "$m/tree: 1.. files and directories, 2 MiB" \
		inocrypt key rotate "$old" "$new" -m $m --dry-run
	grep -q "plain/moved: a single file" out || fail "dry run: $(<out)"
	says 1 "immutable" bash -c "chattr +i $m/tree/sub/19; inocrypt key rotate $old $new $m/tree"
	chattr -i $m/tree/sub/19
	say "rotate, find a file in use, and go on until the power goes"
	exec 9>>$m/tree/sub/18
	says 4 "1 files are open for writing" inocrypt key rotate "$old" "$new" $m/tree
	exec 9>&-
	[ -s $m/.inocrypt-rotate.tree/notes/copied ] || fail "it noted nothing"
	inocrypt key rotate "$old" "$new" -m $m &
	vm-powercut-within 100 2500
	wait
	sleep 20
	fail "no power cut"
fi

read -r old new third </results/ids
# shellcheck disable=SC2119
vol_open
vol_mount
digest | cmp - /results/digest || fail "what there is after the cut isn't what there was"
say "left: $(cd $m && find . -maxdepth 2 -name '.inocrypt-*' | tr '\n' ' ')"
says 0 "put under key $new" inocrypt key rotate "$old" "$new" -m $m
digest | cmp - /results/digest || fail "the rotated files aren't what they were"
[ -z "$(find $m -name '.inocrypt-*')" ] || fail "something is left: $(find $m -name '.inocrypt-*')"
[[ $(lsattr $m/tree/sub/15) == *d*A*" "* ]] || fail "flags are lost: $(lsattr $m/tree/sub/15)"
[[ $(lsattr -p $m/tree/sub/16) =~ ^\ *77\  ]] || fail "the project is lost: $(lsattr -p $m/tree/sub/16)"
[ $m/tree/sub/11 -ef $m/tree/sub/deep/link ] || fail "a hard link is lost"
[ "$(stat -c %b $m/tree/sparse)" -lt 100 ] || fail "the holes are filled"
under "$new" tree/sub/deep/100 plain/moved
says 0 "$third" inocrypt policy report $m
! grep -q "$old" out || fail "something is under the old key: $(<out)"

say "without the old key"
inocrypt key drop "$VOL_NAME" "$old"
wipe_caches
digest | cmp - /results/digest || fail "something needs the old key"
says 7 "isn't unlocked" inocrypt key rotate "$old" "$new" -m $m
inocrypt key remove --yes "$old" -m $m >out || fail "key remove: $(<out)"
inocrypt key slots "$VOL_NAME" >out
! grep -q "$old" out || fail "the volume still knows the old key"
rm $VOL_KEYS/mk.old

say "a user's own"
inocrypt key setup 1000 -m $m
# A user may not get to where it was built.
cp "$INOCRYPT_BUILD/inocrypt" /tmp/
mkdir $m/home
chown 1000:1000 $m/home
cat >user.sh <<-END
	set -euo pipefail
	PATH=/tmp:$PATH
	cd $m/home
	echo secret >/tmp/pass
	for k in one two; do
		inocrypt key new \$k --key-file /tmp/pass --pbkdf pbkdf2 --pbkdf-force-iterations 1000 >/dev/null
	done
	mkdir docs
	inocrypt policy set docs one
	echo letter >docs/letter
	setfattr -n user.a -v b docs/letter
	chmod 400 docs/letter
	mkdir docs/closed
	echo page >docs/closed/page
	chmod 500 docs/closed
	exec 9>>docs/log
	rc=0
	inocrypt key rotate one two >/tmp/user.out 2>&1 || rc=\$?
	[ \$rc = 4 ]
	grep -q "docs: 1 files are open for writing" /tmp/user.out
	exec 9>&-
	inocrypt key rotate one two
	[ "\$(<docs/letter)" = letter ]
	[ "\$(stat -c %a docs/closed)" = 500 ]
	[ "\$(<docs/closed/page)" = page ]
	inocrypt key lock one
	inocrypt key remove --yes one
END
setpriv --reuid 1000 --regid 1000 --clear-groups bash user.sh >out 2>&1 || fail "user: $(<out)"
grep -q "1 directories and 0 single files put under key two" out || fail "user: $(<out)"

vol_umount
vol_fsck
vol_close
# shellcheck disable=SC2119
check_volume
