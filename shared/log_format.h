/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The log on the disk: a ring of blocks that say what changed since the committed
 * tree.  log_format.c seals and opens one block, and takes its entries apart.
 *
 * A log block's number is its sequence number; it lives in block
 * log_start + number % log_blocks of the sidecar.  After a log block there may be
 * data blocks, numbered likewise: ciphertext of sectors, one for each of its
 * DATA entries.
 */
#ifndef IC_LOG_FORMAT_H
#define IC_LOG_FORMAT_H

#include "derive.h"

#define IC_LOG_ENTRIES	84
#define IC_HEAD_SIZE	8	/* bytes of a sector's ciphertext in a PUT */

enum ic_log_type {
	IC_LOG_PUT = 1,		/* sector record and head */
	IC_LOG_SET_OWNER = 2,	/* owner record */
	IC_LOG_SET_KEY = 3,	/* key record */
	IC_LOG_ZERO = 4,	/* range of sectors */
	IC_LOG_DATA = 5,	/* sector record, the data is in the log */
};

/**
 * struct ic_log_entry - one change
 * @what: type in the upper 8 bits, first sector, inode number or key slot below
 * @rec: record (PUT, SET, DATA)
 * @head: beginning of the sector's new ciphertext (PUT), check of the data block
 *	(DATA)
 * @count: sectors (ZERO)
 *
 * All that a type doesn't use is zero.
 */
struct ic_log_entry {
	__le64	what;
	union {
		struct {
			union ic_record	rec;
			u8		head[IC_HEAD_SIZE];
		};
		__le64	count;
	};
};

/**
 * struct ic_log_block - one block of the log as it is on the disk
 * @tag: authentication tag; the next block's tag covers it
 * @nonce: of this writing
 * @number: the lower half of the block's number; what tells, without the block
 *	before it, that it was written
 * @low: every PUT in a block numbered below had its data write completed before
 *	a flush of the data device that has itself completed
 * @count: entries
 * @flags: IC_LOG_LAST
 * @next_salt: with IC_LOG_LAST, of the blocks that follow; else 0
 *
 * Encrypted from @low on, under ic_derive_log_key() of the salt.
 */
struct ic_log_block {
	u8			tag[IC_TAG_SIZE];
	u8			nonce[IC_NONCE_SIZE];
	__le32			number;
	__le64			low;
	__le16			count;
	__le16			flags;
	__le32			zero;
	u8			next_salt[IC_SALT_SIZE];
	struct ic_log_entry	entry[IC_LOG_ENTRIES];
};

#define IC_LOG_LAST	1	/* the last one under its salt */

static_assert(sizeof(struct ic_log_entry) == 48, "on disk");
static_assert(sizeof(struct ic_log_block) == IC_BLOCK_SIZE, "on disk");

/* A log entry in CPU byte order. */
struct ic_change {
	enum ic_log_type	type;
	u64			nr;	/* sector, inode number or key slot */
	u64			count;	/* sectors of a ZERO, else 1 */
	union ic_record		rec;
	u8			head[IC_HEAD_SIZE];
};

static inline u64 ic_log_block_nr(const struct ic_geometry *geo, u64 seq)
{
	u32 slot;

	div_u64_rem(seq, geo->log_blocks, &slot);
	return geo->log_start + slot;
}

int ic_log_seal(struct ic_log_block *block, struct ic_meta_key *key,
		const u8 uuid[IC_UUID_SIZE], u64 seq,
		const u8 prev_tag[IC_TAG_SIZE], const u8 nonce[IC_NONCE_SIZE]);
int ic_log_open(struct ic_log_block *block, struct ic_meta_key *key,
		const u8 uuid[IC_UUID_SIZE], u64 seq,
		const u8 prev_tag[IC_TAG_SIZE]);
bool ic_log_is_later(const struct ic_log_block *block, u64 seq, u32 log_blocks);
u32 ic_log_data_blocks(const struct ic_log_block *block);
int ic_log_check(const struct ic_log_entry *entry, struct ic_meta_key *key,
		 const void *data, u8 check[IC_HEAD_SIZE]);
int ic_log_change(const struct ic_log_block *block, u32 nr,
		  const struct ic_geometry *geo, struct ic_change *change);

#endif /* IC_LOG_FORMAT_H */
