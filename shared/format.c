// SPDX-License-Identifier: GPL-2.0-only
/*
 * Geometry, superblock and node codec.  Shared code: nothing here trusts what
 * it reads, allocates, or does I/O.
 */
#include "derive.h"

/**
 * ic_geometry_init() - lay a volume out
 * @geo: to fill in
 * @params: not trusted; checked here
 *
 * Return: 0, or -EINVAL if the parameters are out of their bounds.
 */
int ic_geometry_init(struct ic_geometry *geo, const struct ic_params *params)
{
	u64 n, base = 0;
	u32 level = 0;

	memset(geo, 0, sizeof(*geo));
	if (params->sector_size < IC_MIN_SECTOR_SIZE ||
	    params->sector_size > IC_MAX_SECTOR_SIZE ||
	    (params->sector_size & (params->sector_size - 1)) ||
	    !params->data_sectors ||
	    params->data_sectors > IC_MAX_DATA_BYTES / params->sector_size ||
	    !params->owners || params->owners > IC_MAX_OWNERS ||
	    params->log_blocks < IC_MIN_LOG_BLOCKS ||
	    params->log_blocks > IC_MAX_LOG_BLOCKS)
		return -EINVAL;

	geo->sector_size = params->sector_size;
	while ((1U << geo->sector_shift) < params->sector_size)
		geo->sector_shift++;
	geo->data_sectors = params->data_sectors;
	geo->owners = params->owners;

	n = DIV_ROUND_UP_ULL(IC_KEY_SLOTS, IC_LEAF_RECORDS);
	geo->owner_leaf = n;
	n += DIV_ROUND_UP_ULL(params->owners, IC_LEAF_RECORDS);
	geo->sector_leaf = n;
	n += DIV_ROUND_UP_ULL(params->data_sectors, IC_LEAF_RECORDS);

	for (;;) {
		if (level == IC_MAX_LEVELS)
			return -EINVAL;
		geo->level_base[level] = base;
		geo->level_nodes[level] = n;
		base += n;
		level++;
		if (n == 1)
			break;
		n = DIV_ROUND_UP_ULL(n, IC_FANOUT);
	}
	geo->levels = level;
	geo->nodes = base;

	geo->log_start = IC_FIRST_BLOCK;
	geo->log_blocks = params->log_blocks;
	geo->place_start[0] = IC_FIRST_BLOCK + (u64)params->log_blocks;
	geo->place_start[1] = geo->place_start[0] + geo->nodes;
	geo->blocks = geo->place_start[1] + geo->nodes;
	return 0;
}

/**
 * ic_log_blocks_default() - a log size that suits the volume
 * @data_sectors: crypto sectors
 * @sector_size: bytes of one
 *
 * Return: blocks; 1/128 of the volume, or where sectors are small room for an entry
 * of every 8th, 84 to a block; 1/16 up to 16 MiB (about a journal of mke2fs) and
 * 1 MiB at least, 128 MiB at most.  A checkpoint at half a ring should find so many
 * changed records that most leaves it writes have several: docs/performance.md.
 */
u32 ic_log_blocks_default(u64 data_sectors, u32 sector_size)
{
	u64 bytes = data_sectors * sector_size;
	u64 blocks = div64_u64(bytes, 128 * IC_BLOCK_SIZE);
	u64 entries = div64_u64(data_sectors, 84 * 8);
	u64 least = div64_u64(bytes, 16 * IC_BLOCK_SIZE);

	least = least < 256 ? 256 : least > 4096 ? 4096 : least;
	least = least < entries ? entries : least;
	if (blocks < least)
		blocks = least;
	return blocks > 32768 ? 32768 : blocks;
}

/**
 * ic_params_fit() - find the largest volume that fits
 * @params: in: sector_size, owners, and log_blocks (0: choose); out:
 *	data_sectors and log_blocks
 * @data_bytes: size of the data area if the sidecar has a device of its own,
 *	0 if both share one area
 * @shared_bytes: size of the sidecar's area, or of the shared area
 *
 * Return: 0, or -ENOSPC if not even a small volume fits.
 */
int ic_params_fit(struct ic_params *params, u64 data_bytes, u64 shared_bytes)
{
	u64 lo = 0, hi, limit = data_bytes ? data_bytes : shared_bytes;
	u32 log_blocks = params->log_blocks;

	if (params->sector_size < IC_MIN_SECTOR_SIZE ||
	    params->sector_size > IC_MAX_SECTOR_SIZE)
		return -EINVAL;
	if (limit > IC_MAX_DATA_BYTES)
		limit = IC_MAX_DATA_BYTES;
	hi = div64_u64(limit, params->sector_size);
	/* The sidecar's size grows with data_sectors: search for the largest. */
	while (lo < hi) {
		u64 mid = lo + (hi - lo + 1) / 2;
		struct ic_params p = *params;
		struct ic_geometry geo;
		u64 need;

		p.data_sectors = mid;
		p.log_blocks = log_blocks ? log_blocks :
			       ic_log_blocks_default(mid,
						     params->sector_size);
		if (ic_geometry_init(&geo, &p))
			return -EINVAL;
		need = geo.blocks * IC_BLOCK_SIZE;
		if (!data_bytes)
			need += mid * params->sector_size;
		if (need <= shared_bytes)
			lo = mid;
		else
			hi = mid - 1;
	}
	if (!lo)
		return -ENOSPC;
	params->data_sectors = lo;
	params->log_blocks = log_blocks ? log_blocks :
			     ic_log_blocks_default(lo, params->sector_size);
	return 0;
}

/**
 * ic_super_read_params() - take the readable part of a superblock apart
 * @sb: not trusted
 * @params: receives what it says; its geometry is valid on success
 * @why: receives the reason on failure, a string for people
 *
 * What is read here is authenticated only by ic_super_open().
 *
 * Return: 0, -ENODATA without a magic number, or -EINVAL.
 */
int ic_super_read_params(const struct ic_super *sb, struct ic_params *params,
			 const char **why)
{
	const struct ic_super_clear *c = &sb->clear;
	struct ic_geometry geo;

	memset(params, 0, sizeof(*params));
	if (memcmp(c->magic, IC_MAGIC, sizeof(c->magic))) {
		*why = "no inocrypt superblock";
		return -ENODATA;
	}
	if (le32_to_cpu(c->version) != IC_VERSION) {
		*why = "unknown format version";
		return -EINVAL;
	}
	if (c->flags || !mem_is_zero(c->reserved, sizeof(c->reserved))) {
		*why = "unknown superblock flags";
		return -EINVAL;
	}
	if (!ic_cipher_info(le32_to_cpu(c->cipher))) {
		*why = "unknown cipher";
		return -EINVAL;
	}
	if (le32_to_cpu(c->key_slots) != IC_KEY_SLOTS) {
		*why = "unknown number of key slots";
		return -EINVAL;
	}
	memcpy(params->uuid, c->uuid, IC_UUID_SIZE);
	params->sector_size = le32_to_cpu(c->sector_size);
	params->cipher = le32_to_cpu(c->cipher);
	params->data_sectors = le64_to_cpu(c->data_sectors);
	params->owners = le64_to_cpu(c->owners);
	params->log_blocks = le32_to_cpu(c->log_blocks);
	if (ic_geometry_init(&geo, params)) {
		*why = "geometry out of bounds";
		return -EINVAL;
	}
	return 0;
}

/**
 * ic_super_open() - authenticate a superblock and decrypt its state
 * @sb: decrypted in place
 * @key: from IC_LABEL_SUPER
 * @state: receives the state
 * @why: receives the reason on failure
 *
 * Return: 0, -EBADMSG if the key is wrong or the block was changed, -EINVAL if
 * it holds values out of bounds, or an error of the crypto library, which is
 * never -EINVAL.
 */
int ic_super_open(struct ic_super *sb, struct ic_meta_key *key,
		  struct ic_state *state, const char **why)
{
	struct ic_super_state *s = &sb->state;
	int err = -EBADMSG;

	/* The only bytes that the tag doesn't cover. */
	if (!sb->reserved)
		err = ic_meta_open(key, sb->nonce, &sb->clear,
				   sizeof(sb->clear), s, sizeof(*s), sb->tag);
	if (err) {
		*why = err == -EBADMSG ?
			"superblock does not authenticate (wrong volume key, or changed)" :
			"superblock can't be decrypted";
		return err == -EINVAL ? -EIO : err;
	}
	memset(state, 0, sizeof(*state));
	state->epoch = le64_to_cpu(s->epoch);
	memcpy(state->root_tag, s->root_tag, IC_TAG_SIZE);
	state->root_place = le32_to_cpu(s->root_place);
	state->flags = le32_to_cpu(s->flags);
	memcpy(state->log_salt, s->log_salt, IC_SALT_SIZE);
	state->log_seq = le64_to_cpu(s->log_seq);
	state->nr_owners = le64_to_cpu(s->nr_owners);
	/* No volume gets that far, and below this no sum with them overflows. */
	if (!state->epoch || state->epoch >= 1ULL << 63 ||
	    state->log_seq >= 1ULL << 63 || state->root_place > 1 ||
	    (state->flags & ~(u32)IC_STATE_OWNED) ||
	    !mem_is_zero(s->reserved, sizeof(s->reserved))) {
		*why = "superblock state of an unknown kind";
		return -EINVAL;
	}
	return 0;
}

/**
 * ic_super_judge() - find out what one copy of the superblock is
 * @sb: as read; decrypted in place
 * @nr: which copy, 0 or 1
 * @key: from IC_LABEL_SUPER, for the UUID that @sb names
 * @copy: receives the verdict, and what a valid copy says
 *
 * The tag is looked at before anything else: what authenticates was written by
 * somebody who has the volume key, and isn't passed over because this code is
 * too old to know what it means.
 *
 * Context: may sleep.
 */
void ic_super_judge(struct ic_super *sb, u32 nr, struct ic_meta_key *key,
		    struct ic_super_copy *copy)
{
	const char *strange = NULL;
	int unknown, err;

	memset(copy, 0, sizeof(*copy));
	copy->clear = sb->clear;
	memcpy(copy->tag, sb->tag, IC_TAG_SIZE);
	unknown = ic_super_read_params(sb, &copy->params, &strange);
	err = ic_super_open(sb, key, &copy->state, &copy->why);
	if (err && err != -EBADMSG && err != -EINVAL) {
		copy->verdict = IC_SUPER_UNJUDGED;
	} else if (err == -EBADMSG) {
		copy->verdict = IC_SUPER_FOREIGN;
	} else {
		copy->verdict = IC_SUPER_STRANGE;
		if (!err && !unknown && (copy->state.epoch & 1) != nr) {
			copy->why = "superblock is in the place of the other copy";
			err = -EUCLEAN;
		}
		if (!err && !unknown)
			copy->verdict = IC_SUPER_VALID;
	}
	/*
	 * What a superblock seems to be is a better reason for people than that
	 * it doesn't authenticate.
	 */
	if (unknown && copy->verdict != IC_SUPER_UNJUDGED) {
		copy->why = strange;
		err = unknown;
	}
	copy->err = err;
	if (err)
		memzero_explicit(&copy->state, sizeof(copy->state));
	else
		copy->why = NULL;
}

/**
 * ic_super_unread() - a copy of the superblock could not be read
 * @copy: receives the verdict
 * @err: negative errno
 */
void ic_super_unread(struct ic_super_copy *copy, int err)
{
	memset(copy, 0, sizeof(*copy));
	copy->verdict = IC_SUPER_UNREAD;
	copy->err = err;
	copy->why = "can't read the superblock";
}

/**
 * ic_super_choose() - which copy of the superblock is the volume's state?
 * @copy: both, from ic_super_judge() or ic_super_unread()
 * @why: receives the reason on failure, a string for people
 *
 * A copy that doesn't authenticate, or can't be read, is passed over: the caller
 * sees by its verdict that the last checkpoint may be lost.  Any other reason not
 * to take a copy refuses the volume: going on from the other one would undo what
 * somebody who has the key has written.
 *
 * Return: 0 or 1; -ENODATA if there is no superblock, -EBADMSG if none
 * authenticates, -EINVAL if one is authentic and not understood, -EUCLEAN if the
 * two contradict each other or are not where they belong, or another negative
 * errno.
 */
int ic_super_choose(const struct ic_super_copy copy[2], const char **why)
{
	const struct ic_super_copy *c;
	u32 nr;

	for (nr = 0; nr < 2; nr++) {
		c = &copy[nr];
		if (c->verdict == IC_SUPER_STRANGE ||
		    c->verdict == IC_SUPER_UNJUDGED) {
			*why = c->why;
			return c->err;
		}
	}
	if (!copy[0].err && !copy[1].err) {
		if (memcmp(&copy[0].clear, &copy[1].clear,
			   sizeof(copy[0].clear))) {
			*why = "the two superblock copies describe different volumes";
			return -EUCLEAN;
		}
		return copy[1].state.epoch > copy[0].state.epoch;
	}
	if (!copy[0].err || !copy[1].err)
		return !copy[1].err;
	/* Any other verdict says more than that there is no superblock. */
	c = copy[0].err == -ENODATA || copy[1].err == -EBADMSG ? &copy[1] :
								 &copy[0];
	*why = c->why;
	return c->err;
}

/**
 * ic_super_seal() - make a superblock
 * @sb: to fill in
 * @key: from IC_LABEL_SUPER
 * @params: the volume's
 * @state: the state to record
 * @nonce: fresh
 *
 * Return: 0 or a negative errno.
 */
int ic_super_seal(struct ic_super *sb, struct ic_meta_key *key,
		  const struct ic_params *params, const struct ic_state *state,
		  const u8 nonce[IC_NONCE_SIZE])
{
	struct ic_super_clear *c = &sb->clear;
	struct ic_super_state *s = &sb->state;

	memset(sb, 0, sizeof(*sb));
	memcpy(c->magic, IC_MAGIC, sizeof(c->magic));
	c->version = cpu_to_le32(IC_VERSION);
	memcpy(c->uuid, params->uuid, IC_UUID_SIZE);
	c->sector_size = cpu_to_le32(params->sector_size);
	c->cipher = cpu_to_le32(params->cipher);
	c->data_sectors = cpu_to_le64(params->data_sectors);
	c->owners = cpu_to_le64(params->owners);
	c->key_slots = cpu_to_le32(IC_KEY_SLOTS);
	c->log_blocks = cpu_to_le32(params->log_blocks);

	s->epoch = cpu_to_le64(state->epoch);
	memcpy(s->root_tag, state->root_tag, IC_TAG_SIZE);
	s->root_place = cpu_to_le32(state->root_place);
	s->flags = cpu_to_le32(state->flags);
	memcpy(s->log_salt, state->log_salt, IC_SALT_SIZE);
	s->log_seq = cpu_to_le64(state->log_seq);
	s->nr_owners = cpu_to_le64(state->nr_owners);

	memcpy(sb->nonce, nonce, IC_NONCE_SIZE);
	return ic_meta_seal(key, sb->nonce, c, sizeof(*c), s, sizeof(*s),
			    sb->tag);
}

/* What a node's tag covers besides its payload. */
struct node_aad {
	u8	label[16];
	u8	uuid[IC_UUID_SIZE];
	__le64	index;
	__le32	level;
	__le32	zero;
};

static_assert(sizeof(struct node_aad) == 48, "on disk");

static void node_aad(struct node_aad *aad, const u8 uuid[IC_UUID_SIZE],
		     u32 level, u64 index)
{
	memcpy(aad->label, "inocrypt1 node\0", sizeof(aad->label));
	memcpy(aad->uuid, uuid, IC_UUID_SIZE);
	aad->index = cpu_to_le64(index);
	aad->level = cpu_to_le32(level);
	aad->zero = 0;
}

/**
 * ic_node_seal() - encrypt a node in place
 * @node: payload filled in
 * @key: from IC_LABEL_NODE
 * @uuid: the volume's
 * @level: 0 for a leaf
 * @index: within its level
 * @nonce: fresh
 *
 * Return: 0, -EAGAIN if the tag's 63 bits came out zero (seal a fresh copy
 * with another nonce), or a negative errno.
 */
int ic_node_seal(struct ic_node *node, struct ic_meta_key *key,
		 const u8 uuid[IC_UUID_SIZE], u32 level, u64 index,
		 const u8 nonce[IC_NONCE_SIZE])
{
	struct node_aad aad;
	int err;

	node_aad(&aad, uuid, level, index);
	memcpy(node->nonce, nonce, IC_NONCE_SIZE);
	node->reserved = 0;
	err = ic_meta_seal(key, node->nonce, &aad, sizeof(aad), node->payload,
			   sizeof(node->payload), node->tag);
	if (!err && !ic_word_tag(ic_word(node->tag, 0)))
		err = -EAGAIN;
	return err;
}

/**
 * ic_node_open() - authenticate and decrypt a node in place
 * @node: as read
 * @key: from IC_LABEL_NODE
 * @uuid: the volume's
 * @level: 0 for a leaf
 * @index: within its level
 *
 * Before or after this the caller has to compare @node->tag with what the parent, or
 * the superblock, says it is.
 *
 * Return: 0, -EBADMSG, or a negative errno.
 */
int ic_node_open(struct ic_node *node, struct ic_meta_key *key,
		 const u8 uuid[IC_UUID_SIZE], u32 level, u64 index)
{
	struct node_aad aad;

	if (node->reserved)
		return -EBADMSG;
	node_aad(&aad, uuid, level, index);
	return ic_meta_open(key, node->nonce, &aad, sizeof(aad),
			    node->payload, sizeof(node->payload), node->tag);
}

/**
 * ic_leaf_first() - what kind of records a leaf has
 * @geo: the volume's
 * @leaf: its index
 * @number: receives the number of its first record among its kind
 * @count: receives how many records it has, the last leaf of a kind fewer
 *
 * Return: the first leaf of that kind: 0 for keys, @geo->owner_leaf,
 * @geo->sector_leaf.
 */
u64 ic_leaf_first(const struct ic_geometry *geo, u64 leaf, u64 *number,
		  u32 *count)
{
	u64 first = 0, limit = IC_KEY_SLOTS;

	if (leaf >= geo->sector_leaf) {
		first = geo->sector_leaf;
		limit = geo->data_sectors;
	} else if (leaf >= geo->owner_leaf) {
		first = geo->owner_leaf;
		limit = geo->owners;
	}
	*number = (leaf - first) * IC_LEAF_RECORDS;
	*count = IC_LEAF_RECORDS;
	if (limit - *number < IC_LEAF_RECORDS)
		*count = limit - *number;
	return first;
}

static void leaf_lost(struct ic_node *node, const struct ic_geometry *geo,
		      u64 leaf)
{
	u64 first, number;
	u32 i, count;

	first = ic_leaf_first(geo, leaf, &number, &count);
	for (i = 0; i < count; i++) {
		union ic_record *rec = &node->rec[i];

		if (!first)
			rec->key.state = cpu_to_le32(IC_KEY_LOST);
		else if (first != geo->owner_leaf)
			rec->sector.owner = cpu_to_le32(IC_SECTOR_LOST);
		else if (number + i)	/* 0 is the volume, which has none */
			rec->owner.flags = cpu_to_le16(IC_OWNER_LOST);
	}
}

/**
 * ic_node_lost() - make a node that stands for one that is lost, with all below it
 * @node: receives it, its header all zero
 * @geo: the volume's
 * @level: the node's
 * @index: the node's
 *
 * None of its records says anything about what was there, and none looks as if
 * nothing had been.
 */
void ic_node_lost(struct ic_node *node, const struct ic_geometry *geo,
		  u32 level, u64 index)
{
	u64 i, left;

	memset(node, 0, sizeof(*node));
	if (!level) {
		leaf_lost(node, geo, index);
		return;
	}
	left = geo->level_nodes[level - 1] - index * IC_FANOUT;
	for (i = 0; i < IC_FANOUT && i < left; i++)
		node->word[i] = cpu_to_le64(IC_WORD_LOST);
}

/**
 * ic_sector_lost() - is a sector's record one that was lost?
 * @rec: its record
 *
 * Such a record has IC_SECTOR_LOST for its owner.  An owner of that number may exist,
 * but the records of its sectors have a tag and a nonce, and lost ones have none.
 */
bool ic_sector_lost(const struct ic_sector_record *rec)
{
	return rec->owner == cpu_to_le32(IC_SECTOR_LOST) &&
	       mem_is_zero(rec, offsetof(struct ic_sector_record, owner));
}
