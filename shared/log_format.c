// SPDX-License-Identifier: GPL-2.0-only
/*
 * One block of the log: sealing, opening, and taking its entries apart.  Shared
 * code: nothing here trusts what it reads, allocates, or does I/O.
 */
#include "log_format.h"

/* What a block's tag covers besides its contents. */
struct log_aad {
	u8	label[16];
	u8	uuid[IC_UUID_SIZE];
	u8	prev_tag[IC_TAG_SIZE];
	__le64	seq;
};

static_assert(sizeof(struct log_aad) == 56, "on disk");
static_assert(IC_META_MAC_BYTES == IC_BLOCK_SIZE, "data blocks");

static void log_aad(struct log_aad *aad, const u8 uuid[IC_UUID_SIZE], u64 seq,
		    const u8 prev_tag[IC_TAG_SIZE])
{
	memcpy(aad->label, "inocrypt1 log\0\0", sizeof(aad->label));
	memcpy(aad->uuid, uuid, IC_UUID_SIZE);
	memcpy(aad->prev_tag, prev_tag, IC_TAG_SIZE);
	aad->seq = cpu_to_le64(seq);
}

#define SEALED_FROM	offsetof(struct ic_log_block, low)
#define SEALED_BYTES	(IC_BLOCK_SIZE - SEALED_FROM)

/**
 * ic_log_seal() - encrypt a log block in place
 * @block: filled in
 * @key: from ic_derive_log_key()
 * @uuid: the volume's
 * @seq: the block's number
 * @prev_tag: of the block before under the same salt; zeros for the first
 * @nonce: never used before
 *
 * Return: 0 or a negative errno.  Context: may sleep.
 */
int ic_log_seal(struct ic_log_block *block, struct ic_meta_key *key,
		const u8 uuid[IC_UUID_SIZE], u64 seq,
		const u8 prev_tag[IC_TAG_SIZE], const u8 nonce[IC_NONCE_SIZE])
{
	struct log_aad aad;

	log_aad(&aad, uuid, seq, prev_tag);
	memcpy(block->nonce, nonce, IC_NONCE_SIZE);
	block->number = cpu_to_le32((u32)seq);
	return ic_meta_seal(key, block->nonce, &aad, sizeof(aad), &block->low,
			    SEALED_BYTES, block->tag);
}

/**
 * ic_log_open() - authenticate and decrypt a log block in place
 * @block: as read; not trusted
 * @key: from ic_derive_log_key()
 * @uuid: the volume's
 * @seq: the block's number
 * @prev_tag: of the block before under the same salt; zeros for the first
 *
 * Return: 0; -EBADMSG if it is not this block, which is how a log ends; -EINVAL
 * if it is, but holds values of an unknown kind; or another negative errno.
 * Context: may sleep.
 */
int ic_log_open(struct ic_log_block *block, struct ic_meta_key *key,
		const u8 uuid[IC_UUID_SIZE], u64 seq,
		const u8 prev_tag[IC_TAG_SIZE])
{
	struct log_aad aad;
	bool last;
	int err;

	if (le32_to_cpu(block->number) != (u32)seq)
		return -EBADMSG;
	log_aad(&aad, uuid, seq, prev_tag);
	err = ic_meta_open(key, block->nonce, &aad, sizeof(aad), &block->low,
			   SEALED_BYTES, block->tag);
	if (err)
		return err;
	last = le16_to_cpu(block->flags) & IC_LOG_LAST;
	if (le16_to_cpu(block->count) > IC_LOG_ENTRIES ||
	    le16_to_cpu(block->flags) & ~IC_LOG_LAST || block->zero ||
	    le64_to_cpu(block->low) > seq ||
	    last == mem_is_zero(block->next_salt, IC_SALT_SIZE))
		return -EINVAL;
	return 0;
}

/**
 * ic_log_is_later() - does what is where a block would be show that the log went on?
 * @block: as read; nothing about it is authentic
 * @seq: number that the block would have
 * @log_blocks: length of the ring
 *
 * Return: true if it seems to be that block, or the one that comes into its place
 * in the next round.
 */
bool ic_log_is_later(const struct ic_log_block *block, u64 seq, u32 log_blocks)
{
	u32 number = le32_to_cpu(block->number);

	return number == (u32)seq ||
	       number == (u32)(seq + log_blocks);
}

/**
 * ic_log_data_blocks() - how many data blocks follow a log block
 * @block: opened, or not sealed yet
 */
u32 ic_log_data_blocks(const struct ic_log_block *block)
{
	u32 i, n = 0;

	for (i = 0; i < le16_to_cpu(block->count); i++)
		n += le64_to_cpu(block->entry[i].what) >> 56 == IC_LOG_DATA;
	return n;
}

/**
 * ic_log_check() - what a DATA entry says of its data block
 * @entry: the entry
 * @key: from ic_derive_log_key(), that its block is sealed under
 * @data: IC_BLOCK_SIZE bytes
 * @check: receives it
 *
 * The nonce is the record's.  It comes from the generator that the log blocks' nonces
 * are from, and belongs to one writing of one sector, which is all that is authenticated
 * with it under this key.
 *
 * Return: 0 or a negative errno.  Context: may sleep.
 */
int ic_log_check(const struct ic_log_entry *entry, struct ic_meta_key *key,
		 const void *data, u8 check[IC_HEAD_SIZE])
{
	u8 tag[IC_TAG_SIZE];
	int err;

	err = ic_meta_mac(key, entry->rec.sector.nonce, data, tag);
	memcpy(check, tag, IC_HEAD_SIZE);
	return err;
}

/**
 * ic_log_change() - take one entry apart
 * @block: opened
 * @nr: entry, below the block's count
 * @geo: the volume's
 * @change: receives it, all numbers within the volume's bounds
 *
 * Return: 0, or -EINVAL.
 */
int ic_log_change(const struct ic_log_block *block, u32 nr,
		  const struct ic_geometry *geo, struct ic_change *change)
{
	const struct ic_log_entry *e = &block->entry[nr];
	u64 what = le64_to_cpu(e->what), limit;
	const u8 *rest = e->head;
	size_t rest_bytes = IC_HEAD_SIZE;

	memset(change, 0, sizeof(*change));
	change->type = what >> 56;
	change->nr = what & (~0ULL >> 8);
	change->count = 1;
	switch (change->type) {
	case IC_LOG_DATA:
	case IC_LOG_PUT:
		limit = geo->data_sectors;
		if (change->type == IC_LOG_DATA &&
		    geo->sector_size != IC_BLOCK_SIZE)
			limit = 0;
		change->rec = e->rec;
		memcpy(change->head, e->head, IC_HEAD_SIZE);
		rest_bytes = 0;
		break;
	case IC_LOG_SET_OWNER:
		limit = geo->owners;
		change->rec = e->rec;
		break;
	case IC_LOG_SET_KEY:
		limit = IC_KEY_SLOTS;
		change->rec = e->rec;
		break;
	case IC_LOG_ZERO:
		limit = geo->data_sectors;
		change->count = le64_to_cpu(e->count);
		rest = (const u8 *)(&e->count + 1);
		rest_bytes = sizeof(*e) - offsetof(struct ic_log_entry, count) -
			     sizeof(e->count);
		break;
	default:
		return -EINVAL;
	}
	if (change->nr >= limit || !change->count ||
	    change->count > limit - change->nr ||
	    !mem_is_zero(rest, rest_bytes))
		return -EINVAL;
	return 0;
}
