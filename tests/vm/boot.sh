#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What opens volumes without a person: inocrypt attach and detach by /etc/inocrypttab, with key
# files and with systemd-ask-password; inocrypt fsck, which leaves raw mode however it ends; and the
# udev rule, as udev itself reads it.
# vm: --disk d:128M --disk e:64M --disk side:32M --timeout 600
set -euo pipefail
# shellcheck source=tests/vm/lib.sh
. "$INOCRYPT_TOP/tests/vm/lib.sh"

D=$(readlink /run/disks/d) E=$(readlink /run/disks/e) SIDE=$(readlink /run/disks/side)
export INOCRYPTTAB=/tmp/inocrypttab
kdf="--pbkdf pbkdf2 --pbkdf-force-iterations 1000"
cd /tmp
umask 077
printf 'a passphrase' >pw
head -c 32 /dev/urandom >vk

# rc WANT COMMAND...: its exit code; what it says is in /tmp/out.
rc()
{
	local want=$1 got=0

	shift
	"$@" >/tmp/out 2>&1 </dev/null || got=$?
	[ $got = "$want" ] || fail "$*: exit code $got, not $want: $(cat /tmp/out)"
}
is_open() { [ -e "/dev/mapper/$1" ]; }
raw() { dmsetup status one | tr ' ' '\n' | sed -n 's/^raw=//p'; }

# shellcheck disable=SC2086 # several words
inocrypt format -q -d pw $kdf --label "my disk" "$D" >/dev/null
inocrypt format -q -k vk --sidecar "$SIDE" "$E" >/dev/null
uuid=$(blkid -p -s UUID -o value "$D")

cat >$INOCRYPTTAB <<END
# comment
one	UUID=$uuid	/tmp/pw	cache-size=4M
two	$E	/tmp/vk	volume-key,sidecar=$SIDE,readonly
three	/dev/nothere	none	nofail
four	/dev/nothere	none	noauto
END
say "attach and detach"
rc 0 inocrypt attach --all
grep -q 'three isn.t opened' /tmp/out || fail "nothing is said of a missing device: $(cat /tmp/out)"
is_open one && is_open two || fail "attach --all"
[[ $(dmsetup table one) == *cache_bytes:4194304* ]] || fail "cache-size: $(dmsetup table one)"
[ "$(blockdev --getro /dev/mapper/two)" = 1 ] || fail "readonly"
rc 0 inocrypt attach one
grep -q 'open already' /tmp/out || fail "attach of an open one"
rc 6 inocrypt attach four
rc 2 inocrypt attach nosuch
rc 0 inocrypt detach one
! is_open one || fail "detach"
rc 0 inocrypt detach one
rc 0 inocrypt detach --all
! is_open two || fail "detach --all"
echo "five $E /tmp/vk volume-kee" >>$INOCRYPTTAB
rc 2 inocrypt attach --all
is_open one && ! is_open five || fail "a bad line takes others with it, or is taken"
rc 0 inocrypt detach --all
chmod 666 $INOCRYPTTAB
rc 1 inocrypt attach one
chmod 600 $INOCRYPTTAB

say "passphrases from systemd-ask-password"
mkdir -p bin
cat >bin/systemd-ask-password <<'END'
#!/bin/sh
printf '%s\n' "$*" >>/tmp/asked
[ ! -e /tmp/nobody ] || exit 1
[ "$(grep -c . /tmp/asked)" -ge 2 ] && printf 'a passphrase' || printf wrong
END
chmod 755 bin/systemd-ask-password
sed -i '/^one/s#/tmp/pw#-#; /^five/d' $INOCRYPTTAB
PATH=/tmp/bin:$PATH rc 0 inocrypt attach --ask-password one
is_open one || fail "attach --ask-password"
[ "$(grep -c -- '--id=inocrypt:one' asked)" = 2 ] && grep -q -- --accept-cached asked ||
	fail "asked: $(cat asked)"
rc 0 inocrypt detach one
touch nobody
PATH=/tmp/bin:$PATH rc 3 inocrypt attach --ask-password one
# Nobody is asked for a device that isn't ours.
: >asked
sed -i "/^four/s#/dev/nothere#$SIDE#" $INOCRYPTTAB
PATH=/tmp/bin:$PATH rc 6 inocrypt attach --ask-password four
[ ! -s asked ] || fail "asks for what is no volume: $(cat asked)"
sed -i '/^one/s#-\tcache-size=4M#/tmp/pw\tfsck#' $INOCRYPTTAB

say "fsck"
inocrypt open -d pw "$D" one
mkfs.ext4 -q -F -N 128 /dev/mapper/one
mkdir -p /mnt/one
mount -t ext4 /dev/mapper/one /mnt/one
head -c 32 /dev/urandom >mk
key=$(inocrypt key add one -k mk)
mkdir /mnt/one/d
inocrypt policy set /mnt/one/d "$key"
echo "keyed" >/mnt/one/d/f
sync
rc 8 inocrypt fsck one
grep -q unmount /tmp/out || fail "a mounted volume: $(cat /tmp/out)"
[ "$(raw)" = 0 ] || fail "raw mode on a mounted volume"
umount /mnt/one
rc 0 inocrypt fsck one -- -p
rc 0 inocrypt fsck one -- -f -n
[ "$(raw)" = 0 ] || fail "raw mode is left on"
rc 16 inocrypt fsck
rc 16 inocrypt fsck one -f
rc 8 inocrypt fsck nosuch
# Something to repair; without raw mode that could not be written.
inocrypt raw on one
debugfs -w -R "set_inode_field /d links_count 7" /dev/mapper/one >/dev/null 2>&1
rc 4 inocrypt fsck one -- -f -n
[ "$(raw)" = 1 ] || fail "raw mode that was on before is off"
inocrypt raw off one
got=0
e2fsck -f -y /dev/mapper/one >/tmp/out 2>&1 || got=$?
[ $((got & 8)) != 0 ] || fail "e2fsck writes without raw mode: exit code $got"
rc 1 inocrypt fsck one -- -f -y
rc 0 inocrypt fsck one -- -f -n
[ "$(raw)" = 0 ] || fail "raw mode is left on after a repair"

# Ended from outside.
cat >bin/e2fsck <<'END'
#!/bin/bash
trap 'echo term >>/tmp/e2fsck.out; exit 32' TERM
dmsetup status one | tr ' ' '\n' | grep raw= >/tmp/e2fsck.out
echo $$ >/tmp/e2fsck.pid
while :; do read -r -t 0.2 <>/tmp/fifo || :; done
END
chmod 755 bin/e2fsck
mkfifo fifo
for sig in TERM HUP KILL; do
	rm -f e2fsck.pid
	PATH=/tmp/bin:$PATH inocrypt fsck one >/tmp/out 2>&1 &
	pid=$!
	for ((i = 0; i < 100; i++)); do [ -s e2fsck.pid ] && break; sleep 0.1; done
	grep -q raw=1 e2fsck.out || fail "e2fsck runs without raw mode: $(cat e2fsck.out)"
	kill -s $sig $pid
	got=0
	wait $pid 2>/dev/null || got=$?
	for ((i = 0; i < 100; i++)); do [ "$(raw)" = 1 ] || break; sleep 0.1; done
	[ "$(raw)" = 0 ] || fail "$sig leaves raw mode on"
	[ ! -d "/proc/$(cat e2fsck.pid)" ] || fail "$sig leaves e2fsck running"
	case $sig,$got in
	TERM,32|HUP,8|KILL,137) ;;
	*) fail "$sig: exit code $got: $(cat /tmp/out)";;
	esac
done

# At attach: repairs what can be, and keeps away from the rest.
inocrypt close one
rc 0 inocrypt attach one
inocrypt key add one -k mk >/dev/null
mount -t ext4 /dev/mapper/one /mnt/one
[ "$(cat /mnt/one/d/f)" = keyed ] || fail "the file after all this"
umount /mnt/one
inocrypt raw on one
debugfs -w -R "clri /d" /dev/mapper/one >/dev/null 2>&1
debugfs -w -R "set_super_value state 2" /dev/mapper/one >/dev/null 2>&1
inocrypt close one
rc 8 inocrypt attach one
! is_open one || fail "opened in spite of errors: $(cat /tmp/out)"

say "udev rule"
mkdir -p /run/udev/rules.d
cp "$INOCRYPT_TOP/userspace/boot/udev/61-inocrypt.rules" /run/udev/rules.d/
# property DEVICE: what the rules say of it. Nothing is run or changed by udevadm test.
properties() { udevadm test --action=change "/sys/class/block/${1##*/}" 2>/tmp/udev.err | tr -d '\r'; }
properties "$D" >p
grep -q '^ID_FS_TYPE=crypto_LUKS$' p && grep -q '^UDISKS_IGNORE=1$' p || fail "of $D: $(cat p)"
! grep -E -i "61-inocrypt.*(invalid|unknown|error|ignoring)" /tmp/udev.err || fail "udev refuses the rule"
inocrypt open -d pw "$D" one
properties "/dev/$(basename "$(readlink -f /sys/dev/block/"$(dmsetup info -c --noheadings -o major,minor --separator : one)")")" >p
grep -q '^DM_UUID=INOCRYPT-' p && ! grep -q UDISKS_IGNORE p || fail "of one: $(cat p)"
inocrypt close one
cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 -d pw "$E"
properties "$E" >p
grep -q '^ID_FS_TYPE=crypto_LUKS$' p && ! grep -q UDISKS_IGNORE p || fail "another LUKS device: $(cat p)"
say "fine"
