// SPDX-License-Identifier: GPL-2.0-only
/*
 * inocrypt check --repair, the tree: damaged nodes are given up, so that nothing
 * stands in the way of writing below them again.
 *
 * Their parents' words become IC_WORD_LOST.  The nodes from there up to the root are
 * written as a checkpoint would, each to its other place; the log goes on to follow
 * the tree, so that what it has of the lost records is kept.
 */
#include <stdalign.h>

#include "check/check.h"

/**
 * check_write_block() - write a block of the sidecar, and see that it is there
 * @c: the run
 * @offset: bytes on the sidecar's device
 * @buf: 4096 bytes, NULL for zeros
 *
 * A block that can be written can still be one that can't be read.
 *
 * Return: 0 or an exit code.
 */
int check_write_block(struct check *c, u64 offset, const void *buf)
{
	static alignas(IC_BLOCK_SIZE) u8 raw[IC_BLOCK_SIZE];
	static const u8 zeros[IC_BLOCK_SIZE];
	int ret = dev_write_block(c->v.side, offset, buf);
	int err;

	if (ret)
		return ret;
	err = dev_pread(c->v.side, offset, raw, sizeof(raw), sizeof(raw));
	if (err || memcmp(raw, buf ? buf : zeros, sizeof(raw)))
		return fail(EX_IO,
			    "what was written to %s at byte %llu can't be read (%s): copy it to another device, and repair that",
			    c->v.side->path, (unsigned long long)offset,
			    err ? strerror(-err) : "it is something else");
	return 0;
}

/* A node that is to be written anew, and what its parent says of it. */
struct target {
	u32 level;
	u64 index;
	u64 word;
	u32 place;
};

static int read_node(struct check *c, const struct target *t,
		     struct ic_node *node)
{
	static alignas(IC_BLOCK_SIZE) u8 raw[IC_BLOCK_SIZE];
	int err = dev_pread(c->v.side,
			    check_node_place(c, t->level, t->index,
					     t->place).offset,
			    raw, sizeof(raw), sizeof(raw));

	return err ? err : check_open_node(c, raw, node, t->level, t->index,
					   t->word);
}

/* Seal @node and write it to its other place; @t says then where it is. */
static int write_node(struct check *c, struct target *t, struct ic_node *node)
{
	struct ic_node sealed;
	u8 nonce[IC_NONCE_SIZE];
	int ret, err;

	do {
		ret = random_bytes(nonce, sizeof(nonce));
		if (ret)
			return ret;
		sealed = *node;
		err = ic_node_seal(&sealed, c->v.node_key, c->v.params.uuid,
				   t->level, t->index, nonce);
	} while (err == -EAGAIN);
	if (err)
		return fail(EX_FAIL, "libcrypto fails");
	t->place = !t->place;
	t->word = ic_word(sealed.tag, t->place);
	memcpy(node->tag, sealed.tag, IC_TAG_SIZE);
	return check_write_block(c, check_node_place(c, t->level, t->index,
						     t->place).offset,
				 &sealed);
}

/*
 * Give up the nodes @bad, @nr of them, all below @t; @node receives what is written.
 * As deep as the tree.
 */
static int mend_below(struct check *c, struct target *t, struct ic_node *node,
		      const struct check_bad *bad, size_t nr)
{
	size_t done, some;
	int ret;

	if (read_node(c, t, node))
		return fail(EX_IO, "a node that could be read can't be any more: run it again");
	for (done = 0; done < nr; done += some) {
		u64 width = 1, child;
		struct ic_node below;
		struct target down;
		__le64 *word;

		for (u32 l = 1; l < t->level; l++)
			width *= IC_FANOUT;
		child = bad[done].leaves.first / width;
		word = &node->word[child % IC_FANOUT];
		down = (struct target){ t->level - 1, child,
					le64_to_cpu(*word),
					ic_word_place(le64_to_cpu(*word)) };
		for (some = 1; done + some < nr; some++)
			if (bad[done + some].leaves.first / width != child)
				break;
		if (bad[done].level == down.level) {
			/* Read it once more: a read error may have passed. */
			if (!read_node(c, &down, &below))
				continue;
			*word = cpu_to_le64(IC_WORD_LOST);
			continue;
		}
		ret = mend_below(c, &down, &below, bad + done, some);
		explicit_bzero(&below, sizeof(below));
		if (ret)
			return ret;
		*word = cpu_to_le64(down.word);
	}
	return write_node(c, t, node);
}

/**
 * check_mend() - give up all nodes that can't be had
 * @c: the run, past the tree; the root is there
 * @next: the state that is to be committed; receives the new root
 *
 * What is written isn't referred to before @next is committed.
 *
 * Return: 0 or an exit code.
 */
int check_mend(struct check *c, struct ic_state *next)
{
	struct target root = { c->v.geo.levels - 1, 0, 0, next->root_place };
	struct ic_node node;
	int ret = mend_below(c, &root, &node, c->bad, c->nr_bad);

	if (!ret) {
		memcpy(next->root_tag, node.tag, IC_TAG_SIZE);
		next->root_place = root.place;
	}
	explicit_bzero(&node, sizeof(node));
	return ret;
}
