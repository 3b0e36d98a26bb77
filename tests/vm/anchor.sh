#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The freshness anchor: an older or forked volume, or one whose superblocks alone are old, is
# refused, with a message; so is an anchor that was changed; a crash is no reason to refuse.
# vm: --disk data:18M --disk side:4M --disk data2:18M --disk side2:4M --timeout 600
set -euo pipefail
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

D=/run/disks/data S=/run/disks/side
keep=/results/anchor
vk=$keep/vk
export INOCRYPT_ANCHOR_DIR=$keep/var/anchors
n=0

blk() { dd "$@" bs=4096 status=none conv=notrunc; }
# What of the devices is ever written: the header area isn't.
save() { blk if=$S of="/tmp/$1.s"; blk if=$D of="/tmp/$1.d" skip=4096; }
back() { blk if="/tmp/$1.s" of=$S; blk if="/tmp/$1.d" of=$D seek=4096; }
unchanged()
{
	cmp -s $S "/tmp/$1.s" && cmp -s <(blk if=$D skip=4096) "/tmp/$1.d" || fail "$2: the devices were written to"
}
flip()
{
	local b

	b=$(dd if="$1" bs=1 skip="$2" count=1 status=none | od -An -tu1)
	printf "\\x$(printf %02x $((b ^ $3)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
# expect RC REGEX ARGS...: run the tool; its exit code and its message.
expect()
{
	n=$((n + 1))
	says "$1" "$2" inocrypt "${@:3}"
}
open() { inocrypt open $D vol --sidecar $S -k $vk "$@"; }
# opens / refused: what "inocrypt open" does with these arguments.
opens() { expect 0 "$1" open $D vol --sidecar $S -k $vk "${@:2}"; }
silent() { opens "" "$@"; [ ! -s /tmp/out ] || fail "open says: $(</tmp/out)"; }
refused()
{
	expect "$1" "$2" open $D vol --sidecar $S -k $vk "${@:3}"
	[ ! -e /dev/mapper/vol ] || fail "a device is left"
	no_key inocrypt-anchor || fail "an anchor's key is left"
}
# Write something new, anywhere.
put() { head -c 65536 /dev/urandom | blk of=/dev/mapper/vol oflag=direct iflag=fullblock "$@"; }
get() { dmsetup status vol | tr ' ' '\n' | sed -n "s/^$1=//p"; }
# disk FIELD: of the newest superblock on the disk, without the kernel
disk()
{
	inocrypt dump $D --sidecar $S -k $vk |
		awk -v f="$1" '$1 == "current_copy" { c = $2 } $1 == "copy" { at = $2 } $1 == f && at == c { print $2 }'
}
anchored() { inocrypt anchor show "$anchor" -k $vk | awk -v f="$1" '$1 == f { print $2 }'; }
# The anchor tells of exactly what the superblock on the disk tells of.
same_as_disk()
{
	local e

	e=$(disk epoch)
	[ "$(anchored epoch)" = "$e" ] || fail "$1: the anchor is at epoch $(anchored epoch), the disk at $e"
	[ "$(anchored super)" = "$(dd if=$S bs=1 skip=$(((e & 1) * 32768 + 144)) count=16 status=none | od -An -tx1 | tr -d ' \n')" ] ||
		fail "$1: the anchor names another superblock"
}

if [ "$VM_STAGE" -gt 0 ]; then
	uuid=$(<$keep/uuid)
	anchor=$INOCRYPT_ANCHOR_DIR/$uuid
	was=$(<$keep/epoch)
	[ "$(disk epoch)" -ge "$(anchored epoch)" ] || fail "the anchor is ahead of the disk"
	silent
	[ "$(get epoch)" -ge "$was" ] || fail "epoch $(get epoch) after the power cut, $was before"
	[ "$(blkcmp -l /dev/mapper/vol $keep/ref 4096)" = "same 64 errors 0 dirty 0 zeros 0 wrong 0" ] ||
		fail "after the power cut: $(blkcmp /dev/mapper/vol $keep/ref 4096 | tail -n 3)"
	inocrypt close vol
	same_as_disk "after the power cut"
	say "cut off in the midst of writing: opens, at epoch $(disk epoch), anchored before at $was"
	exit 0
fi

mkdir -p $keep
head -c 32 /dev/urandom >$vk
make_volume()
{
	inocrypt format $D --sidecar $S -k $vk -y --force --owners 1000 --log-size 256K >/tmp/out
	uuid=$(awk '$1 == "volume" { print $2 }' /tmp/out)
	anchor=$INOCRYPT_ANCHOR_DIR/$uuid
}
make_volume

say "made, kept, shown"
opens "no anchor of this volume yet: taken as it is.* $anchor\$"
[ "$(stat -c '%a %s' "$anchor")" = "600 128" ] || fail "the anchor: $(stat "$anchor")"
[ "$(stat -c %a "$INOCRYPT_ANCHOR_DIR")" = 700 ] || fail "its directory: $(stat "$INOCRYPT_ANCHOR_DIR")"
expect 0 "^mac  *valid\$" anchor show vol
expect 0 "^mac  *not checked" anchor show "$uuid"
expect 0 "^mac  *valid\$" anchor show "$uuid" -k $vk
expect 0 "\"epoch\": $(get epoch),?\$" anchor show /dev/mapper/vol --json
head -c 32 /dev/urandom >/tmp/other
expect 11 "another key" anchor show "$anchor" -k /tmp/other
# Its key can be read by user 0, not by who inherited a keyring from it.
key=$(keyctl search @u user "inocrypt-anchor:$uuid")
keyctl pipe "$key" >/tmp/key
[ "$(stat -c %s /tmp/key)" = $((33 + ${#anchor})) ] || fail "the key: $(xxd /tmp/key)"
keyctl session - keyctl pipe "$key" 2>/dev/null | cmp - /tmp/key || fail "root in a session of its own can't read the anchor's key"
echo "keyctl link @u @s; exec setpriv --reuid 65534 --clear-groups keyctl pipe $key" >/tmp/thief
! keyctl session - bash /tmp/thief >/tmp/out 2>&1 || fail "user 65534 reads the anchor's key"
grep -q "Permission denied" /tmp/out || fail "reading the anchor's key: $(</tmp/out)"
put
e=$(anchored epoch)
inocrypt checkpoint vol
[ "$(anchored epoch)" = "$(get epoch)" ] && [ "$(get epoch)" -gt "$e" ] ||
	fail "checkpoint: the anchor is at $(anchored epoch), the volume at $(get epoch), before $e"
[ "$(anchored super)" = "$(get super)" ] || fail "checkpoint: not the superblock that the status names"
put seek=20
dmsetup message vol 0 checkpoint
expect 0 "" anchor refresh vol
same_as_disk "anchor refresh"
put seek=40
exec 9</dev/mapper/vol
expect 4 "vol is in use" close vol
exec 9<&-
put seek=40
inocrypt close vol
same_as_disk "close"
no_key inocrypt-anchor || fail "the anchor's key is left after close"
silent
put
inocrypt close vol
same_as_disk "the second close"

say "older"
save one
silent
put
inocrypt close vol
save two
back one
refused 10 "^inocrypt: $D is older than it was: it is at epoch [0-9]*, and was at $(anchored epoch) on 20.*says $anchor\$"
grep -q -e "--accept-rollback" /tmp/out || fail "it doesn't say what to do: $(</tmp/out)"
refused 10 "is older" --readonly
unchanged one "a refused open"
cp "$anchor" /tmp/anchor
opens "opened nevertheless" --readonly --accept-rollback
inocrypt close vol
unchanged one "a read-only look"
cmp -s "$anchor" /tmp/anchor || fail "a read-only look has changed the anchor"
refused 10 "is older"
opens "opened nevertheless" --accept-rollback
expect 0 "^mac  *valid\$" anchor show vol
inocrypt close vol
same_as_disk "--accept-rollback"
silent
inocrypt close vol
# Without one, nobody notices; and no anchor is touched.
back one
cp "$anchor" /tmp/anchor
open --anchor none
expect 7 "no anchor is kept for vol" anchor refresh vol
inocrypt checkpoint vol
inocrypt close vol
cmp -s "$anchor" /tmp/anchor || fail "--anchor none: the anchor changed"

say "old superblocks over new data and the other way round"
back two
cp /tmp/anchor "$anchor"
opens "" --accept-rollback
put
inocrypt close vol
save three
blk if=/tmp/two.s of=$S count=16
refused 10 "is older"
cp "$anchor" /tmp/anchor
back three
blk if=/tmp/two.s of=$S
refused 10 "is older"
back three
# The newest superblock spoilt: the one before it would count.
c=$(($(disk epoch) & 1))
flip $S $((c * 32768 + 300)) 1
refused 10 "is older"
grep -q "Or it is damaged: superblock copy $c is unusable" /tmp/out || fail "no word of the damage: $(</tmp/out)"
back three
# Old data alone is the records' business.
blk if=/tmp/two.d of=$D seek=4096
silent --readonly
inocrypt close vol

say "forked"
# fork NAME [ARGS of open]: go on from the same state in the same steps, with other data. What was
# not flushed is still on its way at the checkpoint, if that comes soon, and wants another one.
fork()
{
	back base
	open "${@:2}"
	put seek=5 conv=fsync
	inocrypt checkpoint vol
	put seek=50 conv=fsync
	inocrypt close vol
	save "$1"
	disk epoch
}
back three
opens "" --accept-rollback
inocrypt close vol
save base
cp "$anchor" /tmp/anchor
for i in 1 2 3 4 5; do
	b=$(fork b --anchor none)
	cp /tmp/anchor "$anchor"
	a=$(fork a)
	[ "$a" != "$b" ] || break
done
[ "$a" = "$b" ] || fail "forks at epochs $a and $b, tried $i times"
silent --readonly
inocrypt close vol
back b
refused 10 "^inocrypt: $D is a fork: it is at epoch $a as it was on 20"
grep -q -e "--accept-rollback" /tmp/out || fail "it doesn't say what to do: $(</tmp/out)"
unchanged b "a refused fork"
# Also when the trees are equal, here empty: two superblocks with the same root.
blank()
{
	back base
	open "${@:2}"
	put conv=fsync
	blkdiscard /dev/mapper/vol
	inocrypt close vol
	save "$1"
	disk epoch
}
for i in 1 2 3 4 5; do
	b=$(blank b --anchor none) r=$(disk root_tag)
	cp /tmp/anchor "$anchor"
	a=$(blank a)
	[ "$a" != "$b" ] || break
done
[ "$a" = "$b" ] || fail "forks at epochs $a and $b, tried $i times"
[ "$r" = "$(disk root_tag)" ] || fail "the forks' trees aren't equal: $r, $(disk root_tag)"
back b
refused 10 "is a fork"
opens "opened nevertheless" --accept-rollback
inocrypt close vol
silent
inocrypt close vol

say "storage that shows the tool one thing and the kernel another"
put_back="dd if=/tmp/one.s of=$S bs=4096 status=none conv=notrunc; dd if=/tmp/one.d of=$D bs=4096 seek=4096 status=none conv=notrunc"
save now
export LD_PRELOAD=$INOCRYPT_BUILD/tests/swap_before_load.so SWAP_CMD=$put_back
refused 10 "^inocrypt: what the kernel read from the device is older"
back now
open --anchor none
unset LD_PRELOAD SWAP_CMD
[ "$(get epoch_loaded)" -lt "$(anchored epoch)" ] || fail "the swap didn't work"
inocrypt close vol
back now
silent
inocrypt close vol

say "an anchor that was changed"
cp "$anchor" /tmp/anchor
rm -rf /tmp/good
save now
for at in 0 16 32 48 127; do
	flip "$anchor" $at 1
	refused 11 "^inocrypt: can't use the anchor $anchor: it "
	cp /tmp/anchor "$anchor"
done
grep -q "changed, or is of a volume with another key" /tmp/out || fail "a wrong MAC: $(</tmp/out)"
grep -q -e "--accept-rollback" /tmp/out || fail "it doesn't say what to do: $(</tmp/out)"
truncate -s 127 "$anchor"
refused 11 "too short"
truncate -s 0 "$anchor"
refused 11 "too short"
truncate -s 1T "$anchor"
refused 11 "too long"
rm "$anchor"
mkdir "$anchor"
refused 11 "not a regular file"
rmdir "$anchor"
mkfifo "$anchor"
refused 11 "not a regular file"
rm "$anchor"
ln -s /tmp/anchor "$anchor"
refused 11 "symbolic link"
rm "$anchor"
# Another volume's, with the same key; also under this volume's name.
inocrypt format /run/disks/data2 --sidecar /run/disks/side2 -k $vk -y --owners 1000 --log-size 256K >/dev/null
inocrypt open /run/disks/data2 vol2 --sidecar /run/disks/side2 -k $vk --anchor /tmp/second 2>/tmp/out
inocrypt close vol2
refused 11 "of another volume" --anchor /tmp/second
# What is no anchor of this volume stays, whatever is accepted.
echo precious >/tmp/file
for f in /tmp/second /tmp/file; do
	cp $f /tmp/copy
	refused 11 "$f is no anchor of this volume, and isn't replaced" --anchor $f --accept-rollback
	cmp -s $f /tmp/copy || fail "$f was replaced"
done
(printf 'inoanchr\x01\0\0\0\0\0\0\0'; dd if="/tmp/anchor" bs=1 skip=16 count=16 status=none
	dd if=/tmp/second bs=1 skip=32 status=none) >"$anchor"
refused 11 "it was changed"
expect 3 "does not authenticate" open $D vol --sidecar $S -k /tmp/other
unchanged now "refused opens"
opens "opened nevertheless" --accept-rollback
grep -q "is replaced: it was changed" /tmp/out || fail "nothing said of the replaced anchor: $(</tmp/out)"
expect 0 "^mac  *valid\$" anchor show vol
# Changed while the volume is open: what the kernel says still holds.
flip "$anchor" 100 1
expect 11 "it was changed" anchor show vol
expect 0 "warning: .* is replaced: it was changed" anchor refresh vol
inocrypt close vol
same_as_disk "a replaced anchor"
# Set back, or to another future, while the volume is open: it is never lowered.
silent
inocrypt anchor show vol >/tmp/was
cp "$anchor" /tmp/anchor
put
inocrypt checkpoint vol
cp "$anchor" /tmp/newer
inocrypt close vol
cp /tmp/newer "$anchor"
back now
opens "" --accept-rollback
cp /tmp/newer "$anchor"
expect 10 "the open volume is (older|a fork)" anchor refresh vol
cmp -s "$anchor" /tmp/newer || fail "the anchor was set back"
expect 10 "is closed, but its anchor is not up to date" close vol
[ ! -e /dev/mapper/vol ] || fail "it isn't closed"
opens "opened nevertheless" --accept-rollback
inocrypt close vol

say "two that refresh it"
silent
put
exec 7<"$INOCRYPT_ANCHOR_DIR" 8>>"$INOCRYPT_ANCHOR_DIR/.$uuid.lock"
flock 7
flock 8
inocrypt anchor refresh vol >/tmp/late 2>&1 7<&- 8>&- &
late=$!
sleep 1
put
dmsetup message vol 0 checkpoint
# What another one writes meanwhile.
unshare -m sh -c "mount -t tmpfs none $INOCRYPT_ANCHOR_DIR && inocrypt anchor refresh vol && cp $anchor /tmp/newer" 7<&- 8>&-
cp /tmp/newer "$anchor"
exec 7<&- 8>&-
wait $late || fail "the later of two: exit code $?: $(</tmp/late)"
exec 8>>"$INOCRYPT_ANCHOR_DIR/.$uuid.lock"
flock 8
expect 4 "another process has kept it locked" anchor refresh vol
# Who waits for it to close the volume has stopped nothing yet.
exec 7<"$INOCRYPT_ANCHOR_DIR"
flock 7
inocrypt close vol 7<&- 8>&- &
late=$!
sleep 2
kill $late
! wait $late || fail "close didn't wait for the lock"
[ "$(dmsetup info -c --noheadings -o suspended vol)" = Active ] || fail "left suspended: $(dmsetup info vol)"
exec 7<&- 8>&-
[ "$(stat -c %a "$INOCRYPT_ANCHOR_DIR/.$uuid.lock")" = 600 ] || fail "the lock: $(stat "$INOCRYPT_ANCHOR_DIR/.$uuid.lock")"
inocrypt close vol

say "a record that dmsetup remove has left"
for arg in --readonly "--anchor none"; do
	silent
	dmsetup remove --retry vol
	grep -q inocrypt-anchor /proc/keys || fail "no record is left"
	# shellcheck disable=SC2086
	opens "" $arg
	no_key inocrypt-anchor || fail "$arg: the record is still there"
	expect 7 "no anchor is kept for vol" anchor refresh vol
	inocrypt close vol
done

say "no place for it"
! touch /var/lib/x 2>/dev/null || fail "/var/lib can be written here; this test needs another place"
(unset INOCRYPT_ANCHOR_DIR && refused 1 "can't write the anchor /var/lib/inocrypt/anchors/$uuid: Read-only")
grep -q -e "--anchor none" /tmp/out || fail "it doesn't say what to do: $(</tmp/out)"
refused 1 "can't write the anchor /tmp/none/x: No such file" --anchor /tmp/none/x
(cd /tmp && opens "is kept in /tmp/relative\$" --anchor relative)
inocrypt close vol
expect 0 "^mac  *valid" anchor show /tmp/relative -k $vk
[ "$(stat -c %a /tmp/relative)" = 600 ] || fail "the mode of --anchor FILE"
INOCRYPT_ANCHOR_DIR=none silent
inocrypt close vol
mkdir /tmp/small
mount -t tmpfs -o size=4k,nr_inodes=2 small /tmp/small
: >/tmp/small/full
refused 1 "can't write the anchor /tmp/small/x: No space" --anchor /tmp/small/x
umount /tmp/small

say "superblocks that can't be written"
cur=$(blockdev --getsz $S)
dmsetup create under --table "0 $cur linear $S 0"
inocrypt open $D vol --sidecar /dev/mapper/under -k $vk --accept-rollback
e=$(get epoch)
put
dmsetup suspend --noflush --nolockfs under
dmsetup reload under --table "0 $cur flakey $S 0 0 1 1 error_writes"
dmsetup resume under
expect 5 "checkpoint" checkpoint vol
[ "$(anchored epoch)" = "$e" ] || fail "the anchor went ahead of the disk: $(anchored epoch), not $e"
expect 5 "is closed, but its last changes could not be committed" close vol
[ ! -e /dev/mapper/vol ] || fail "a failed volume can't be closed"
[ "$(anchored epoch)" = "$e" ] || fail "the anchor went ahead of the disk: $(anchored epoch), not $e"
# Without an anchor the same is noticed.
healthy() { dmsetup suspend --noflush --nolockfs under; dmsetup reload under --table "0 $cur $1"; dmsetup resume under; }
healthy "linear $S 0"
inocrypt open $D vol --sidecar /dev/mapper/under -k $vk --anchor none
put
healthy "flakey $S 0 0 1 1 error_writes"
expect 5 "is closed, but its last changes could not be committed" close vol
[ ! -e /dev/mapper/vol ] || fail "a failed volume without an anchor can't be closed"
# A table that can't be activated has no state: that is no older one.
healthy "linear $S 0"
inocrypt open $D vol --sidecar /dev/mapper/under -k $vk
keyctl padd logon "inocrypt:$uuid" @u <$vk >/dev/null
dmsetup reload vol --table "$(dmsetup table vol)"
dmsetup suspend vol
healthy "flakey $S 0 0 1 1 error_writes"
! dmsetup resume vol 2>/dev/null || fail "activated, though a flush fails"
expect 5 "vol has no state yet" anchor refresh vol
healthy "linear $S 0"
dmsetup resume vol
inocrypt close vol
keyctl unlink %logon:"inocrypt:$uuid" @u
dmsetup remove --retry under
silent
inocrypt close vol

say "watched"
silent
inocrypt anchor refresh vol --watch --interval 0 &
watcher=$!
fresh()
{
	local i

	for ((i = 0; i < 100 * VM_SLOW; i++)); do
		[ "$(anchored super)" != "$(get super)" ] || return 0
		sleep 0.1
	done
	fail "the anchor stays at $(anchored epoch), the volume is at $(get epoch)"
}
fresh
for i in 1 2 3; do
	e=$(get epoch)
	put seek=$((i * 16))
	dmsetup message vol 0 checkpoint
	[ "$(get epoch)" -gt "$e" ] || fail "no checkpoint"
	fresh
done
# The background's own checkpoint, some seconds after a write.
e=$(get epoch)
put
for ((i = 0; i < 300 * VM_SLOW; i++)); do
	[ "$(get epoch)" -eq "$e" ] || break
	sleep 0.1
done
[ "$(get epoch)" -gt "$e" ] || fail "no checkpoint by itself in $((30 * VM_SLOW)) s"
fresh
inocrypt close vol
rc=0
wait $watcher || rc=$?
[ $rc = 0 ] || fail "the watcher ends with $rc"
same_as_disk "watched, closed"
expect 6 "no open volume" anchor refresh vol --watch

say "a power cut"
silent
inocrypt anchor refresh vol --watch --interval 0 &
head -c 262144 /dev/urandom >$keep/ref
blk if=$keep/ref of=/dev/mapper/vol oflag=direct
dmsetup message vol 0 checkpoint
fresh
anchored epoch >$keep/epoch
echo "$uuid" >$keep/uuid
say "$n runs of the tool were as they should be"
(while :; do blk if=$keep/ref of=/dev/mapper/vol oflag=direct,dsync; done) &
sleep 2
vm-powercut
