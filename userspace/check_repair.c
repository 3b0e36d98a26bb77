// SPDX-License-Identifier: GPL-2.0-only
/*
 * inocrypt check --repair: only what follows from what was verified.
 *
 * Two fields of the superblock say what the tree says too: how many owners there
 * are, and that there ever were any.  They are put right as a checkpoint would:
 * a superblock of the next epoch, in the copy that isn't current, with all else
 * as it was.
 */
#include "check.h"

/* Is there anything besides that makes it uncertain? */
static const char *obstacle(const struct check *c)
{
	u64 damage = 0;

	for (int k = 0; k < CK_KINDS; k++)
		if (k != CK_OWNER_COUNT && k != CK_OWNED_FLAG && k != CK_TORN)
			damage += c->kinds[k];
	if (c->v.copy[0].err || c->v.copy[1].err)
		return "the damaged superblock copy may have been the newer one";
	if (damage)
		return "there is other damage, so that it isn't known what is right";
	return NULL;
}

static int write_super(struct check *c, const struct ic_state *next)
{
	u8 raw[IC_KEY_SIZE], nonce[IC_NONCE_SIZE];
	u8 block[IC_BLOCK_SIZE] = { 0 };
	struct ic_meta_key *key = NULL;
	struct ic_super sb;
	int ret;

	ret = random_bytes(nonce, sizeof(nonce));
	if (ret)
		return ret;
	if (!ic_derive_volume_key(c->vk.key, c->v.params.uuid, IC_LABEL_SUPER,
				  raw))
		key = ic_meta_key_new(raw);
	explicit_bzero(raw, sizeof(raw));
	if (!key || ic_super_seal(&sb, key, &c->v.params, next, nonce))
		ret = fail(EX_FAIL, "libcrypto fails");
	ic_meta_key_free(key);
	if (ret)
		return ret;
	memcpy(block, &sb, sizeof(sb));
	/* What the committed tree is made of has to be there before. */
	ret = dev_flush(c->v.side);
	if (!ret)
		ret = dev_write_block(c->v.side, c->v.side_offset +
				      IC_SUPER_BLOCK(next->epoch & 1) *
				      IC_BLOCK_SIZE, block);
	return ret ? ret : dev_flush(c->v.side);
}

/**
 * check_repair() - undo what damage can be undone
 * @c: the run, all else done; its devices open for writing
 *
 * Return: 0 or an exit code.
 */
int check_repair(struct check *c)
{
	struct ic_state next = c->v.state;
	u64 found = c->kinds[CK_OWNER_COUNT] + c->kinds[CK_OWNED_FLAG];
	int ret;

	if (!found) {
		c->repair = "nothing that could be repaired";
		return 0;
	}
	c->repair = obstacle(c);
	if (c->repair)
		return 0;
	next.epoch++;
	if (c->kinds[CK_OWNER_COUNT])
		next.nr_owners = c->records.committed_owners;
	if (c->kinds[CK_OWNED_FLAG])
		next.flags |= IC_STATE_OWNED;
	ret = write_super(c, &next);
	if (ret)
		return ret;
	c->fixed = found;
	c->fixed_damage = c->kinds[CK_OWNED_FLAG];
	c->repair = "done: superblock written anew";
	return 0;
}
