#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The README's walk from a blank disk to two users, a locked laptop and a shredded file, typed
# in as it stands there: "USER# COMMAND" and "USER$ COMMAND" lines; what is below a command has
# to be in its output ("…" stands for anything).
# vm: --disk data:512M --timeout 400
set -euo pipefail
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

# Two users, seen by this VM only.
for f in passwd group; do
	cp /etc/$f /tmp/$f
done
printf '%s:x:%s:%s::/tmp/%s:/bin/bash\n' alice 2001 2001 alice bob 2002 2002 bob >>/tmp/passwd
printf '%s:x:%s:\n' alice 2001 bob 2002 >>/tmp/group
for f in passwd group; do
	mount --bind /tmp/$f /etc/$f
done
mount -t tmpfs none /srv
# Where they can run it, wherever this tree is.
mkdir -m 755 /tmp/bin
cp "$INOCRYPT_BUILD/inocrypt" /tmp/bin/
PATH=/tmp/bin:$PATH

# run USER COMMAND: on a terminal, which types the passphrases when asked.
run()
{
	local user=$1 cmd=$2 pass as=()
	local -a answers=()

	pass="the passphrase of $user"
	[ "$user" = root ] || as=(setpriv --reuid "$user" --regid "$user" --init-groups)
	case $cmd in
	*"inocrypt format"*)	answers=("assphrase" "$pass" "same again" "$pass");;
	*"key new"*)		answers=("assphrase" "$pass" "same again" "$pass");;
	*"inocrypt open"* | *"key unlock"*) answers=("assphrase" "$pass");;
	esac
	onpty "${answers[@]}" -- "${as[@]}" bash -c "cd /tmp; $cmd" 2>&1
}

mapfile -t lines < <(sed -n '/^<!-- walk -->$/,/^<!-- \/walk -->$/p' \
	"$INOCRYPT_TOP/README.md" | sed '1d;$d')
fast="--pbkdf pbkdf2 --pbkdf-force-iterations 1000"
commands=0 i=0
while [ $i -lt ${#lines[@]} ]; do
	line=${lines[i]}
	i=$((i + 1))
	[ -n "$line" ] || continue
	[[ $line =~ ^\ {4}([a-z]+)[#$]\ +(.*)$ ]] || fail "what is this line? $line"
	user=${BASH_REMATCH[1]} cmd=${BASH_REMATCH[2]%%  \#*}
	# Its question whether that is meant is no prompt for a secret; and Argon2 takes a minute
	# on an emulated CPU.
	cmd=${cmd//inocrypt format/inocrypt format --yes $fast}
	cmd=${cmd//key new/key new $fast}
	cmd=${cmd//\/dev\/sdX//run/disks/data}
	rc=0
	out=$(run "$user" "$cmd") || rc=$?
	commands=$((commands + 1))
	told=""
	while [[ ${lines[i]:-} =~ ^\ {11}([^ ].*)$ ]]; do
		want=${BASH_REMATCH[1]}
		i=$((i + 1))
		# shellcheck disable=SC2053 # a pattern is meant
		[[ $out == *${want//…/*}* ]] || fail "$user: $cmd: no '$want' in: $out"
		told=1
	done
	[ $rc = 0 ] || [ -n "$told" ] || fail "$user: $cmd: exit code $rc: $out"
done
[ $commands -gt 20 ] || fail "only $commands commands in the README"
[ ! -e /dev/mapper/vault ] || fail "the volume is still open"
say "$commands commands"
