// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is a LUKS2 header one of ours, and fit to be asked for a key?
 *
 * libcryptsetup has verified its form and its checksums, which anybody can
 * make.  A header may come from whoever owns the storage, or from another user:
 * a key slot under a null cipher, say, opens with every passphrase and gives a
 * key that its maker knows, for us to encrypt with.
 */
#include <stdlib.h>
#include <string.h>

#include "header/luks_check.h"

/* A guess in a slot of ours shall not take more than some minutes. */
#define MAX_PBKDF2_ITERATIONS	0x80000000ULL
#define MAX_ARGON2_MEMORY	(4ULL << 20)	/* KiB */
#define MAX_ARGON2_WORK		0x80000000ULL	/* KiB, passes times memory */
#define MAX_ARGON2_THREADS	64

static struct json_object *get(struct json_object *o, const char *name)
{
	struct json_object *out = NULL;

	return json_object_object_get_ex(o, name, &out) ? out : NULL;
}

static const char *get_str(struct json_object *o, const char *name)
{
	struct json_object *s = get(o, name);

	return json_object_is_type(s, json_type_string) ?
		       json_object_get_string(s) : "";
}

static bool is_str(struct json_object *o, const char *name, const char *want)
{
	return !strcmp(get_str(o, name), want);
}

/* Read a number. What isn't one counts as too large. */
static u64 get_u64(struct json_object *o, const char *name)
{
	struct json_object *n = get(o, name);
	int64_t value;

	if (!json_object_is_type(n, json_type_int))
		return UINT64_MAX;
	value = json_object_get_int64(n);
	return value < 0 ? UINT64_MAX : (u64)value;
}

/**
 * luks_judge_cost() - is a key derivation one that we would wait for?
 * @argon2: or PBKDF2
 * @passes: iterations
 * @memory: KiB; Argon2 only, as @threads
 * @threads: threads
 *
 * Return: NULL, or what is too much.
 */
const char *luks_judge_cost(bool argon2, u64 passes, u64 memory, u64 threads)
{
	if (!argon2)
		return passes > MAX_PBKDF2_ITERATIONS ?
			       "a key slot asks for too many iterations" : NULL;
	if (memory > MAX_ARGON2_MEMORY)
		return "a key slot asks for more than 4 GiB of memory";
	if (threads > MAX_ARGON2_THREADS)
		return "a key slot asks for too many threads";
	if (passes > MAX_ARGON2_WORK || memory * passes > MAX_ARGON2_WORK)
		return "a key slot asks for too much work";
	return NULL;
}

static const char *judge_kdf(struct json_object *kdf)
{
	if (is_str(kdf, "type", "pbkdf2"))
		return luks_judge_cost(false, get_u64(kdf, "iterations"), 0, 0);
	if (!is_str(kdf, "type", "argon2id") && !is_str(kdf, "type", "argon2i"))
		return "a key slot has an unknown key derivation";
	return luks_judge_cost(true, get_u64(kdf, "time"),
			       get_u64(kdf, "memory"), get_u64(kdf, "cpus"));
}

static const char *judge_slot(struct json_object *slot)
{
	struct json_object *area = get(slot, "area");

	if (!is_str(slot, "type", "luks2"))
		return "it is being re-encrypted, or has a key slot of an unknown kind";
	if (get_u64(slot, "key_size") != IC_KEY_SIZE)
		return "a key slot's key is of another size";
	if (!is_str(area, "type", "raw"))
		return "a key slot has an area of an unknown kind";
	/* This finds "capi:ecb(cipher_null)", too. */
	if (strstr(get_str(area, "encryption"), "null"))
		return "a key slot isn't encrypted at all (null cipher)";
	if (get_u64(area, "key_size") < 16)
		return "a key slot is encrypted under too short a key";
	return judge_kdf(get(slot, "kdf"));
}

static const char *judge_segment(struct json_object *segment)
{
	if (!is_str(segment, "type", "crypt") ||
	    !is_str(segment, "offset", LUKS_DATA_OFFSET_TEXT) ||
	    !is_str(segment, "size", "dynamic") || get(segment, "integrity") ||
	    get(segment, "flags"))
		return "its data segment is that of a LUKS2 device, not of an inocrypt volume";
	if (!is_str(segment, "encryption", LUKS_CIPHER "-" LUKS_MODE))
		return "its cipher isn't " LUKS_CIPHER "-" LUKS_MODE;
	return NULL;
}

static const char *judge_digest(struct json_object *digest)
{
	if (!is_str(digest, "type", "pbkdf2"))
		return "its digest is of an unknown kind";
	if (get_u64(digest, "iterations") > MAX_PBKDF2_ITERATIONS)
		return "its digest asks for too many iterations";
	return NULL;
}

/**
 * luks_count() - entries of a kind
 * @header: its metadata
 * @kind: "keyslots" or "tokens"
 */
unsigned int luks_count(struct json_object *header, const char *kind)
{
	struct json_object *o = get(header, kind);

	return json_object_is_type(o, json_type_object) ?
		       json_object_object_length(o) : 0;
}

/**
 * luks_ignored_slot() - key slots that no passphrase is tried on
 * @header: its metadata
 * @ignored: receives their number
 *
 * Return: the first one, or -1.
 */
int luks_ignored_slot(struct json_object *header, unsigned int *ignored)
{
	struct json_object *slots = get(header, "keyslots");
	int first = -1;

	*ignored = 0;
	if (!json_object_is_type(slots, json_type_object))
		return -1;
	json_object_object_foreach(slots, name, slot) {
		/* A key slot without a priority has the normal one, 1. */
		if (!get(slot, "priority") || get_u64(slot, "priority"))
			continue;
		if (!(*ignored)++)
			first = atoi(name);
	}
	return first;
}

/* If no segment has the key slot's digest, the slot is for another key. */
static int find_unbound(struct json_object *digests)
{
	json_object_object_foreach(digests, name, digest) {
		struct json_object *segments = get(digest, "segments");
		struct json_object *slots = get(digest, "keyslots");
		struct json_object *slot;

		(void)name;
		if (!json_object_is_type(segments, json_type_array) ||
		    !json_object_is_type(slots, json_type_array) ||
		    json_object_array_length(segments) ||
		    !json_object_array_length(slots))
			continue;
		slot = json_object_array_get_idx(slots, 0);
		return atoi(json_object_get_string(slot));
	}
	return -1;
}

/**
 * luks_judge() - is a header one of ours?
 * @header: its metadata
 * @unbound: receives a key slot that is in the way, or -1: then it isn't one
 *
 * Return: NULL, or why it isn't.
 */
const char *luks_judge(struct json_object *header, int *unbound)
{
	struct json_object *requirements =
		get(get(get(header, "config"), "requirements"), "mandatory");
	struct json_object *segments = get(header, "segments");
	struct json_object *digests = get(header, "digests");
	struct json_object *slots = get(header, "keyslots");
	const char *why;

	*unbound = -1;
	if (requirements &&
	    (!json_object_is_type(requirements, json_type_array) ||
	     json_object_array_length(requirements)))
		return "it asks for something we don't know (is it being re-encrypted?)";
	if (luks_count(header, "segments") != 1)
		return "it doesn't have one data segment";
	why = judge_segment(get(segments, "0"));
	if (why)
		return why;
	if (luks_count(header, "digests") > 1) {
		*unbound = find_unbound(digests);
		if (*unbound >= 0)
			return "a key slot is unbound";
	}
	if (luks_count(header, "digests") != 1)
		return "it doesn't have one digest";
	if (!json_object_is_type(slots, json_type_object))
		return "it has no list of key slots";
	json_object_object_foreach(digests, digest_name, digest) {
		(void)digest_name;
		why = judge_digest(digest);
		if (why)
			return why;
	}
	json_object_object_foreach(slots, slot_name, slot) {
		(void)slot_name;
		why = judge_slot(slot);
		if (why)
			return why;
	}
	return NULL;
}
