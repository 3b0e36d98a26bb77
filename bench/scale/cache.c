// SPDX-License-Identifier: GPL-2.0-only
/*
 * The node cache as dm-target/tree/node.c and checkpoint.c work it: a node pins its
 * parent, a dirty one itself, what has no pin leaves in the order of its last
 * use.  Nodes without contents.
 */
#include <stdlib.h>

#include "scale.h"

#define NONE	(~0U)

struct node {
	u64 number;
	u64 index;
	u32 parent;
	u32 chain;		/* in its hash bucket, or among the free */
	u32 prev, next;		/* least recently used first */
	u32 ref;
	u32 dirty_next;
	u8 level;
	bool dirty, in_lru;
};

struct cache {
	const struct ic_geometry *geo;
	struct node *node;
	u32 nr_alloc, free;
	u32 *hash;
	u32 hash_bits;
	u32 lru_first, lru_last;
	u32 dirty[IC_MAX_LEVELS];
	u64 max;
	u32 root;
	u8 *there;		/* bit per node: has been written; NULL: all have */
	struct cache_counts counts;
};

static u32 *bucket(struct cache *c, u64 number)
{
	return &c->hash[(number * 0x61c8864680b583ebULL) >> (64 - c->hash_bits)];
}

static u32 alloc_node(struct cache *c)
{
	u32 i = c->free, n;

	if (i != NONE) {
		c->free = c->node[i].chain;
		return i;
	}
	n = c->nr_alloc ? 2 * c->nr_alloc : 1024;
	c->node = realloc(c->node, n * sizeof(*c->node));
	if (!c->node)
		abort();
	for (i = c->nr_alloc; i < n; i++) {
		c->node[i].chain = c->free;
		c->free = i;
	}
	c->nr_alloc = n;
	return alloc_node(c);
}

static void lru_del(struct cache *c, struct node *n)
{
	*(n->prev == NONE ? &c->lru_first : &c->node[n->prev].next) = n->next;
	*(n->next == NONE ? &c->lru_last : &c->node[n->next].prev) = n->prev;
	n->in_lru = false;
}

static void unpin(struct cache *c, u32 i)
{
	struct node *n = &c->node[i];

	if (--n->ref)
		return;
	n->prev = c->lru_last;
	n->next = NONE;
	*(c->lru_last == NONE ? &c->lru_first : &c->node[c->lru_last].next) = i;
	c->lru_last = i;
	n->in_lru = true;
}

static void pin(struct cache *c, u32 i)
{
	struct node *n = &c->node[i];

	if (!n->ref++ && n->in_lru)
		lru_del(c, n);
}

static void evict(struct cache *c)
{
	while (c->counts.nr > c->max && c->lru_first != NONE) {
		u32 i = c->lru_first, *at;
		struct node *n = &c->node[i];

		lru_del(c, n);
		for (at = bucket(c, n->number); *at != i;)
			at = &c->node[*at].chain;
		*at = n->chain;
		n->chain = c->free;
		c->free = i;
		c->counts.nr--;
		unpin(c, n->parent);
	}
}

static u32 lookup(struct cache *c, u64 number)
{
	u32 i = *bucket(c, number);

	while (i != NONE && c->node[i].number != number)
		i = c->node[i].chain;
	return i;
}

static u32 insert(struct cache *c, u32 level, u64 index, u32 parent)
{
	u64 number = ic_node_number(c->geo, level, index);
	u32 i = alloc_node(c), *at = bucket(c, number);
	struct node *n = &c->node[i];

	memset(n, 0, sizeof(*n));
	n->number = number;
	n->index = index;
	n->level = level;
	n->parent = parent;
	n->ref = 1;
	n->chain = *at;
	*at = i;
	c->counts.nr++;
	return i;
}

/**
 * cache_new() - a cache with nothing but the root in it
 * @geo: of the volume
 * @cache_bytes: its bound
 * @fresh: no node has been written yet
 */
struct cache *cache_new(const struct ic_geometry *geo, u64 cache_bytes,
			bool fresh)
{
	struct cache *c = calloc(1, sizeof(*c));
	u64 i, max = cache_bytes / IC_BLOCK_SIZE;

	if (!c)
		abort();
	c->geo = geo;
	c->max = max;
	c->free = NONE;
	c->lru_first = NONE;
	c->lru_last = NONE;
	for (c->hash_bits = 8; (1ULL << c->hash_bits) < max; c->hash_bits++)
		;
	c->hash = malloc(sizeof(*c->hash) << c->hash_bits);
	if (fresh)
		c->there = calloc(geo->nodes / 8 + 1, 1);
	if (!c->hash || (fresh && !c->there))
		abort();
	for (i = 0; i < 1ULL << c->hash_bits; i++)
		c->hash[i] = NONE;
	for (i = 0; i < IC_MAX_LEVELS; i++)
		c->dirty[i] = NONE;
	c->root = insert(c, geo->levels - 1, 0, NONE);
	return c;
}

void cache_free(struct cache *c)
{
	free(c->node);
	free(c->hash);
	free(c->there);
	free(c);
}

/* Pin a node, reading it if it isn't there. */
u32 cache_get(struct cache *c, u32 level, u64 index)
{
	u64 number = ic_node_number(c->geo, level, index);
	u32 i = lookup(c, number), parent;

	if (i != NONE) {
		pin(c, i);
		c->counts.hits++;
		return i;
	}
	parent = cache_get(c, level + 1, index / IC_FANOUT);
	i = insert(c, level, index, parent);
	if (!c->there || c->there[number / 8] & (1 << number % 8))
		c->counts.reads++;
	evict(c);
	if (c->counts.nr_max < c->counts.nr)
		c->counts.nr_max = c->counts.nr;
	return i;
}

void cache_put(struct cache *c, u32 node)
{
	unpin(c, node);
	evict(c);
}

void cache_dirty(struct cache *c, u32 node)
{
	struct node *n = &c->node[node];

	if (n->dirty)
		return;
	n->dirty = true;
	n->ref++;
	n->dirty_next = c->dirty[n->level];
	c->dirty[n->level] = node;
	c->counts.nr_dirty++;
}

/* Write each dirty node, leaves first, and what that makes dirty above. */
void cache_checkpoint(struct cache *c)
{
	u32 level, i, next, sealed[IC_MAX_LEVELS];

	for (level = 0; level < c->geo->levels; level++) {
		sealed[level] = c->dirty[level];
		c->dirty[level] = NONE;
		for (i = sealed[level]; i != NONE; i = c->node[i].dirty_next) {
			struct node *n = &c->node[i];

			n->dirty = false;
			c->counts.nr_dirty--;
			if (level)
				c->counts.inner++;
			else
				c->counts.leaves++;
			if (c->there)
				c->there[n->number / 8] |= 1 << n->number % 8;
			if (n->parent != NONE)
				cache_dirty(c, n->parent);
		}
	}
	for (level = 0; level < c->geo->levels; level++)
		for (i = sealed[level]; i != NONE; i = next) {
			next = c->node[i].dirty_next;
			unpin(c, i);
		}
	evict(c);
}

u64 cache_max(const struct cache *c)
{
	return c->max;
}

const struct cache_counts *cache_counts(const struct cache *c)
{
	return &c->counts;
}
