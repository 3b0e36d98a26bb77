#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# key-files.sh - the users' key files: names, hostile directories, failures halfway; in user
# space with a kernel that is played, under ASan and UBSan.
# quick
# timeout: 180
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
out=$top/build/tests/unit
libs=(libcryptsetup libcrypto json-c libkeyutils cmocka)

mkdir -p "$out"
cd "$top/userspace"
# shellcheck disable=SC2046 # words
${CC:-gcc} -std=c11 -O1 -g -Wall -Wextra -Werror -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 \
	-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer \
	-I. -I../shared -I../ext4-hooks/include -Wl,--wrap=ioctl,--wrap=linkat,--wrap=volume_mount_uuid,--wrap=ic_derive_key_id \
	$(pkg-config --cflags "${libs[@]}") -o "$out/keys" ../tests/unit/keys/keys.c \
	keys/key_dir.c keys/master_key.c kernel/modules.c kernel/mounts.c header/{luks,luks_check,luks_lost,luks_pbkdf,passphrase}.c \
	base/{say,shown,parse}.c \
	$(pkg-config --libs "${libs[@]}")
if ! "$out/keys" >"$out/keys.log" 2>&1; then
	cat "$out/keys.log"
	echo "FAIL: run build/tests/unit/keys" >&2
	exit 1
fi
echo "key-files: $(grep -c '\[       OK \]' "$out/keys.log") tests pass"
