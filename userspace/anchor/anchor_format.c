// SPDX-License-Identifier: GPL-2.0-only
/*
 * The anchor's file format and what it means: no file or device is touched
 * here.  The file is never trusted.
 */
#include <stddef.h>

#include "anchor/anchor.h"

/**
 * anchor_seal() - make an anchor's file contents
 * @f: to fill in
 * @key: the volume's anchor key
 * @uuid: the volume's
 * @state: what the anchor shall remember
 *
 * Return: 0 or a negative errno.
 */
int anchor_seal(struct anchor_file *f, const u8 key[IC_KEY_SIZE],
		const u8 uuid[IC_UUID_SIZE], const struct anchor_state *state)
{
	memset(f, 0, sizeof(*f));
	memcpy(f->magic, ANCHOR_MAGIC, sizeof(f->magic));
	f->version = cpu_to_le32(ANCHOR_VERSION);
	memcpy(f->uuid, uuid, IC_UUID_SIZE);
	f->epoch = cpu_to_le64(state->epoch);
	f->written = cpu_to_le64(state->written);
	memcpy(f->super_tag, state->super_tag, IC_TAG_SIZE);
	return ic_hmac_sha256(key, f, offsetof(struct anchor_file, mac),
			      f->mac);
}

/**
 * anchor_fields() - take an anchor's file contents apart, without checking
 *	that they are authentic
 * @buf: what was read from the file, any alignment
 * @len: bytes
 * @uuid: receives the volume's UUID
 * @state: receives the rest
 * @why: receives the reason if it isn't an anchor
 *
 * Return: true if it has the form of one.
 */
bool anchor_fields(const void *buf, size_t len, u8 uuid[IC_UUID_SIZE],
		   struct anchor_state *state, const char **why)
{
	struct anchor_file f;

	if (len != sizeof(f)) {
		*why = len < sizeof(f) ? "it is too short" : "it is too long";
		return false;
	}
	memcpy(&f, buf, sizeof(f));
	if (memcmp(f.magic, ANCHOR_MAGIC, sizeof(f.magic))) {
		*why = "it is no anchor";
		return false;
	}
	if (le32_to_cpu(f.version) != ANCHOR_VERSION) {
		*why = "it is of an unknown version";
		return false;
	}
	if (f.flags || !f.epoch || !mem_is_zero(f.reserved, sizeof(f.reserved))) {
		*why = "it holds values that this version doesn't know";
		return false;
	}
	memcpy(uuid, f.uuid, IC_UUID_SIZE);
	state->epoch = le64_to_cpu(f.epoch);
	state->written = le64_to_cpu(f.written);
	memcpy(state->super_tag, f.super_tag, IC_TAG_SIZE);
	return true;
}

/**
 * anchor_is_of() - is this a volume's anchor, authentic or not?
 * @buf: what was read from a file
 * @len: bytes
 * @uuid: the volume's
 *
 * Return: true if nobody but the volume loses by overwriting it.
 */
bool anchor_is_of(const void *buf, size_t len, const u8 uuid[IC_UUID_SIZE])
{
	struct anchor_file f;

	if (len < offsetof(struct anchor_file, epoch))
		return false;
	memcpy(&f, buf, offsetof(struct anchor_file, epoch));
	return !memcmp(f.magic, ANCHOR_MAGIC, sizeof(f.magic)) &&
	       !memcmp(f.uuid, uuid, IC_UUID_SIZE);
}

/**
 * anchor_parse() - check an anchor's file contents and take them apart
 * @buf: what was read from the file, any alignment
 * @len: bytes
 * @key: the volume's anchor key
 * @uuid: the volume's
 * @state: receives what it says, if it is valid
 * @why: receives the reason if it isn't
 *
 * Return: 0, -EINVAL if it has not the form of an anchor, -EXDEV if it is of
 * another volume, -EBADMSG if it isn't authentic, or another negative errno.
 */
int anchor_parse(const void *buf, size_t len, const u8 key[IC_KEY_SIZE],
		 const u8 uuid[IC_UUID_SIZE], struct anchor_state *state,
		 const char **why)
{
	u8 mac[ANCHOR_MAC_SIZE], of[IC_UUID_SIZE];
	struct anchor_state s;
	int err;

	if (!anchor_fields(buf, len, of, &s, why))
		return -EINVAL;
	if (memcmp(of, uuid, IC_UUID_SIZE)) {
		*why = "it is of another volume";
		return -EXDEV;
	}
	*why = "libcrypto fails";
	err = ic_hmac_sha256(key, buf, offsetof(struct anchor_file, mac), mac);
	if (err)
		return err;
	if (crypto_memneq(mac, (const u8 *)buf +
			       offsetof(struct anchor_file, mac),
			  sizeof(mac))) {
		*why = "it was changed, or is of a volume with another key";
		return -EBADMSG;
	}
	*state = s;
	return 0;
}

/**
 * anchor_relate() - compare a volume's state with the anchor's
 * @seen: the anchor's
 * @now: the volume's
 *
 * Return: how @now relates to @seen.  A volume that continued elsewhere and got
 * ahead can't be told from one that simply went on: it is "newer".
 */
enum anchor_relation anchor_relate(const struct anchor_state *seen,
				   const struct anchor_state *now)
{
	if (now->epoch < seen->epoch)
		return ANCHOR_OLDER;
	if (now->epoch > seen->epoch)
		return ANCHOR_NEWER;
	return memcmp(now->super_tag, seen->super_tag, IC_TAG_SIZE) ?
	       ANCHOR_FORKED : ANCHOR_SAME;
}
