#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# install.sh - "make install" puts everything in its place and "make uninstall" takes it away;
# the manual is well-formed, and it and the completion know every command, verb and option
# that --help names.
# timeout: 300
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
tool=$top/build/inocrypt

fail() { echo "FAIL: $*" >&2; exit 1; }
make -s -C "$top/userspace"

# Modules apart, which are built elsewhere.
make -s -C "$top/userspace" OUT="$tmp/build" PREFIX=/usr DESTDIR="$tmp/root" \
	CFLAGS="-O0" install >/dev/null
arch=$(gcc -print-multiarch)
while read -r mode f; do
	[ "$(stat -c %a "$tmp/root$f" 2>/dev/null)" = "$mode" ] || fail "install: $f isn't there with mode $mode"
	echo "$tmp/root$f"
done >"$tmp/wanted" <<END
755 /usr/sbin/inocrypt
755 /usr/libexec/inocrypt/pam-helper
755 /usr/lib/systemd/system-generators/inocrypt-generator
644 /usr/lib/systemd/system/inocrypt-anchor@.service
644 /usr/lib/udev/rules.d/61-inocrypt.rules
644 /usr/share/man/man8/inocrypt.8
644 /usr/share/man/man8/pam_inocrypt.8
644 /usr/share/man/man5/inocrypttab.5
644 /usr/share/bash-completion/completions/inocrypt
644 /lib/$arch/security/pam_inocrypt.so
644 /usr/share/pam-configs/inocrypt
END
find "$tmp/root" -type f | sort | diff - <(sort "$tmp/wanted") || fail "install: puts other files there"
grep -q "^ExecStart=/usr/sbin/inocrypt " "$tmp/root/usr/lib/systemd/system/inocrypt-anchor@.service" ||
	fail "the unit runs another tool"
grep -q -a -F /usr/libexec/inocrypt/pam-helper "$tmp/root/lib/$arch/security/pam_inocrypt.so" ||
	fail "the PAM module runs another helper"
# Other people's programs load it: nothing but entry points is to be seen, no library of ours.
[ "$(nm -D --defined-only "$tmp/root/lib/$arch/security/pam_inocrypt.so" | sed 's/.* //' | grep -c -v ^pam_sm_)" = 0 ] ||
	fail "pam_inocrypt.so exports more than PAM's entry points"
! ldd "$tmp/root/lib/$arch/security/pam_inocrypt.so" | grep -E "cryptsetup|devmapper|json" ||
	fail "pam_inocrypt.so draws libraries into every login"
make -s -C "$top/userspace" OUT="$tmp/build" PREFIX=/usr DESTDIR="$tmp/root" CFLAGS="-O0" uninstall >/dev/null
[ -z "$(find "$tmp/root" -type f)" ] || fail "uninstall leaves $(find "$tmp/root" -type f)"

# What has to follow in a running system, for the kernel that was installed for.
mkdir -p "$tmp"/bin "$tmp"/boot "$tmp"/run/systemd/system
for c in depmod update-initramfs systemctl; do
	printf '#!/bin/sh\necho "%s $*" >>"%s"\n' $c "$tmp/ran" >"$tmp/bin/$c"
done
chmod 755 "$tmp"/bin/*
after() { rm -f "$tmp/ran"; PATH=$tmp/bin:$PATH BOOT=$tmp/boot RUN=$tmp/run "$top/tools/after-install" 6.1.0-0-test; }
after
[ "$(cat "$tmp/ran")" = "depmod 6.1.0-0-test"$'\n'"systemctl daemon-reload" ] || fail "after install: $(cat "$tmp/ran")"
touch "$tmp/boot/initrd.img-6.1.0-0-test"
after
grep -q -x "update-initramfs -u -k 6.1.0-0-test" "$tmp/ran" || fail "after install: the initramfs keeps its ext4: $(cat "$tmp/ran")"
printf '#!/bin/sh\nexit 1\n' >"$tmp/bin/update-initramfs"
! after || fail "after install: an initramfs that could not be made is no failure"
for t in install uninstall; do
	make -s -n -C "$top" $t KVER=6.1.0-0-test PREFIX=/usr 2>/dev/null | grep -q "tools/after-install 6.1.0-0-test" || fail "make $t doesn't tell the system"
	! make -s -n -C "$top" $t KVER=6.1.0-0-test PREFIX=/usr DESTDIR=/x 2>/dev/null | grep after-install || fail "make $t DESTDIR touches the system"
done

# The manual: as mandoc and groff see it.
for f in "$top"/userspace/man/*.[58] "$tmp/build/glue/inocrypt.8"; do
	out=$(mandoc -Tlint -W warning "$f" 2>&1 && LC_ALL=C MANWIDTH=80 man --warnings -l "$f" 2>&1 >/dev/null) || true
	[ -z "$out" ] || fail "$(basename "$f"): $out"
done

# options TOOL WORD...: long options that its help names.
options() { "$tool" "$@" --help </dev/null | grep -o -E -- '(^|[ ,])--[a-z][-a-z]+' | tr -d ' ,' | sort -u; }
# What the manual says of a command: the sections that begin with its name, and common options.
sed 's/\\f[A-Z]//g; s/\\-/-/g; s/\\ / /g' "$tmp/build/glue/inocrypt.8" >"$tmp/man"
awk '/^\.SH/ { on = ($2 == "COMMON") } on' "$tmp/man" >"$tmp/common"
section()
{
	awk -v n="$1" '/^\.S[HS]/ { on = (index($0 " ", ".SS \"" n " ") == 1) } on' "$tmp/man"
}

# shellcheck source=/dev/null
. "$top/userspace/completion/inocrypt"
# completes WORD...: with the last one begun.
completes()
{
	COMP_WORDS=("$tool" "$@")
	COMP_CWORD=$#
	COMPREPLY=()
	_inocrypt 2>/dev/null
	printf '%s\n' "${COMPREPLY[@]}" | sed 's/=$//'
}

n=0
# known COMMAND...: is in the manual with its options, and all is completed.
known()
{
	local o text opts have

	section "$*" >"$tmp/section"
	[ -s "$tmp/section" ] || fail "the manual has no section on: $*"
	text=$(cat "$tmp/section" "$tmp/common")
	have=$(completes "$@" --)
	opts=$(options "$@")
	grep -q -x -e --help <<<"$opts" || fail "inocrypt $* --help: no options found in it"
	for o in $opts; do
		n=$((n + 1))
		grep -q -E -e "(^|[^-a-z])$o([^-a-z]|\$)" <<<"$text" || fail "the manual doesn't say what $o of inocrypt $* is"
		grep -q -x -e "$o" <<<"$have" || fail "the completion doesn't know $o of inocrypt $*"
	done
}

mapfile -t commands < <("$tool" --help | sed -n 's/^  \([a-z]\{1,\}\)  *.*/\1/p')
[ ${#commands[@]} -ge 15 ] || fail "commands found: ${commands[*]}"
for c in "${commands[@]}"; do
	grep -q -x "$c" <<<"$(completes "$c")" || fail "the completion doesn't know $c"
	if [ "$c" != key ]; then
		known "$c"
		continue
	fi
	mapfile -t verbs < <("$tool" key --help | sed -n 's/^  \([a-z]\{1,\}\)  *.*/\1/p')
	[ ${#verbs[@]} -ge 10 ] || fail "verbs found: ${verbs[*]}"
	for v in "${verbs[@]}"; do
		grep -q -x "$v" <<<"$(completes key "$v")" || fail "the completion doesn't know key $v"
		known key "$v"
	done
done
# A command that isn't in the manual, or is gone, isn't overlooked; nor a mistyped line.
makes() { "$top/userspace/man/make-page" "$tool" "$tmp/page" >"$tmp/out" 2>&1; }
cp "$top/userspace/man/inocrypt.8.in" "$tmp/page"
makes || fail "make-page: $(cat "$tmp/out")"
sed -i '/^@command dump$/d' "$tmp/page"
! makes && grep -q "has no command dump" "$tmp/out" || fail "make-page misses no command: $(cat "$tmp/out")"
for line in "@command undump" "@common open --dump" "@commands"; do
	{ cat "$top/userspace/man/inocrypt.8.in"; echo "$line"; } >"$tmp/page"
	! makes || fail "make-page takes $line"
done
sed 's/\\-/-/g' "$top/userspace/man/inocrypttab.5" >"$tmp/man5"
for o in sidecar readonly discard cache-size anchor anchor-watch volume-key keyfile-offset keyfile-size tries \
	timeout fsck noauto nofail _netdev x-systemd.device-timeout; do
	grep -q "\"$o\"" "$top/userspace/boot/inocrypttab.c" || fail "inocrypttab.c: no option $o"
	grep -q -E "^\.B.*[ B]$o(=|\"|,| |\$)" "$tmp/man5" || fail "inocrypttab(5) lacks $o"
done
echo "install: ${#commands[@]} commands, ${#verbs[@]} verbs of key, $n options"
