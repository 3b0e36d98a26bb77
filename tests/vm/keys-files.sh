#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Users' own keys on a mounted volume: made, locked, moved and destroyed by them without
# privileges; what cp, rsync, tar and mv make of directories under keys; default keys.
# vm: --disk d:192M --disk e:64M --timeout 240
set -euo pipefail
# shellcheck source=tests/vm/keys.inc
. "$INOCRYPT_TOP/tests/vm/keys.inc"

expect 0 6 "no inocrypt volume is mounted" key list
vol_setup /run/disks/d
vol_format
vol_open
vol_mkfs
vol_mount
M=$VOL_MNT D=$VOL_MNT/.inocrypt/keys

what="keys of one's own"
PASS=x expect $ALICE 1 "as root: inocrypt key setup" key new work "${QUICK[@]}"
expect 0 0 "" key setup
expect 0 0 "" key setup
[ "$(stat -c '%u %a' "$M/.inocrypt" "$D" "$D/$ALICE" | xargs)" = "0 755 0 755 $ALICE 700" ] || fail "$what: modes"
a=$(new_key $ALICE work)
b=$(new_key $BOB work)
a2=$(new_key $ALICE other)
[ "$(stat -c '%u %a' "$D/$ALICE/$a".*)" = "$ALICE 600" ] || fail "$what: the key file's mode"
PASS=x expect $ALICE 1 "have a key work" key new work "${QUICK[@]}"
PASS=x expect $ALICE 2 "key name no/name" key new no/name "${QUICK[@]}"
PASS='' expect $ALICE 2 "empty passphrase" key new empty "${QUICK[@]}"
expect $ALICE 0 "work +$ALICE +$a unlocked"$'\n' key list
expect $BOB 0 "- +$ALICE +$a not unlocked by you" key list
expect 0 0 "work +$ALICE +$a unlocked by others" key list
expect $BOB 0 "\"key_id\": \"$a\",[^}]*\"known\": true,[[:space:]]+\"mine\": false" key list --json
expect 0 0 "\"key_id\": \"$b\",[^}]*\"name\": \"work\",[^}]*\"users\": 1" key list --json
expect 0 2 "several keys work" policy set "$M" work
expect $BOB 7 "no key other" key unlock other
PASS=wrong expect $ALICE 3 "no key slot" key unlock work
# Knowing another's key id is no help: it has to be one's own use.
install -d -o $BOB "$M/x"
expect $BOB 7 "not by you" policy set "$M/x" "$a"
expect $ALICE 1 "only its owner" policy set "$M/x" work
expect $BOB 7 "isn't unlocked by you" key lock "$a"
expect $BOB 1 "another user brought it" key remove "$a" --yes
rmdir "$M/x"

what="a place of one's own"
# Nobody else makes names, or finds out what there are.
for i in "$D/2999" "$D/x" "$D/$ALICE/x" "$M/.inocrypt/x"; do
	! as $BOB mkdir "$i" 2>/dev/null || fail "$what: bob can make $i"
done
! as $BOB ls "$D/$ALICE" >/dev/null 2>&1 || fail "$what: bob counts alice's keys"
PASS=x expect 2009 1 "as root: inocrypt key setup 2009 --mount $M" key new work "${QUICK[@]}"
expect $ALICE 2 "is for root" key setup 2009
# As a crash leaves it.
mkdir -m 700 "$D/2010"
PASS=x expect 2010 1 "as root: inocrypt key setup 2010" key new work "${QUICK[@]}"
expect 0 0 "" key setup 2009 2010
for i in 2009 2010; do
	new_key $i work >/dev/null
	expect $i 0 "" key remove work --yes
done
# Whatever a user puts into his: root's list has its bounds, others' isn't touched.
as $BOB bash -e -c "cd $D/$BOB; : >$(printf %032d 1).00000000.luks; for ((i = 0; i < 99; i++)); do : >\$i; done
	mkfifo $(printf %032d 2).00000000.luks; ln -s /dev/zero $(printf %032d 3).00000000.luks"
expect 0 0 "1 users' directories .*the first: $D/$BOB" key list
# Nor is anything passed that he mounts there, which may answer when he likes.
mount -t tmpfs -o uid=$BOB,mode=700 none "$D/$BOB"
expect 0 0 "1 users' directories .*the first: $D/$BOB" key list
expect 0 0 "" key setup
umount "$D/$BOB"
expect $ALICE 0 "work +$ALICE +$a unlocked"$'\n' key list
expect $BOB 0 "work +$BOB +$b unlocked"$'\n' key list
! grep -q "the first:" $W/out || fail "$what: bob isn't told of others"
# His own key's id may begin with a zero, too.
as $BOB bash -c "cd $D/$BOB && rm -f ? ?? 0000000000000000000000000000000[123].*"

what="killed while a key is made"
cp "$INOCRYPT_BUILD/tests/stop_at.so" $W/
inocrypt key slots vol >$W/slots
# stopped PASSPHRASE: key new, which ends when the file has its name.
stopped()
{
	rc=0
	printf %s "$1" | as $ALICE env LD_PRELOAD=$W/stop_at.so STOP_FILE="$D/$ALICE" STOP_AT=1 \
		inocrypt key new begun "${QUICK[@]}" >/dev/null 2>&1 || rc=$?
	[ $rc = 99 ] || fail "$what: exit code $rc"
}
stopped one
inocrypt key slots vol | cmp - $W/slots || fail "$what: a record that nobody has a key for"
expect $ALICE 0 "begun +$ALICE +[0-9a-f]{32} unknown" key list
PASS=two expect $ALICE 3 "key begun was begun here, under another passphrase" key new begun "${QUICK[@]}"
PASS=one expect $ALICE 0 '^[0-9a-f]{32}$' key new begun "${QUICK[@]}"
expect $ALICE 0 "begun +$ALICE +$(<$W/out) unlocked" key list
expect $ALICE 0 "" key remove begun --yes
stopped one
expect $ALICE 0 "" key remove begun --yes
inocrypt key slots vol | cmp - $W/slots || fail "$what: something is left"
[ "$(find "$D/$ALICE" -type f | wc -l)" = 2 ] || fail "$what: $(ls "$D/$ALICE")"
# A record without a file makes room; what is unlocked isn't such a one.
lost=$(new_key 2009 lost)
rm "$D"/2009/*
expect 2009 0 "- +2009 +$lost unlocked, no file" key list
expect 2009 0 "" key lock --all
head -c 480 /dev/urandom | split -b 32 - $W/mk.
chmod 644 $W/mk.*
for i in "$W"/mk.*; do echo "ok keyadd . $i"; done | ops 2009 "$M"
new_key 2009 found >/dev/null
! inocrypt key slots vol | grep -q "$lost" || fail "$what: its record is there"
PASS=x expect 2009 1 "as many as one user may" key new more "${QUICK[@]}"

what="directories under them"
for u in $ALICE $BOB; do
	user_dir "$u" "$M/$u" work
	install -d -o "$u" "$M/plain$u"
done
user_dir $ALICE "$M/other" other
install -d -m 1777 "$M/pub"
ops $ALICE "$M" <<-END
	ok write $ALICE/f 1 0 200k
	ok write other/f 3 0 9000
	ok write plain$ALICE/f 2 0 100k
	ok mkdir $ALICE/d
	ok write $ALICE/d/g 4 0 10
	ok symlink f $ALICE/s
	ok setxattr $ALICE/f user.test
	ok write pub/f 2 0 100k
END
under "$a" "$M/$ALICE/f" "$M/$ALICE/d" "$M/$ALICE/d/g"
under none "$M/pub/f"

what="link, rename, O_TMPFILE by the user"
ops $ALICE "$M" <<-END
	EXDEV link plain$ALICE/f $ALICE/l
	EXDEV link other/f $ALICE/l
	EXDEV rename plain$ALICE/f $ALICE/l
	EXDEV rename $ALICE/f other/l
	EXDEV rename $ALICE/d other/d
	EXDEV exchange $ALICE/f plain$ALICE/f
	ok link $ALICE/f $ALICE/d/l
	ok link $ALICE/f pub/l
	ok rename pub/l pub/l2
	ok unlink $ALICE/d/l
	ok tmpfile $ALICE $ALICE/t
	ok haspolicy $ALICE/t $a
	ok tmpfile $ALICE pub/t
	ok haspolicy pub/t $a
	EXDEV tmpfile other $ALICE/t2
	EXDEV tmpfile pub $ALICE/t2
	EACCES write $BOB/x 1 0 10
	EACCES link $ALICE/f $BOB/l
END
under "$a" "$M/pub/l2"

what="cp, tar, rsync into and out of them"
as $ALICE bash -e <<-END || fail "$what"
	cd $M
	cp -a plain$ALICE other/cp
	cp -a $ALICE plain$ALICE/cp
	cp -a --reflink=auto $ALICE/f other/copy
	tar -C $ALICE -cf - . | tar -C other -xf - --one-top-level=tar
	tar -C $ALICE -cf - . | tar -C plain$ALICE -xf - --one-top-level=tar
	rsync -aX $ALICE/ other/rsync
	rsync -aX $ALICE/ plain$ALICE/rsync
	rsync -aX --inplace plain$ALICE/f $ALICE/inplace
	for i in cp tar rsync; do
		cmp $ALICE/f plain$ALICE/\$i/f
		cmp $ALICE/d/g plain$ALICE/\$i/d/g
		[ \$(readlink plain$ALICE/\$i/s) = f ]
	done
	for i in tar rsync; do
		cmp $ALICE/f other/\$i/f
		cmp $ALICE/d/g other/\$i/d/g
	done
	cmp plain$ALICE/f other/cp/f
	cmp plain$ALICE/f $ALICE/inplace
	cmp $ALICE/f other/copy
	for i in cp/f rsync/f; do getfattr -n user.test plain$ALICE/\$i >/dev/null; done
END
under "$a2" "$M"/other/{cp/f,copy,tar/f,tar/d/g,rsync/f,rsync/d}
under none "$M/plain$ALICE"/{cp/f,tar/f,tar/d,rsync/f}
under "$a" "$M/$ALICE/inplace"

what="mv"
as $ALICE bash -e <<-END || fail "$what"
	cd $M
	cp plain$ALICE/f plain$ALICE/m
	mv plain$ALICE/m $ALICE/m
	mv $ALICE/d other/moved
	mv $ALICE/t plain$ALICE/kept
	[ ! -e plain$ALICE/m ] && [ ! -e $ALICE/d ]
	cmp plain$ALICE/f $ALICE/m
END
under "$a" "$M/$ALICE/m" "$M/plain$ALICE/kept"
under "$a2" "$M/other/moved/g"

what="report"
expect 0 0 "$a +$M/$ALICE"$'\n' policy report "$M"
expect 0 0 "$a: 5 files, [0-9]+ bytes, $ALICE:work" policy report "$M"
expect $ALICE 0 "^$a +$M/$ALICE"$'\n\n'"$a: 3 files, [0-9]+ bytes, $ALICE:work$" policy report "$M/$ALICE"
expect $ALICE 1 "1 files or directories could not be looked at" policy report "$M"
expect 0 0 "\"path\": \"$M/other\",[^}]*\"policy\": \"$a2\"" policy report "$M" --json
# Names that users chose, on root's terminal and for root's programs.
mkdir "$M/odd"
for n in $'e\e]0;t\a\e[2J' $'b\xff' $'l1\nl2'; do user_dir $BOB "$M/odd/$n" "$b"; done
expect 0 0 "$M/odd/b\\\\377" policy report "$M/odd"
expect 0 0 "$M/odd/e\\\\033]0;t\\\\007\\\\033\[2J" policy report "$M/odd"
expect 0 0 "$M/odd/l1\\\\012l2" policy report "$M/odd"
inocrypt policy report "$M/odd" --json | python3 -c 'import json, sys
assert sorted(d["path"].split("/")[-1] for d in json.load(sys.stdin)["directories"])[:3] == ["b\\377", "e\x1b]0;t\x07\x1b[2J", "l1\nl2"]' ||
	fail "JSON of odd names: $(inocrypt policy report "$M/odd" --json)"

what="locked"
exec 7<"$M/$ALICE/f"
expect $ALICE 4 "still open under it: 1 file;" key lock work
exec 7<&-
expect $ALICE 7 "isn't unlocked by you" key lock work
expect $ALICE 0 "work +$ALICE +$a not unlocked by you"$'\n' key list
expect 0 0 "work +$ALICE +$a locked"$'\n' key list
expect 0 0 "$a: 5 files" policy report "$M"
expect 0 0 "^$a$" policy get "$M/pub/l2"
ops $ALICE "$M" <<-END
	ENOKEY open $ALICE/f r
	ENOKEY open pub/l2 r
	ENOKEY open $ALICE/new c
	ENOKEY tmpfile $ALICE pub/x
	ok check other/f 3 0 9000
	ok unlink plain$ALICE/kept
END
! as $ALICE mv "$M/plain$ALICE/f" "$M/$ALICE/n" 2>/dev/null || fail "$what: mv into a locked directory"
[ -e "$M/plain$ALICE/f" ] || fail "$what: mv lost the file"
! cp "$M/$ALICE/f" /tmp/x 2>/dev/null || fail "$what: root reads it"
# Bob's key doesn't care; others may use alice's as long as they do.
PASS=pw-$ALICE expect 0 0 "" key unlock $ALICE:work
PASS=pw-$ALICE expect $ALICE 0 "" key unlock work
expect $ALICE 0 "stays unlocked: other users" key lock work
ops $ALICE "$M" <<<"ok check $ALICE/f 1 0 200k"
expect 0 0 "" key lock $ALICE:work
ops $ALICE "$M" <<<"ENOKEY open $ALICE/f r"
PASS=pw-$ALICE expect $ALICE 0 "" key unlock work
PASS=pw-$ALICE expect 0 0 "" key unlock $ALICE:work
expect $ALICE 1 "only root" key lock work --all-users
expect 0 0 "" key lock --all --all-users
ops $BOB "$M" <<<"ENOKEY open $BOB/new c"
PASS=pw-$ALICE expect $ALICE 0 "" key unlock other
expect $ALICE 0 "" key lock --all

what="passphrases"
PASS=$'pw-'$ALICE$'\nnew one' expect $ALICE 0 "" key passwd work "${QUICK[@]}"
PASS=pw-$ALICE expect $ALICE 3 "no key slot" key unlock work
echo -n "new one" >pw && chown $ALICE pw
expect $ALICE 0 "" key unlock work -d pw

what="default keys"
install -d -m 1777 "$M/team"
expect 0 0 "" policy set "$M/team" --user-key
expect $BOB 0 "^user-key$" policy get "$M/team"
PASS=pw-$BOB expect $BOB 0 "" key unlock work
ops $ALICE "$M/team" <<<"ENOKEY open f c"
for u in $ALICE $BOB; do
	expect "$u" 0 "^none$" key default
	expect "$u" 0 "" key default work
	ops "$u" "$M/team" <<-END
		ok write f$u 1 0 100
		ok mkdir d$u
		ok write d$u/f 1 0 100
	END
done
expect $BOB 0 "^$b$" key default
expect $BOB 0 "$b unlocked, default" key list
under "$a" "$M/team/f$ALICE" "$M/team/d$ALICE/f"
under "$b" "$M/team/f$BOB" "$M/team/d$BOB/f"
# What has a key goes there, and directories like it; not what never has one.
mkdir "$M/like" "$M/nokey"
expect 0 0 "" policy set "$M/like" --user-key
expect 0 0 "" policy set "$M/nokey" --no-key
ops 0 "$M" <<-END
	ok rename like team/like
	EXDEV rename nokey team/nokey
END
rmdir "$M/team/like" "$M/nokey"
# Nobody has to live with another's files under his key.
printf '%s' "$b" | as $ALICE keyctl padd user EXT4_DEFAULT_KEY @u >/dev/null
ops $ALICE "$M/team" <<<"ENOKEY open g c"
expect $ALICE 0 "" key default none
ops $ALICE "$M/team" <<<"ENOKEY open g c"
ops $CAROL "$M/team" <<<"ENOKEY open g c"
expect $ALICE 0 "$b: 2 files" policy report "$M/team"

what="keys of the mount"
mount -o remount,owner_key="$a" "$M"
ops $CAROL "$M/pub" <<<"ok write c 1 0 100"
under "$a" "$M/pub/c"
c=$(new_key $CAROL c)
under none "$D/$CAROL/$c".*
vol_umount
VOL_MOUNT_OPTS=require_key vol_mount
expect $ALICE 7 "isn't unlocked by you" key lock work
ops $CAROL "$M/pub" <<<"ENOKEY open d c"
new_key $CAROL c2 >/dev/null
expect $CAROL 0 "" key lock c2
PASS=pw-$CAROL expect $CAROL 0 "" key unlock c2
vol_umount
vol_mount

what="erase"
expect 0 2 "isn't a regular file" erase "$M/$ALICE"
expect 0 1 "under no key but the volume's" erase "$M/plain$ALICE/f"
[ -e "$M/plain$ALICE/f" ] || fail "$what: it is gone"
expect 0 2 "has 2 names" erase "$M/$ALICE/f"
expect 0 0 "" erase "$M/pub/l2" --force
expect $BOB 1 "denied" erase "$M/$ALICE/m"
expect $ALICE 0 "" erase "$M/$ALICE/m" "$M/$ALICE/f"
expect $ALICE 0 "" key unlock work -d pw
exec 7<"$M/$ALICE/inplace"
expect $ALICE 4 "is open" erase "$M/$ALICE/inplace"
exec 7<&-
expect $ALICE 0 "" erase "$M/$ALICE/inplace"
[ ! -e "$M/$ALICE/inplace" ] || fail "$what: it is there"

what="export, remove, import"
expect $ALICE 0 "" key export work $W/work.luks
expect $ALICE 2 "File exists" key export work $W/work.luks
PASS=$'new one\nelsewhere' expect $ALICE 0 "" key export work $W/copy.luks --new-passphrase "${QUICK[@]}"
[ "$(stat -c '%u %a' $W/work.luks)" = "$ALICE 600" ] || fail "$what: mode"
PASS=$'wrong\nelsewhere' expect $ALICE 3 "no key slot" key export work $W/part.luks --new-passphrase "${QUICK[@]}"
[ ! -e $W/part.luks ] || fail "$what: it is there though it failed"
mkfifo $W/pass
as $ALICE inocrypt key export work $W/part.luks --new-passphrase "${QUICK[@]}" <$W/pass >$W/out 2>&1 &
exec 9>$W/pass
sleep 1
[ ! -e $W/part.luks ] || fail "$what: it is there under the old passphrase"
kill $!
exec 9>&-
wait $! || true
[ ! -e $W/part.luks ] || fail "$what: it is there when it was interrupted"
expect $ALICE 4 "policy report $M" key remove work --yes
rm -r "${M:?}/$ALICE" "$M"/pub/{t,c} "$M/team/f$ALICE" "$M/team/d$ALICE"
PASS='' expect $ALICE 2 "say --yes" key remove work
expect $ALICE 0 "" key remove work --yes
! compgen -G "$D/*/$a.*" || fail "$what: the file is there"
! inocrypt key slots vol | grep -q "$a" || fail "$what: the volume knows it"
PASS="new one" expect $ALICE 3 "no key slot" key import $W/copy.luks
PASS="elsewhere" expect $ALICE 1 "have a key other" key import $W/copy.luks other
PASS="elsewhere" expect $ALICE 0 "^$a$" key import $W/copy.luks again
PASS="elsewhere" expect $ALICE 1 "already, as again" key import $W/copy.luks more
expect $ALICE 0 "again +$ALICE +$a unlocked"$'\n' key list
# Shared: bob has a copy of his own; it isn't his to remove.
cp $W/copy.luks $W/bob.luks && chown $BOB $W/bob.luks
PASS="elsewhere" expect $BOB 0 "^$a$" key import $W/bob.luks alices
expect $ALICE 4 "another user has key $a" key remove again --yes
expect $BOB 0 "stays unlocked: other users" key lock alices
expect $BOB 1 "another user brought it" key remove alices --yes
expect $BOB 0 "" key remove alices --yes --file-only
[ "$(compgen -G "$D/*/$a.*" | wc -l)" = 1 ] || fail "$what: number of files"

what="another volume"
VOL1=$VOL_NAME
VOL_NAME=two VOL_MNT=/mnt/two VOL_KEYS=/tmp/keys.two vol_setup /run/disks/e
vol_format
vol_open
vol_mkfs
vol_mount
PASS=x expect $ALICE 2 "several inocrypt volumes.*$M.*/mnt/two|several inocrypt volumes.*/mnt/two.*$M" key list
# As earlier versions made it.
mkdir -p /mnt/two/.inocrypt/keys
chmod 1777 /mnt/two/.inocrypt/keys
expect $ALICE 1 "earlier versions of inocrypt made it; as root: mv " key list -m /mnt/two
expect 0 1 "earlier versions" key setup -m /mnt/two
mv /mnt/two/.inocrypt/keys /mnt/two/old-keys
expect 0 0 "" key setup -m /mnt/two
PASS="elsewhere" expect $ALICE 0 '^[0-9a-f]{32}$' key import $W/copy.luks -m /mnt/two
a3=$(<$W/out)
[ "$a3" != "$a" ] || fail "$what: the same id"
cd /mnt/two/.inocrypt
expect $ALICE 0 "work +$ALICE +$a3 unlocked" key list
expect $ALICE 6 "isn't on an ext4" key list -m /tmp
cd $W
vol_umount
vol_close
VOL_NAME=$VOL1 VOL_MNT=$M VOL_KEYS=/tmp/keys.$VOL1 vol_setup /run/disks/d

what="unmounting locks what was brought, not what was added below"
k=$(key_new below)
cp "$VOL_KEYS/mk.below" $W/below && chmod 644 $W/below
ops $ALICE "$M" <<-END
	ok keyadd . $W/below
	EBUSY keylock . $k
	ok keyadd . $W/below
END
expect $ALICE 0 "again +$ALICE +$a unlocked" key list
vol_umount
inocrypt key slots vol >$W/slots
grep -q "$k.*loaded" $W/slots || fail "$what: $(<$W/slots)"
! grep -q "$a.*loaded" $W/slots || fail "$what: $(<$W/slots)"
vol_fsck
vol_close
say "users' keys and files: ok"
