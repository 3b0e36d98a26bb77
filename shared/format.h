/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The on-disk format.  docs/format.md describes it field by field.
 *
 * A "block" is 4096 bytes of the sidecar, counted from the sidecar's offset.
 * A "sector" without a qualifier is a crypto sector (512 to 4096 bytes).
 */
#ifndef IC_FORMAT_H
#define IC_FORMAT_H

#include "port.h"

#define IC_MAGIC		"inocrypt"
#define IC_VERSION		1
#define IC_BLOCK_SIZE		4096
#define IC_BLOCK_SHIFT		12
#define IC_UUID_SIZE		16
#define IC_KEY_ID_SIZE		16
#define IC_SALT_SIZE		16
#define IC_CHECK_SIZE		8
#define IC_RECORD_SIZE		32
#define IC_KEY_SLOTS		1024
#define IC_LEAF_RECORDS		127
#define IC_FANOUT		508
#define IC_MAX_LEVELS		6
#define IC_AAD_MAX		128
#define IC_MIN_SECTOR_SIZE	512
#define IC_MAX_SECTOR_SIZE	4096
#define IC_MIN_LOG_BLOCKS	64
#define IC_MAX_LOG_BLOCKS	0x100000	/* 4 GiB */
#define IC_MAX_OWNERS		0x100000000ULL
#define IC_MAX_DATA_BYTES	0x100000000000000ULL

/* Where the two superblock copies are, and the first block after them. */
#define IC_SUPER_BLOCK(copy)	((copy) * 8)
#define IC_FIRST_BLOCK		16

/* Ciphers for data sectors; the sidecar's own blocks are always AES-256-GCM. */
enum ic_cipher {
	IC_CIPHER_AES256_GCM = 1,
	IC_CIPHER_CHACHA20_POLY1305 = 2,
	IC_CIPHER_AEGIS128 = 3,
	IC_CIPHER_COUNT
};

/**
 * struct ic_sector_record - what the sidecar knows of one crypto sector
 *
 * All zero: nothing was written there, it reads as zeros.  All zero but for @owner,
 * which is IC_SECTOR_LOST: the record is lost, it reads as an error.
 */
struct ic_sector_record {
	u8	tag[IC_TAG_SIZE];
	u8	nonce[IC_NONCE_SIZE];
	__le32	owner;			/* inode number; 0: the volume key */
};

#define IC_SECTOR_LOST		0xffffffffU

/**
 * struct ic_owner_record - one inode that owns sectors, indexed by its number
 *
 * All zero: no such owner.  @check is the beginning of
 * HMAC(owner key, IC_LABEL_OWNER_CHECK): tells a wrong key from bad data.
 */
struct ic_owner_record {
	u8	salt[IC_SALT_SIZE];
	__le32	gen;
	__le16	key_slot;
	__le16	flags;			/* IC_OWNER_* */
	u8	check[IC_CHECK_SIZE];
};

/*
 * Values of @flags. IC_OWNER_USED: the record is an owner's. IC_OWNER_ERASED: it is a
 * tombstone, of an owner that was forgotten and whose salt may still be in the leaf's
 * other place; it has only @gen, and goes away when both places have been written.
 * IC_OWNER_ERASING: it is an owner's, and took the place of a tombstone or of another
 * owner's record; the flag goes when both places have been written. IC_OWNER_LOST:
 * nobody knows whether there was an owner, and all but @flags is zero.
 */
#define IC_OWNER_USED		1
#define IC_OWNER_ERASED		2
#define IC_OWNER_ERASING	4
#define IC_OWNER_LOST		8

/**
 * struct ic_key_record - a master key this volume knows of
 */
struct ic_key_record {
	u8	key_id[IC_KEY_ID_SIZE];
	__le32	state;			/* enum ic_key_state */
	__le32	uid;			/* of the user who brought it first */
	__le32	reserved[2];
};

enum ic_key_state {
	IC_KEY_FREE = 0,
	IC_KEY_USED = 1,
	IC_KEY_LOST = 2,	/* all else is zero; nobody gets this slot */
};

union ic_record {
	struct ic_sector_record	sector;
	struct ic_owner_record	owner;
	struct ic_key_record	key;
	u8			bytes[IC_RECORD_SIZE];
};

/**
 * struct ic_node - one tree node as it is on the disk
 * @tag: authentication tag over AAD and the encrypted rest
 * @nonce: of this writing
 * @reserved: 0, checked
 * @rec: a leaf's records (level 0)
 * @word: an inner node's words, see ic_word()
 */
struct ic_node {
	u8	tag[IC_TAG_SIZE];
	u8	nonce[IC_NONCE_SIZE];
	__le32	reserved;
	union {
		union ic_record	rec[IC_LEAF_RECORDS];
		__le64		word[IC_FANOUT];
		u8		payload[IC_BLOCK_SIZE - 32];
	};
};

static_assert(sizeof(struct ic_sector_record) == IC_RECORD_SIZE, "on disk");
static_assert(sizeof(struct ic_owner_record) == IC_RECORD_SIZE, "on disk");
static_assert(sizeof(struct ic_key_record) == IC_RECORD_SIZE, "on disk");
static_assert(sizeof(struct ic_node) == IC_BLOCK_SIZE, "on disk");

/**
 * struct ic_super_clear - the readable part of a superblock, authenticated
 */
struct ic_super_clear {
	u8	magic[8];
	__le32	version;
	__le32	flags;			/* 0 */
	u8	uuid[IC_UUID_SIZE];
	__le32	sector_size;		/* bytes */
	__le32	cipher;			/* enum ic_cipher */
	__le64	data_sectors;		/* crypto sectors */
	__le64	owners;			/* owner records, number 0 included */
	__le32	key_slots;		/* IC_KEY_SLOTS */
	__le32	log_blocks;
	u8	reserved[64];		/* 0 */
};

/**
 * struct ic_super_state - the encrypted part of a superblock
 */
struct ic_super_state {
	__le64	epoch;			/* grows with every checkpoint */
	u8	root_tag[IC_TAG_SIZE];	/* all zero: nothing in the tree */
	__le32	root_place;		/* 0 or 1 */
	__le32	flags;			/* IC_STATE_* */
	u8	log_salt[IC_SALT_SIZE];	/* of the log that follows this tree */
	__le64	log_seq;		/* sequence number of its first block */
	__le64	nr_owners;		/* owner records in use */
	u8	reserved[288];		/* 0 */
};

#define IC_STATE_OWNED		1	/* owned sectors have been written */

/**
 * struct ic_super - one superblock copy; the block's remaining bytes are zero
 *
 * It fits one 512-byte sector, so that no device tears it.
 */
struct ic_super {
	struct ic_super_clear	clear;
	u8			nonce[IC_NONCE_SIZE];
	__le32			reserved;
	u8			tag[IC_TAG_SIZE];
	struct ic_super_state	state;
};

static_assert(sizeof(struct ic_super_clear) == 128, "on disk");
static_assert(sizeof(struct ic_super_state) == 352, "on disk");
static_assert(sizeof(struct ic_super) == 512, "on disk");

/**
 * struct ic_params - all that is chosen when a volume is formatted
 */
struct ic_params {
	u8	uuid[IC_UUID_SIZE];
	u32	sector_size;
	u32	cipher;
	u64	data_sectors;
	u64	owners;
	u32	log_blocks;
};

/**
 * struct ic_geometry - where everything is; follows from struct ic_params
 * @sector_shift: log2 of the crypto sector's size in bytes
 * @levels: of the tree; the root is on level @levels - 1
 * @level_base: number of a level's first node; nodes are numbered leaves first
 * @level_nodes: nodes on a level
 * @nodes: nodes in the tree
 * @owner_leaf: first leaf of owner records (key records begin at leaf 0)
 * @sector_leaf: first leaf of sector records
 * @log_start: first block of the log
 * @place_start: first block of each of the two places of the tree
 * @blocks: length of the sidecar
 */
struct ic_geometry {
	u32	sector_size;
	u32	sector_shift;
	u64	data_sectors;
	u64	owners;
	u32	levels;
	u64	level_base[IC_MAX_LEVELS];
	u64	level_nodes[IC_MAX_LEVELS];
	u64	nodes;
	u64	owner_leaf;
	u64	sector_leaf;
	u64	log_start;
	u32	log_blocks;
	u64	place_start[2];
	u64	blocks;
};

/* The state of a volume that a superblock holds, in CPU byte order. */
struct ic_state {
	u64	epoch;
	u8	root_tag[IC_TAG_SIZE];
	u32	root_place;
	u32	flags;
	u8	log_salt[IC_SALT_SIZE];
	u64	log_seq;
	u64	nr_owners;
};

/* What one of the two superblock copies is found to be. */
enum ic_super_verdict {
	IC_SUPER_VALID,		/* authentic, understood, and in its place */
	IC_SUPER_FOREIGN,	/* doesn't authenticate: as good as not there */
	IC_SUPER_UNREAD,	/* the device could not read it */
	IC_SUPER_STRANGE,	/* authentic, but not what this code understands */
	IC_SUPER_UNJUDGED,	/* cryptography failed, so nobody knows */
};

/**
 * struct ic_super_copy - one of the two superblock copies, once judged
 * @err: negative errno that goes with the verdict, 0 for a valid copy
 * @why: what is wrong, a string for people; NULL for a valid copy
 * @clear: readable part as it was read; not if it is unread
 * @tag: of a valid copy: names this writing
 * @params: of a valid copy
 * @state: of a valid copy, else zero; has the log's salt
 */
struct ic_super_copy {
	enum ic_super_verdict	verdict;
	int			err;
	const char		*why;
	struct ic_super_clear	clear;
	u8			tag[IC_TAG_SIZE];
	struct ic_params	params;
	struct ic_state		state;
};

int ic_geometry_init(struct ic_geometry *geo, const struct ic_params *params);
int ic_params_fit(struct ic_params *params, u64 data_bytes, u64 shared_bytes);
u32 ic_log_blocks_default(u64 data_sectors, u32 sector_size);

int ic_super_read_params(const struct ic_super *sb, struct ic_params *params,
			 const char **why);
int ic_super_open(struct ic_super *sb, struct ic_meta_key *key,
		  struct ic_state *state, const char **why);
void ic_super_judge(struct ic_super *sb, u32 nr, struct ic_meta_key *key,
		    struct ic_super_copy *copy);
void ic_super_unread(struct ic_super_copy *copy, int err);
int ic_super_choose(const struct ic_super_copy copy[2], const char **why);
int ic_super_seal(struct ic_super *sb, struct ic_meta_key *key,
		  const struct ic_params *params, const struct ic_state *state,
		  const u8 nonce[IC_NONCE_SIZE]);

int ic_node_seal(struct ic_node *node, struct ic_meta_key *key,
		 const u8 uuid[IC_UUID_SIZE], u32 level, u64 index,
		 const u8 nonce[IC_NONCE_SIZE]);
int ic_node_open(struct ic_node *node, struct ic_meta_key *key,
		 const u8 uuid[IC_UUID_SIZE], u32 level, u64 index);

u64 ic_leaf_first(const struct ic_geometry *geo, u64 leaf, u64 *number,
		  u32 *count);
void ic_node_lost(struct ic_node *node, const struct ic_geometry *geo,
		  u32 level, u64 index);
bool ic_sector_lost(const struct ic_sector_record *rec);

/*
 * This word names no writing of the child, which was damaged and given up: what
 * ic_node_lost() makes stands for it.
 */
#define IC_WORD_LOST		1ULL

/**
 * ic_word() - what an inner node keeps of a child
 * @tag: the child's authentication tag
 * @place: 0 or 1, where that writing of the child is
 *
 * Return: 63 bits of @tag with @place as bit 0.  If all 63 are zero the child
 * has to be sealed again with another nonce, as a zero word means an all-zero
 * subtree; see ic_word_tag().
 */
static inline u64 ic_word(const u8 tag[IC_TAG_SIZE], u32 place)
{
	__le64 w;

	memcpy(&w, tag, sizeof(w));
	return (le64_to_cpu(w) & ~1ULL) | place;
}

static inline u64 ic_word_tag(u64 word)
{
	return word & ~1ULL;
}

static inline u32 ic_word_place(u64 word)
{
	return word & 1;
}

/* Number of the node at (@level, @index); the cache's key. */
static inline u64 ic_node_number(const struct ic_geometry *geo, u32 level,
				 u64 index)
{
	return geo->level_base[level] + index;
}

/* Block of the sidecar that holds (@level, @index) in @place. */
static inline u64 ic_node_block(const struct ic_geometry *geo, u32 level,
				u64 index, u32 place)
{
	return geo->place_start[place] + ic_node_number(geo, level, index);
}

#endif /* IC_FORMAT_H */
