// SPDX-License-Identifier: GPL-2.0-only
/*
 * inocrypt check, the tree: every node from the root down, in order, one node
 * of each level in memory; and single records on demand.
 */
#include <stdlib.h>

#include "check/check.h"

#define RUN_BLOCKS	128	/* read at once */

/* Adjacent blocks of the sidecar that were read together. */
struct run {
	u64 first;
	u32 nr;
	u8 *data;
};

struct level {
	struct ic_node node;
	u64 index;
	u32 next, children;
};

struct walk {
	struct check *c;
	struct run run;
	struct level level[IC_MAX_LEVELS];
};

/**
 * check_node_place() - a node as a place
 * @c: the run
 * @level: the node's
 * @index: the node's
 * @place: 0 or 1
 */
struct check_place check_node_place(const struct check *c, u32 level, u64 index,
				    u32 place)
{
	return (struct check_place){
		.dev = c->v.side,
		.offset = c->v.side_offset + IC_BLOCK_SIZE *
			  ic_node_block(&c->v.geo, level, index, place),
		.sector = CHECK_NO,
		.owner = CHECK_NO,
	};
}

/* Is a node that was read the one its parent, or the superblock, names? */
static bool is_named(const struct check *c, const struct ic_node *node,
		     u32 level, u64 word)
{
	if (level == c->v.geo.levels - 1)
		return !memcmp(node->tag, c->v.state.root_tag, IC_TAG_SIZE);
	return ic_word(node->tag, ic_word_place(word)) == word;
}

/**
 * check_open_node() - open a node that was read
 * @c: the run
 * @raw: IC_BLOCK_SIZE bytes
 * @node: receives it, opened
 * @level: the node's
 * @index: the node's
 * @word: what its parent says of it; nothing, for the root
 *
 * Return: 0, -EBADMSG if it isn't the one, or another negative errno.
 */
int check_open_node(struct check *c, const u8 *raw, struct ic_node *node,
		    u32 level, u64 index, u64 word)
{
	memcpy(node, raw, sizeof(*node));
	if (!is_named(c, node, level, word))
		return -EBADMSG;
	return ic_node_open(node, c->v.node_key, c->v.params.uuid, level,
			    index);
}

/**
 * check_leaves_of() - the first and last leaf below a node
 * @c: the run
 * @level: the node's
 * @index: the node's
 */
struct check_range check_leaves_of(const struct check *c, u32 level, u64 index)
{
	u64 leaves = c->v.geo.level_nodes[0], width = 1;
	struct check_range r;

	while (level--)
		width *= IC_FANOUT;
	r.first = index * width;
	r.last = leaves - r.first > width ? r.first + width - 1 : leaves - 1;
	return r;
}

/* Note leaves that can't be had; they come in ascending order. */
static int lose(struct check *c, const struct check_range *r)
{
	struct check_range *more;

	c->tree.lost_leaves += r->last - r->first + 1;
	if (c->nr_lost && c->lost[c->nr_lost - 1].last + 1 == r->first) {
		c->lost[c->nr_lost - 1].last = r->last;
		return 0;
	}
	more = reallocarray(c->lost, c->nr_lost + 1, sizeof(*more));
	if (!more)
		return fail(EX_FAIL, "out of memory");
	c->lost = more;
	c->lost[c->nr_lost++] = *r;
	return 0;
}

/**
 * check_is_lost() - is a leaf below a node that is damaged?
 * @c: the run
 * @leaf: a leaf that the walk has passed
 */
bool check_is_lost(const struct check *c, u64 leaf)
{
	size_t lo = 0, hi = c->nr_lost;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (c->lost[mid].last < leaf)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < c->nr_lost && c->lost[lo].first <= leaf;
}

/**
 * check_describe() - what the records of leaves are about, for people
 * @c: the run
 * @r: the leaves
 * @out: receives it
 * @size: its size
 */
void check_describe(const struct check *c, const struct check_range *r,
		    char *out, size_t size)
{
	const struct ic_geometry *g = &c->v.geo;
	u64 from, to;

	if (r->last < g->owner_leaf) {
		snprintf(out, size, "key records");
	} else if (r->first >= g->owner_leaf && r->last < g->sector_leaf) {
		from = (r->first - g->owner_leaf) * IC_LEAF_RECORDS;
		to = (r->last + 1 - g->owner_leaf) * IC_LEAF_RECORDS - 1;
		snprintf(out, size, "owners %llu to %llu",
			 (unsigned long long)from,
			 (unsigned long long)(to < g->owners ? to :
							       g->owners - 1));
	} else if (r->first >= g->sector_leaf) {
		from = (r->first - g->sector_leaf) * IC_LEAF_RECORDS;
		to = (r->last + 1 - g->sector_leaf) * IC_LEAF_RECORDS - 1;
		snprintf(out, size, "sectors %llu to %llu",
			 (unsigned long long)from,
			 (unsigned long long)(to < g->data_sectors ?
					      to : g->data_sectors - 1));
	} else {
		snprintf(out, size, "keys, owners and sectors");
	}
}

static int bad_node(struct check *c, u32 level, u64 index, u64 word, int err)
{
	bool root = level == c->v.geo.levels - 1;
	u32 place = root ? c->v.state.root_place : ic_word_place(word);
	struct check_place at = check_node_place(c, level, index, place);
	struct check_range r = check_leaves_of(c, level, index);
	struct check_bad *more;
	char what[80];

	check_describe(c, &r, what, sizeof(what));
	c->tree.bad++;
	if (err == -EBADMSG)
		check_report(c, CK_NODE, &at,
			     "node %u:%llu, place %u, isn't the one %s names; lost: %s",
			     level, (unsigned long long)index, place,
			     root ? "the superblock" : "its parent", what);
	else
		check_report(c, CK_UNREADABLE, &at,
			     "node %u:%llu, place %u, can't be read (%s); lost: %s",
			     level, (unsigned long long)index, place,
			     strerror(-err), what);
	more = reallocarray(c->bad, c->nr_bad + 1, sizeof(*more));
	if (!more)
		return fail(EX_FAIL, "out of memory");
	c->bad = more;
	more[c->nr_bad++] = (struct check_bad){ level, index, r, err };
	return lose(c, &r);
}

/* The committed tree has nothing in these leaves, but the log may. */
static void empty_leaves(struct check *c, const struct check_range *r)
{
	static const union ic_record none[IC_LEAF_RECORDS];
	u64 next = r->first;

	for (; c->at < c->changes.nr; c->at++) {
		const struct change_node *n = c->changes.list[c->at];

		if (n->last < next * IC_LEAF_RECORDS ||
		    mem_is_zero(&n->rec, sizeof(n->rec)))
			continue;
		next = n->first / IC_LEAF_RECORDS;
		if (next > r->last)
			return;
		c->leaf.dev = NULL;
		check_leaf(c, next++, none);
	}
}

/* These leaves were given up: the disk has nothing of them, but the log may. */
static void lost_leaves(struct check *c, const struct check_range *r)
{
	u64 next = r->first;
	struct ic_node lost;

	c->leaf.dev = NULL;
	while (next <= r->last) {
		u64 leaf = r->last + 1;
		size_t i = changes_from(&c->changes, next * IC_LEAF_RECORDS);
		const struct change_node *n = NULL;

		if (i < c->changes.nr) {
			n = c->changes.list[i];
			leaf = n->first / IC_LEAF_RECORDS;
			if (leaf < next)
				leaf = next;
		}
		if (leaf > next)
			check_lost_leaves(c, next, leaf > r->last ? r->last :
								    leaf - 1);
		if (leaf > r->last)
			break;
		next = leaf + 1;
		if (n->first <= leaf * IC_LEAF_RECORDS &&
		    n->last + 1 >= next * IC_LEAF_RECORDS) {
			/*
			 * The log discards this leaf as a whole, and the ones
			 * up to here.
			 */
			next = (n->last + 1) / IC_LEAF_RECORDS;
			continue;
		}
		ic_node_lost(&lost, &c->v.geo, 0, leaf);
		check_leaf(c, leaf, lost.rec);
	}
}

/* How many nodes from child @i on are adjacent on the disk. */
static u32 adjacent(const struct level *parent, u32 i)
{
	u32 place = ic_word_place(le64_to_cpu(parent->node.word[i])), n = 1;

	while (n < RUN_BLOCKS && i + n < parent->children) {
		u64 word = le64_to_cpu(parent->node.word[i + n]);

		if (!word || word == IC_WORD_LOST ||
		    ic_word_place(word) != place)
			break;
		n++;
	}
	return n;
}

/* Read a block, and those after it that will be wanted next. */
static int read_block(struct walk *w, u64 block, u32 nr, const u8 **raw)
{
	const struct volume *v = &w->c->v;
	struct run *run = &w->run;
	int err = 0;

	if (block < run->first || block >= run->first + run->nr) {
		u64 at = v->side_offset + block * IC_BLOCK_SIZE;

		run->first = block;
		run->nr = nr;
		err = dev_pread(v->side, at, run->data, nr * IC_BLOCK_SIZE,
				nr * IC_BLOCK_SIZE);
		if (err && nr > 1) {
			run->nr = 1;
			err = dev_pread(v->side, at, run->data, IC_BLOCK_SIZE,
					IC_BLOCK_SIZE);
		}
		if (err)
			run->nr = 0;
	}
	*raw = run->data + (block - run->first) * IC_BLOCK_SIZE;
	return err;
}

/* Words beyond the last child have to be zero. */
static void check_words(struct check *c, u32 level, const struct level *l,
			u32 place)
{
	struct check_place at = check_node_place(c, level, l->index, place);

	if (!mem_is_zero(l->node.word + l->children,
			 (IC_FANOUT - l->children) * sizeof(__le64)))
		check_report(c, CK_TREE_BOUNDS, &at,
			     "node %u:%llu has words beyond its last child",
			     level, (unsigned long long)l->index);
}

/* Go into node (@level, @index), which @word names.  Returns 0 or exit code. */
static int enter(struct walk *w, u32 level, u64 index, u64 word, u32 nr,
		 bool *entered)
{
	struct check *c = w->c;
	const struct ic_geometry *g = &c->v.geo;
	bool root = level == g->levels - 1;
	u32 place = root ? c->v.state.root_place : ic_word_place(word);
	struct level *l = &w->level[level];
	const u8 *raw;
	int err;

	*entered = false;
	err = read_block(w, ic_node_block(g, level, index, place), nr, &raw);
	if (!err)
		err = check_open_node(c, raw, &l->node, level, index, word);
	if (err)
		return bad_node(c, level, index, word, err);
	c->tree.nodes++;
	if (!level) {
		c->tree.leaves++;
		c->leaf = check_node_place(c, 0, index, place);
		check_leaf(c, index, l->node.rec);
		return 0;
	}
	l->index = index;
	l->next = 0;
	l->children = IC_FANOUT;
	if (g->level_nodes[level - 1] - index * IC_FANOUT < IC_FANOUT)
		l->children = g->level_nodes[level - 1] - index * IC_FANOUT;
	check_words(c, level, l, place);
	*entered = true;
	return 0;
}

static int walk_tree(struct walk *w)
{
	struct check *c = w->c;
	const struct ic_geometry *g = &c->v.geo;
	u32 top = g->levels - 1, level = top;
	bool entered;
	int ret;

	if (mem_is_zero(c->v.state.root_tag, IC_TAG_SIZE)) {
		struct check_range all = check_leaves_of(c, top, 0);

		empty_leaves(c, &all);
		return 0;
	}
	ret = enter(w, top, 0, 0, 1, &entered);
	while (!ret && entered) {
		struct level *l = &w->level[level];
		u32 i = l->next;
		u64 child, word;
		bool down;

		if (i == l->children) {
			if (level++ == top)
				break;
			continue;
		}
		l->next++;
		child = l->index * IC_FANOUT + i;
		word = le64_to_cpu(l->node.word[i]);
		if (!word) {
			struct check_range r = check_leaves_of(c, level - 1, child);

			empty_leaves(c, &r);
			continue;
		}
		if (word == IC_WORD_LOST) {
			struct check_range r = check_leaves_of(c, level - 1,
							       child);

			lost_leaves(c, &r);
			continue;
		}
		ret = enter(w, level - 1, child, word, adjacent(l, i), &down);
		if (!ret && down)
			level--;
	}
	return ret;
}

/**
 * check_tree() - verify all of the tree, and look at each leaf
 * @c: the run, with the log's changes
 *
 * Return: 0 or an exit code; what is wrong with the tree is reported.
 */
int check_tree(struct check *c)
{
	struct walk *w = calloc(1, sizeof(*w));
	int ret = 0;

	if (w)
		w->run.data = aligned_alloc(IC_BLOCK_SIZE,
					    RUN_BLOCKS * IC_BLOCK_SIZE);
	if (!w || !w->run.data)
		ret = fail(EX_FAIL, "out of memory");
	if (!ret) {
		w->c = c;
		ret = walk_tree(w);
		free(w->run.data);
	}
	free(w);
	return ret;
}

/* A node by its number, from memory or from the disk. */
static int cached_node(struct check *c, u32 level, u64 index, u64 word,
		       const struct ic_node **node)
{
	const struct ic_geometry *g = &c->v.geo;
	u64 number = ic_node_number(g, level, index);
	struct check_node *slot = &c->cache[number % CHECK_CACHED];
	u32 place = level == g->levels - 1 ? c->v.state.root_place :
					     ic_word_place(word);
	u8 *raw;
	int err;

	*node = &slot->node;
	if (slot->number == number + 1)
		return 0;
	raw = aligned_alloc(IC_BLOCK_SIZE, IC_BLOCK_SIZE);
	if (!raw)
		return -ENOMEM;
	slot->number = 0;
	err = dev_pread(c->v.side,
			check_node_place(c, level, index, place).offset, raw,
			IC_BLOCK_SIZE, IC_BLOCK_SIZE);
	if (!err)
		err = check_open_node(c, raw, &slot->node, level, index, word);
	if (!err)
		slot->number = number + 1;
	free(raw);
	return err;
}

/**
 * check_lookup() - find one record in the committed tree
 * @c: the run
 * @number: of the record
 * @rec: receives it
 *
 * Return: 0, -EBADMSG if a node on the way is damaged, or a negative errno.
 */
int check_lookup(struct check *c, u64 number, union ic_record *rec)
{
	u64 leaf = number / IC_LEAF_RECORDS, width = 1, word = 0;
	u32 level = c->v.geo.levels - 1;
	const struct ic_node *node;
	int err;

	memset(rec, 0, sizeof(*rec));
	if (mem_is_zero(c->v.state.root_tag, IC_TAG_SIZE))
		return 0;
	for (u32 i = 0; i < level; i++)
		width *= IC_FANOUT;
	for (;; level--) {
		if (word == IC_WORD_LOST) {
			struct ic_node lost;

			ic_node_lost(&lost, &c->v.geo, 0, leaf);
			*rec = lost.rec[number % IC_LEAF_RECORDS];
			return 0;
		}
		err = cached_node(c, level, leaf / width, word, &node);
		if (err || !level)
			break;
		width /= IC_FANOUT;
		word = le64_to_cpu(node->word[leaf / width % IC_FANOUT]);
		if (!word)
			return 0;
	}
	if (!err)
		*rec = node->rec[number % IC_LEAF_RECORDS];
	return err;
}

/**
 * check_record() - find one record as it is after recovery
 * @c: the run
 * @number: of the record
 * @rec: receives it
 *
 * Return: as check_lookup().
 */
int check_record(struct check *c, u64 number, union ic_record *rec)
{
	if (changes_get(&c->changes, number, rec))
		return 0;
	return check_lookup(c, number, rec);
}
