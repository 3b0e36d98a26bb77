#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# pam_inocrypt with su, passwd and pamtester: the key is there while the user is, goes with the last
# session, also with one that was killed; its passphrase follows the password, and goes to nobody
# else; and whatever is wrong with volume, key or other people, they get in, in time.
# vm: --disk d:96M --timeout 600
set -euo pipefail
# shellcheck source=tests/vm/lib.sh
. "$INOCRYPT_TOP/tests/vm/lib.sh"

MNT=/mnt/vol
kdf="--pbkdf pbkdf2 --pbkdf-force-iterations 1000"

# A writable /etc with three users, and programs that may be root.
mkdir /tmp/etc
(cd /etc && cp -a --parents passwd group shadow gshadow pam.d security login.defs nsswitch.conf ld.so.cache \
	ld.so.conf environment mke2fs.conf shells /tmp/etc/ 2>/dev/null) || true
mount --bind /tmp/etc /etc
id=1100
for u in alice bob carol dave; do
	id=$((id + 1))
	echo "$u:x:$id:$id::/tmp:/bin/sh" >>/etc/passwd
	echo "$u:x:$id:" >>/etc/group
	echo "$u:$(perl -e 'print crypt("$ARGV[0]pw", q($5$rounds=1000$salt))' $u):19000:0:99999:7:::" >>/etc/shadow
done
chmod 640 /etc/shadow
glue=$INOCRYPT_BUILD/glue
for s in su passwd t; do
	cat >/etc/pam.d/$s <<-END
		auth     required pam_unix.so
		auth     optional $glue/pam_inocrypt.so
		account  required pam_permit.so
		password required pam_unix.so sha256 rounds=1000
		password optional $glue/pam_inocrypt.so helper=$glue/pam-helper timeout=60
		session  required pam_permit.so
		session  optional $glue/pam_inocrypt.so helper=$glue/pam-helper timeout=60
	END
done
install -m 4755 /bin/su /usr/bin/passwd /tmp/
exec 3<>"$(mkfifo -m 666 /tmp/go && echo /tmp/go)"

# login USER PASSWORD COMMAND: by su, as somebody who isn't root.
login()
{
	printf '%s\n' "$2" | setpriv --reuid 1200 --regid 1200 --clear-groups /tmp/su "$1" -c "$3" 2>/tmp/su.err
}
readable() { cat $MNT/"$1"/f >/dev/null 2>/tmp/err; }
locked()
{
	! readable "$1" || fail "$what: the file of $1 can be read"
	grep -q 'Required key' /tmp/err || fail "$what: $(cat /tmp/err)"
}
unlocked() { readable "$1" || fail "$what: the file of $1 can't be read: $(cat /tmp/err)"; }
# wait_for COMMAND...: until it succeeds.
wait_for()
{
	local i

	for ((i = 0; i < 200; i++)); do
		! "$@" || return 0
		sleep 0.1
	done
	fail "$what: never: $*"
}

vol_setup /run/disks/d
export VOL_MNT=$MNT
vol_format
vol_open
vol_mkfs -N 512
mkdir -p $MNT
vol_mount
inocrypt key setup -m $MNT
for u in alice bob carol dave; do
	[ $u = carol ] && pw=another || pw=${u}pw
	# shellcheck disable=SC2086 # several words
	printf %s "$pw" | inocrypt key new login -u $u -m $MNT $kdf -d - >/dev/null
	install -d -o $u -g $u -m 700 $MNT/$u
	inocrypt policy set $MNT/$u $u:login
	echo "$u's" >$MNT/$u/f
	chown $u: $MNT/$u/f
	inocrypt key lock login -u $u -m $MNT
done

what="before anybody came"
locked alice

what="one session"
say "$what"
[ "$(login alice alicepw "cat $MNT/alice/f")" = "alice's" ] || fail "$what: $(cat /tmp/su.err)"
locked alice
what="a session that leaves nobody's files to be read behind"
login alice alicepw "chmod 0 $MNT/.inocrypt/keys/1101" || fail "$what: $(cat /tmp/su.err)"
locked alice
chmod 700 $MNT/.inocrypt/keys/1101
what="a wrong password"
! login alice wrong true || fail "$what"
locked alice
what="a password that isn't the key's"
login carol carolpw true || fail "$what: $(cat /tmp/su.err)"
grep -q "Your inocrypt key login stays locked: your password doesn't open it" /tmp/su.err || fail "$what: nobody is told"
! login carol carolpw "cat $MNT/carol/f" 2>/dev/null || fail "$what"
what="another user's password (sudo -i)"
# That it opens the other's key, too, doesn't matter.
printf 'alicepw\nbobpw\n' | inocrypt key passwd login -u alice -m $MNT
pamas bob alice bobpw true || fail "$what"
! pamas bob alice bobpw "cat $MNT/alice/f" 2>/dev/null || fail "$what: it was handed on"
pamas bob bob bobpw "cat $MNT/bob/f" >/dev/null || fail "one's own isn't"
printf 'bobpw\nalicepw\n' | inocrypt key passwd login -u alice -m $MNT

what="two sessions"
say "$what"
login alice alicepw "read x </tmp/go" &
wait_for readable alice
[ "$(login alice alicepw "cat $MNT/alice/f")" = "alice's" ] || fail "$what"
unlocked alice
what="a session without a password, that is there too"
pamtester t alice open_session close_session >/dev/null || fail "$what"
unlocked alice
what="another user's session"
login bob bobpw "cat $MNT/bob/f" >/dev/null || fail "$what"
locked bob
unlocked alice
! login bob bobpw "cat $MNT/alice/f" 2>/dev/null || fail "bob reads alice's file"
what="the last session ended"
echo >&3
wait
locked alice

what="a session that is killed"
say "$what"
login alice alicepw "read x </tmp/go" 2>/dev/null &
wait_for readable alice
kill -9 "$(sed -n 's/^S [0-9a-f]* \([0-9]*\) .*/\1/p' /run/inocrypt/pam/1101)"
echo >&3
wait || true
unlocked alice
login bob bobpw true || fail "$what: bob"
wait_for eval '! readable alice'
locked alice
what="a session that is killed, and its owner keeps it from being locked"
# Who locks alice's key hangs, as if she had stopped it.
cat >/tmp/hangs-for-alice <<-END
	#!$BASH
	[ "\$1 \$2" != "lock alice" ] || { echo \$\$ >/tmp/hanging; read x </tmp/go; }
	exec $glue/pam-helper "\$@"
END
chmod 755 /tmp/hangs-for-alice
cp /etc/pam.d/su /tmp/su.was
sed -i 's#helper=[^ ]*#helper=/tmp/hangs-for-alice#; s#timeout=60#timeout=600#' /etc/pam.d/su
login alice alicepw "read x </tmp/go" 2>/dev/null &
wait_for readable alice
kill -9 "$(sed -n 's/^S [0-9a-f]* \([0-9]*\) .*/\1/p' /run/inocrypt/pam/1101)"
echo >&3
wait || true
login bob bobpw "cat $MNT/bob/f" >/dev/null || fail "$what: bob"
wait_for test -s /tmp/hanging
[ "$(login bob bobpw "cat $MNT/bob/f")" = "bob's" ] || fail "$what: bob"
hanging=$(</tmp/hanging)
kill -0 "$hanging" || fail "$what: it doesn't hang any more"
unlocked alice
# She herself doesn't wait for it either, nor finds her key locked by it.
login alice alicepw "cat $MNT/alice/f" >/tmp/in &
wait_for grep -q "alice's" /tmp/in
wait_for eval "! grep -qs '^State:.[^Z]' /proc/$hanging/status"
echo >&3
wait
wait_for eval '! readable alice'
cp /tmp/su.was /etc/pam.d/su

what="a file that is in use at logout"
login alice alicepw "sh -c 'exec 5<$MNT/alice/f; echo up >/tmp/up; read x </tmp/go; cat <&5 >/tmp/late 2>&1; echo over >>/tmp/late' >/dev/null 2>&1 &
	while [ ! -s /tmp/up ]; do sleep 0.1; done" || fail "$what"
locked alice
echo >&3
wait_for grep -q over /tmp/late
! grep -q "alice's" /tmp/late || fail "$what: it can still be read"

what="a new password"
say "$what"
printf '%s\n' alicepw Xq7-new-pw Xq7-new-pw |
	setpriv --reuid alice --regid alice --clear-groups /tmp/passwd >/tmp/out 2>&1 || fail "$what: $(cat /tmp/out)"
! login alice alicepw true || fail "the old password still does"
[ "$(login alice Xq7-new-pw "cat $MNT/alice/f")" = "alice's" ] || fail "$what doesn't unlock the key: $(cat /tmp/su.err)"
locked alice
what="a new password where the key has another passphrase"
printf '%s\n' carolpw Yq8-new-pw Yq8-new-pw |
	setpriv --reuid carol --regid carol --clear-groups /tmp/passwd >/tmp/out 2>&1 || fail "$what: $(cat /tmp/out)"
grep -q "keeps its passphrase" /tmp/out || fail "$what: nobody is told: $(cat /tmp/out)"
printf another | inocrypt key unlock login -u carol -m $MNT -d - || fail "$what: it has been changed"

what="a password that had to be changed at login"
sed -i 's/^\(dave:[^:]*\):19000/\1:0/' /etc/shadow
printf '%s\n' davepw davepw Zq9-new-pw Zq9-new-pw Zq9-new-pw |
	pamtester t dave authenticate "chauthtok(PAM_CHANGE_EXPIRED_AUTHTOK)" open_session >/tmp/out 2>&1 ||
	fail "$what: $(cat /tmp/out)"
unlocked dave

what="hostile key files"
say "$what"
dir=$MNT/.inocrypt/keys/1102
setpriv --reuid bob --regid bob --clear-groups "$BASH" -c "cd $dir && mkfifo $(printf %032d 1).00000000.luks &&
	ln -s /dev/zero $(printf %032d 2).00000000.luks && truncate -s 8M $(printf %032d 3).00000000.luks"
[ "$(login bob bobpw "cat $MNT/bob/f")" = "bob's" ] || fail "$what: $(cat /tmp/su.err)"
[ "$(login alice Xq7-new-pw "cat $MNT/alice/f")" = "alice's" ] || fail "$what: $(cat /tmp/su.err)"
inocrypt key lock login -u carol -m $MNT

what="no volume"
vol_umount
[ "$(login alice Xq7-new-pw "echo in")" = in ] || fail "$what: $(cat /tmp/su.err)"
what="no helper"
sed -i 's#helper=[^ ]*#helper=/nonexistent#' /etc/pam.d/su
vol_mount
[ "$(login alice Xq7-new-pw "echo in")" = in ] || fail "$what: $(cat /tmp/su.err)"
locked alice
what="a helper that hangs"
printf '#!/bin/sh\nexec sleep 1000\n' >/tmp/hangs
chmod 755 /tmp/hangs
sed -i 's#helper=[^ ]*#helper=/tmp/hangs#; s#timeout=60#timeout=2#' /etc/pam.d/su
[ "$(login alice Xq7-new-pw "echo in")" = in ] || fail "$what: $(cat /tmp/su.err)"
grep -q "takes too long" /tmp/su.err || fail "$what: nobody is told"
what="a helper that the kernel doesn't let die"
# It reads from a device that is suspended.
dmsetup create still --table "0 8 zero"
dmsetup suspend still
printf '#!/bin/sh\nexec dd if=/dev/mapper/still of=/dev/null iflag=direct bs=4096 count=1\n' >/tmp/hangs
login alice Xq7-new-pw "echo in" >/tmp/in &
su=$!
wait_for eval 'grep -qs "^State:.*D" /proc/$(pgrep -x dd)/status'
for ((i = 0; i < 600; i++)); do
	kill -0 $su 2>/dev/null || break
	sleep 0.1
done
pgrep -x dd >/dev/null || fail "$what: it died"
[ "$(</tmp/in)" = in ] || fail "$what: nobody gets in: $(cat /tmp/su.err)"
dmsetup resume still
wait $su
dmsetup remove --retry still
vol_umount
vol_close
say "fine"
