/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The sidecar's tree in memory: cached nodes, and records in them.
 */
#ifndef IC_TREE_H
#define IC_TREE_H

#include "core/table.h"

/**
 * struct ic_cnode - a tree node in memory
 * @level: 0 for a leaf
 * @index: within its level
 * @number: its number over all levels, by which it is hashed
 * @parent: pinned as long as this node is in the cache; NULL for the root
 * @hash: in cache->hash, guarded by cache->lock
 * @lru: on cache->lru while unused, guarded by cache->lock
 * @ref: pins, guarded by cache->lock; a dirty or sealed node holds one itself
 * @state: IC_NODE_*; set once under cache->lock, then waited for
 * @err: why loading failed
 * @lock: guards @data's payload, and what node_state.h says of @ns
 * @data: plaintext; the header is unused in memory
 * @ns: its places, and what checkpoints do to it
 * @dirty_list: on cache->dirty[], guarded by cache->dirty_lock
 * @sealed_list: in the running checkpoint's list of nodes; nobody else looks at it
 * @replaced: stands for a damaged leaf that the committed tree still has; cleared
 *	by the checkpoint
 */
struct ic_cnode {
	u32			level;
	u64			index;
	u64			number;
	struct ic_cnode		*parent;
	struct hlist_node	hash;
	struct list_head	lru;
	unsigned int		ref;
	int			state;
	int			err;
	spinlock_t		lock;	/* see above */
	struct ic_node		*data;
	struct ic_node_state	ns;
	struct list_head	dirty_list;
	struct list_head	sealed_list;
	bool			replaced;
};

enum { IC_NODE_LOADING, IC_NODE_READY, IC_NODE_FAILED };

/* node.c */
int ic_node_module_init(void);
void ic_node_module_exit(void);
int ic_cache_init(struct inocrypt *ic);
void ic_cache_exit(struct inocrypt *ic);
void ic_cache_empty(struct inocrypt *ic);
int ic_cache_load_root(struct inocrypt *ic);
struct ic_cnode *ic_node_get(struct inocrypt *ic, u32 level, u64 index);
struct ic_cnode *ic_node_try(struct inocrypt *ic, u32 level, u64 index);
struct ic_cnode *ic_node_peek(struct inocrypt *ic, u32 level, u64 index);
struct ic_cnode *ic_leaf_replace(struct inocrypt *ic, u64 leaf);
int ic_leaf_wait_committed(struct inocrypt *ic, struct ic_cnode *node);
void ic_node_put(struct inocrypt *ic, struct ic_cnode *node);
void ic_node_dirty(struct inocrypt *ic, struct ic_cnode *node);
void ic_erase_begin(struct inocrypt *ic, struct ic_cnode *node);
void ic_node_redirty(struct inocrypt *ic, struct ic_cnode *node);
bool ic_dirty_due(struct ic_cache *cache);
int ic_dirty_throttle(struct inocrypt *ic, bool wait);
int ic_block_rw(struct inocrypt *ic, u64 block, struct page *page,
		blk_opf_t opf);

/* tree.c */
int ic_read_records(struct inocrypt *ic, struct ic_io *io, bool wait);
bool ic_leaves_to_read(struct inocrypt *ic, struct ic_io *io);
int ic_pin_leaves(struct inocrypt *ic, struct ic_io *io, bool wait);
void ic_store_records(struct inocrypt *ic, struct ic_io *io);
int ic_zero_range(struct inocrypt *ic, u64 first, u64 last, u64 *next);
bool ic_leaves_empty(struct inocrypt *ic, struct ic_io *io);
const char *ic_kind_of_record(const struct ic_geometry *geo, u64 first_leaf);
u64 ic_lost_with(struct inocrypt *ic, u64 sector);
struct ic_cnode *ic_leaf_get_used(struct inocrypt *ic, u64 leaf);
int ic_get_record(struct inocrypt *ic, u64 leaf, u64 nr, union ic_record *rec);
int ic_get_record_to_write(struct inocrypt *ic, u64 leaf, u64 nr,
			   union ic_record *rec);
int ic_set_record(struct inocrypt *ic, u64 leaf, u64 nr,
		  const union ic_record *rec);
int ic_set_owner(struct inocrypt *ic, u32 ino, union ic_record *rec);
int ic_replay_owner(struct inocrypt *ic, u32 ino, const union ic_record *rec);

#endif /* IC_TREE_H */
