// SPDX-License-Identifier: GPL-2.0-only
/*
 * The node cache: tree nodes in memory, decrypted, within a bound.
 *
 * A node pins its parent, so the path to the root is always there and what the
 * parent says of the child is what the child was loaded by.  Dirty nodes hold a
 * pin of their own; whatever has no pin is clean and may go.
 */
#include <linux/hash.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "tree/tree.h"

static struct kmem_cache *node_slab;

/**
 * ic_node_module_init() - make the slab of nodes
 *
 * Return: 0 or -ENOMEM.
 */
int ic_node_module_init(void)
{
	node_slab = KMEM_CACHE(ic_cnode, 0);
	return node_slab ? 0 : -ENOMEM;
}

/**
 * ic_node_module_exit() - undo ic_node_module_init()
 */
void ic_node_module_exit(void)
{
	kmem_cache_destroy(node_slab);
}

static void *pool_alloc(gfp_t gfp, void *data)
{
	struct ic_cnode *node = kmem_cache_alloc(node_slab, gfp);

	if (!node)
		return NULL;
	node->data = (struct ic_node *)__get_free_page(gfp);
	if (!node->data) {
		kmem_cache_free(node_slab, node);
		return NULL;
	}
	return node;
}

static void pool_free(void *element, void *data)
{
	struct ic_cnode *node = element;

	free_page((unsigned long)node->data);
	kmem_cache_free(node_slab, node);
}

static struct hlist_head *bucket(struct ic_cache *cache, u64 number)
{
	return &cache->hash[hash_64(number, cache->hash_bits)];
}

static struct ic_cnode *lookup(struct ic_cache *cache, u64 number)
{
	struct ic_cnode *node;

	lockdep_assert_held(&cache->lock);
	hlist_for_each_entry(node, bucket(cache, number), hash)
		if (node->number == number)
			return node;
	return NULL;
}

static void pin(struct ic_cache *cache, struct ic_cnode *node)
{
	lockdep_assert_held(&cache->lock);
	if (!node->ref++ && !list_empty(&node->lru)) {
		list_del_init(&node->lru);
		cache->nr_lru--;
	}
}

/*
 * Drop a pin.  Nodes that leave the cache, this one or parents that only it had
 * pinned, go to @dispose.
 */
static void unpin(struct ic_cache *cache, struct ic_cnode *node,
		  struct list_head *dispose)
{
	lockdep_assert_held(&cache->lock);
	while (node) {
		struct ic_cnode *parent = node->parent;

		if (--node->ref)
			return;
		if (!hlist_unhashed(&node->hash)) {
			list_add_tail(&node->lru, &cache->lru);
			cache->nr_lru++;
			return;
		}
		cache->nr--;
		cache->nr_inner -= node->level > 0;
		list_add(&node->lru, dispose);
		node = parent;
	}
}

/* Throw up to @nr unused nodes out. */
static unsigned long evict(struct ic_cache *cache, unsigned long nr,
			   struct list_head *dispose)
{
	struct ic_cnode *node;
	unsigned long done = 0;

	lockdep_assert_held(&cache->lock);
	while (done < nr && !list_empty(&cache->lru)) {
		node = list_first_entry(&cache->lru, struct ic_cnode, lru);
		list_del(&node->lru);
		cache->nr_lru--;
		hlist_del_init(&node->hash);
		node->ref = 1;
		unpin(cache, node, dispose);
		done++;
	}
	return done;
}

/*
 * The node is wiped here, as what goes back to the pool's reserve stays there.
 */
static void node_free(struct ic_cache *cache, struct ic_cnode *node)
{
	memzero_explicit(node->data, IC_BLOCK_SIZE);
	mempool_free(node, &cache->pool);
}

static void dispose_all(struct ic_cache *cache, struct list_head *dispose)
{
	struct ic_cnode *node, *next;

	list_for_each_entry_safe(node, next, dispose, lru)
		node_free(cache, node);
}

static unsigned long shrink_count(struct shrinker *shrinker,
				  struct shrink_control *sc)
{
	struct ic_cache *cache = ic_compat_shrinker_private(shrinker);
	unsigned long nr = READ_ONCE(cache->nr_lru);

	return nr ? nr : SHRINK_EMPTY;
}

static unsigned long shrink_scan(struct shrinker *shrinker,
				 struct shrink_control *sc)
{
	struct ic_cache *cache = ic_compat_shrinker_private(shrinker);
	unsigned long nr;
	LIST_HEAD(dispose);

	spin_lock(&cache->lock);
	nr = evict(cache, sc->nr_to_scan, &dispose);
	spin_unlock(&cache->lock);
	dispose_all(cache, &dispose);
	return nr ? nr : SHRINK_STOP;
}

/**
 * ic_cache_init() - an empty cache
 * @ic: with its options set
 *
 * Return: 0 or a negative errno; ic_cache_exit() cleans up in both cases.
 */
int ic_cache_init(struct inocrypt *ic)
{
	struct ic_cache *cache = &ic->cache;
	const char *name;
	int i, err;

	spin_lock_init(&cache->lock);
	spin_lock_init(&cache->dirty_lock);
	INIT_LIST_HEAD(&cache->lru);
	for (i = 0; i < IC_SEAL_ORDERS; i++)
		INIT_LIST_HEAD(&cache->dirty[i]);
	init_waitqueue_head(&cache->load_wait);
	init_waitqueue_head(&cache->dirty_wait);
	cache->max = max_t(u64, ic->options.cache_bytes, IC_CACHE_BYTES_MIN) >>
		     IC_BLOCK_SHIFT;
	cache->hash_bits = ilog2(cache->max);
	cache->hash = kvcalloc(1UL << cache->hash_bits, sizeof(*cache->hash),
			       GFP_KERNEL);
	if (!cache->hash)
		return -ENOMEM;
	err = mempool_init(&cache->pool, IC_NODE_RESERVE, pool_alloc, pool_free,
			   NULL);
	if (err)
		return err;
	name = dm_device_name(dm_table_get_md(ic->ti->table));
	return ic_compat_register_shrinker(&cache->shrinker, shrink_count,
					   shrink_scan, DEFAULT_SEEKS, cache,
					   "nodes", name);
}

/* The table goes away: dirty nodes that could not be written are lost. */
static void drop_dirty(struct inocrypt *ic)
{
	struct ic_cache *cache = &ic->cache;
	struct ic_cnode *node, *next;
	unsigned long lost = 0;
	int i;

	for (i = 0; i < IC_SEAL_ORDERS; i++) {
		list_for_each_entry_safe(node, next, &cache->dirty[i],
					 dirty_list) {
			list_del_init(&node->dirty_list);
			node->ns.dirty = false;
			ic_node_put(ic, node);
			lost++;
		}
	}
	WRITE_ONCE(cache->nr_dirty, 0);
	/* What recovery changed before it failed is still in the log. */
	if (lost && !ic->read_only && ic->loaded)
		DMERR("%s: %lu changed metadata nodes could not be written and are lost",
		      dm_device_name(ic->vol->md), lost);
}

/**
 * ic_cache_empty() - drop all nodes, the root too
 * @ic: the table; nobody else holds a node
 */
void ic_cache_empty(struct inocrypt *ic)
{
	struct ic_cache *cache = &ic->cache;
	LIST_HEAD(dispose);

	if (!cache->root)
		return;
	drop_dirty(ic);
	spin_lock(&cache->lock);
	unpin(cache, cache->root, &dispose);
	cache->root = NULL;
	evict(cache, ULONG_MAX, &dispose);
	spin_unlock(&cache->lock);
	dispose_all(cache, &dispose);
	WARN_ON(cache->nr);
}

/**
 * ic_cache_exit() - free the cache; nobody else holds a node
 * @ic: the table
 */
void ic_cache_exit(struct inocrypt *ic)
{
	struct ic_cache *cache = &ic->cache;

	ic_compat_unregister_shrinker(&cache->shrinker);
	ic_cache_empty(ic);
	mempool_exit(&cache->pool);
	kvfree(cache->hash);
}

/**
 * ic_block_rw() - read or write one block of the sidecar and wait for it
 * @ic: the table
 * @block: from the sidecar's start
 * @page: data
 * @opf: operation and flags
 *
 * Context: may sleep.
 * Return: 0 or a negative errno.
 */
int ic_block_rw(struct inocrypt *ic, u64 block, struct page *page,
		blk_opf_t opf)
{
	struct bio_vec bv;
	struct bio bio;
	int err;

	bio_init(&bio, ic->sidecar->bdev, &bv, 1, opf);
	bio.bi_iter.bi_sector = ic->sidecar_start +
		(block << (IC_BLOCK_SHIFT - SECTOR_SHIFT));
	__bio_add_page(&bio, page, IC_BLOCK_SIZE, 0);
	err = submit_bio_wait(&bio);
	bio_uninit(&bio);
	if (err)
		ic_count(ic, IC_STAT_IO_ERRORS);
	return err;
}

/* Read and check the node named by @word (or by the full @tag of the root). */
static int read_node(struct inocrypt *ic, struct ic_cnode *node, u64 word,
		     const u8 *tag)
{
	u64 block = ic_node_block(&ic->geo, node->level, node->index,
				  ic_word_place(word));
	int err;

	ic_count(ic, IC_STAT_NODE_READS);
	err = ic_block_rw(ic, block, virt_to_page(node->data),
			  REQ_OP_READ | REQ_SYNC | REQ_META);
	if (err) {
		DMERR_LIMIT("%s: can't read sidecar block %llu: error %d",
			    dm_device_name(ic->vol->md), block, err);
		return err;
	}
	/* The tag must be the one the parent names, not just any valid one. */
	if (ic_word_tag(ic_word(node->data->tag, 0)) != ic_word_tag(word) ||
	    (tag && crypto_memneq(tag, node->data->tag, IC_TAG_SIZE)))
		err = -EBADMSG;
	if (!err)
		err = ic_node_open(node->data, ic->node_key, ic->params.uuid,
				   node->level, node->index);
	if (err == -EBADMSG) {
		ic_count(ic, IC_STAT_NODE_AUTH_FAILURES);
		DMERR_LIMIT("%s: sidecar block %llu (level %u, %llu) was changed or rolled back",
			    dm_device_name(ic->vol->md), block, node->level,
			    node->index);
	}
	return err;
}

static int load_node(struct inocrypt *ic, struct ic_cnode *node)
{
	struct ic_cnode *parent = node->parent;
	u32 slot = node->index % IC_FANOUT;
	u64 word;
	int err = 0;

	spin_lock(&parent->lock);
	word = le64_to_cpu(parent->data->word[slot]);
	spin_unlock(&parent->lock);
	if (!word) {
		memset(node->data, 0, IC_BLOCK_SIZE);
		return 0;
	}
	if (word == IC_WORD_LOST)
		ic_node_lost(node->data, &ic->geo, node->level, node->index);
	else
		err = read_node(ic, node, word, NULL);
	/*
	 * A leaf with an erasure to come is dirty, so that it stays in the
	 * cache. So if one that was just loaded has one, a crash has cut it
	 * short: begin it anew.
	 */
	if (!err && ic_node_loaded(&node->ns, node->data) && !ic->read_only) {
		spin_lock(&node->lock);
		ic_erase_begin(ic, node);
		spin_unlock(&node->lock);
	}
	return err;
}

static void node_init(struct ic_cnode *node, const struct ic_geometry *geo,
		      u32 level, u64 index, struct ic_cnode *parent)
{
	struct ic_node *data = node->data;

	memset(node, 0, sizeof(*node));
	node->data = data;
	node->level = level;
	node->index = index;
	node->number = ic_node_number(geo, level, index);
	node->parent = parent;
	node->ref = 1;
	node->state = IC_NODE_LOADING;
	ic_node_init(&node->ns, geo, level, index);
	spin_lock_init(&node->lock);
	INIT_HLIST_NODE(&node->hash);
	INIT_LIST_HEAD(&node->lru);
	INIT_LIST_HEAD(&node->dirty_list);
	INIT_LIST_HEAD(&node->sealed_list);
}

static struct ic_cnode *node_alloc(struct ic_cache *cache)
{
	struct ic_cnode *node = mempool_alloc(&cache->pool,
					      GFP_NOWAIT | __GFP_NOWARN);
	LIST_HEAD(dispose);

	if (node)
		return node;
	/* Give our own clean nodes back before waiting for others'. */
	spin_lock(&cache->lock);
	evict(cache, 16, &dispose);
	spin_unlock(&cache->lock);
	dispose_all(cache, &dispose);
	return mempool_alloc(&cache->pool, GFP_NOIO);
}

/**
 * ic_cache_load_root() - put the root, by the superblock's word, in the cache
 * @ic: with state read
 *
 * Context: may sleep.
 * Return: 0 or a negative errno.
 */
int ic_cache_load_root(struct inocrypt *ic)
{
	struct ic_cache *cache = &ic->cache;
	struct ic_cnode *node = mempool_alloc(&cache->pool, GFP_KERNEL);
	const u8 *tag = ic->state.root_tag;
	int err = 0;

	node_init(node, &ic->geo, ic->geo.levels - 1, 0, NULL);
	memset(node->data, 0, IC_BLOCK_SIZE);
	node->ns.root_place = ic->state.root_place;
	if (!mem_is_zero(tag, IC_TAG_SIZE))
		err = read_node(ic, node, ic_word(tag, ic->state.root_place),
				tag);
	if (err) {
		mempool_free(node, &cache->pool);
		return err;
	}
	ic_node_loaded(&node->ns, node->data);
	node->state = IC_NODE_READY;
	spin_lock(&cache->lock);
	hlist_add_head(&node->hash, bucket(cache, node->number));
	cache->nr++;
	cache->nr_inner += node->level > 0;
	cache->root = node;
	spin_unlock(&cache->lock);
	return 0;
}

static bool loaded(const struct ic_cnode *node)
{
	/* Pairs with the release in ic_node_get(): the data is there. */
	return smp_load_acquire(&node->state) != IC_NODE_LOADING;
}

/**
 * ic_node_peek() - pin a node if it is in the cache
 * @ic: the table
 * @level: 0 for a leaf
 * @index: within its level
 *
 * Context: may sleep while another loads it.
 * Return: the node, NULL if it is not there, or an ERR_PTR.
 */
struct ic_cnode *ic_node_peek(struct inocrypt *ic, u32 level, u64 index)
{
	struct ic_cache *cache = &ic->cache;
	struct ic_cnode *node;
	int err;

	spin_lock(&cache->lock);
	node = lookup(cache, ic_node_number(&ic->geo, level, index));
	if (node)
		pin(cache, node);
	spin_unlock(&cache->lock);
	if (!node)
		return NULL;
	wait_event(cache->load_wait, loaded(node));
	if (node->state == IC_NODE_READY)
		return node;
	err = node->err;
	ic_node_put(ic, node);
	return ERR_PTR(err);
}

/**
 * ic_node_try() - pin a node if that needs no waiting; not counted
 * @ic: the table
 * @level: 0 for a leaf
 * @index: within its level
 *
 * Context: any but hard interrupt.
 * Return: the node, or NULL.
 */
struct ic_cnode *ic_node_try(struct inocrypt *ic, u32 level, u64 index)
{
	struct ic_cache *cache = &ic->cache;
	struct ic_cnode *node;

	spin_lock(&cache->lock);
	node = lookup(cache, ic_node_number(&ic->geo, level, index));
	if (node && node->state == IC_NODE_READY)
		pin(cache, node);
	else
		node = NULL;
	spin_unlock(&cache->lock);
	return node;
}

/* Put a new node in the cache, unless another was faster. */
static bool node_insert(struct ic_cache *cache, struct ic_cnode *node,
			struct list_head *dispose)
{
	bool ours;

	spin_lock(&cache->lock);
	ours = !lookup(cache, node->number);
	if (ours) {
		hlist_add_head(&node->hash, bucket(cache, node->number));
		cache->nr++;
		cache->nr_inner += node->level > 0;
		if (cache->nr > cache->max)
			evict(cache, cache->nr - cache->max, dispose);
	}
	spin_unlock(&cache->lock);
	return ours;
}

/*
 * A leaf was read twice, and is damaged: all its records are lost. Nobody else
 * has it yet. Until the new one is committed recovery would find the damaged
 * one, so writers wait: see ic_leaf_wait_committed().
 */
static void replace_leaf(struct inocrypt *ic, struct ic_cnode *node)
{
	u64 first, number;
	u32 count;

	ic_node_lost(node->data, &ic->geo, 0, node->index);
	first = ic_leaf_first(&ic->geo, node->index, &number, &count);
	DMERR_LIMIT("%s: a damaged leaf is written anew: the %s records %llu to %llu are lost",
		    dm_device_name(ic->vol->md),
		    ic_kind_of_record(&ic->geo, first), number,
		    number + count - 1);
	ic_count(ic, IC_STAT_LEAVES_REPLACED);
	if (first == ic->geo.owner_leaf)
		ic->owners_lost(ic, number, count);
	spin_lock(&node->lock);
	node->replaced = true;
	/* A forgotten owner's salt may still be in the damaged place. */
	if (first == ic->geo.owner_leaf)
		ic_erase_begin(ic, node);
	else
		ic_node_dirty(ic, node);
	spin_unlock(&node->lock);
}

/* Pin a node, loading it if need be; if @replace, a leaf may be damaged. */
static struct ic_cnode *node_get(struct inocrypt *ic, u32 level, u64 index,
				 bool replace)
{
	struct ic_cache *cache = &ic->cache;
	struct ic_cnode *node, *parent;
	unsigned int noio;
	LIST_HEAD(dispose);
	int err;

	if (WARN_ON_ONCE(level >= ic->geo.levels ||
			 index >= ic->geo.level_nodes[level]))
		return ERR_PTR(-EINVAL);
	for (;;) {
		node = ic_node_peek(ic, level, index);
		/*
		 * Another task has failed to load it, and it is out of the
		 * cache again.
		 */
		if (replace && node == ERR_PTR(-EBADMSG))
			continue;
		if (node) {
			ic_count(ic, IC_STAT_NODE_HITS);
			return node;
		}
		/* This comes to an end at the root, which is always in the cache. */
		parent = ic_node_get(ic, level + 1, index / IC_FANOUT);
		if (IS_ERR(parent))
			return parent;
		node = node_alloc(cache);
		node_init(node, &ic->geo, level, index, parent);
		if (node_insert(cache, node, &dispose))
			break;
		ic_node_put(ic, parent);
		mempool_free(node, &cache->pool);
	}
	dispose_all(cache, &dispose);

	noio = memalloc_noio_save();
	err = load_node(ic, node);
	memalloc_noio_restore(noio);
	if (err == -EBADMSG && replace) {
		replace_leaf(ic, node);
		err = 0;
	}
	spin_lock(&cache->lock);
	if (err) {
		/* Later users try again; those that wait now see the error. */
		hlist_del_init(&node->hash);
		node->err = err;
	}
	/* Pairs with the acquire in ic_node_peek(). */
	smp_store_release(&node->state, err ? IC_NODE_FAILED : IC_NODE_READY);
	spin_unlock(&cache->lock);
	wake_up_all(&cache->load_wait);
	if (err) {
		ic_node_put(ic, node);
		return ERR_PTR(err);
	}
	return node;
}

/**
 * ic_node_get() - pin a node, loading it if need be
 * @ic: the table
 * @level: 0 for a leaf
 * @index: within its level, within bounds
 *
 * Context: may sleep and do I/O; no spinlock, no transform held.
 * Return: the node, or an ERR_PTR: -EBADMSG if what is on the disk isn't what
 * the parent names, -EIO and its like.
 */
struct ic_cnode *ic_node_get(struct inocrypt *ic, u32 level, u64 index)
{
	return node_get(ic, level, index, false);
}

/**
 * ic_leaf_replace() - pin a leaf that was found damaged, to write below it
 * @ic: the table, loaded and writable
 * @leaf: its index
 *
 * It is read again.  If it is damaged still, all its records become lost ones.
 * An inner node isn't replaced: to write one sector is no reason to give up all
 * records of 508 leaves.
 *
 * Context: may sleep and do I/O; no spinlock, no transform held.
 * Return: the leaf, or an ERR_PTR: -EBADMSG if a node above it is damaged.
 */
struct ic_cnode *ic_leaf_replace(struct inocrypt *ic, u64 leaf)
{
	return node_get(ic, 0, leaf, true);
}

/**
 * ic_leaf_wait_committed() - wait until a damaged leaf has really been replaced
 * @ic: the table, loaded and writable
 * @node: a leaf, pinned
 *
 * Recovery leaves out what the log has of a leaf that is damaged.  So nothing of
 * this one may be logged, and nobody be told that it is there, before the
 * committed tree has the new one.
 *
 * Context: may sleep; the caller holds nothing that the checkpoint needs.
 * Return: 0, or a checkpoint's error.
 */
int ic_leaf_wait_committed(struct inocrypt *ic, struct ic_cnode *node)
{
	int err;

	if (!READ_ONCE(node->replaced))
		return 0;
	/* The leaf is dirty, so a checkpoint that begins now writes it. */
	err = ic_checkpoint_wait(ic);
	return !err && READ_ONCE(node->replaced) ? -EIO : err;
}

/**
 * ic_node_put() - drop a pin
 * @ic: the table
 * @node: from ic_node_get() or ic_node_peek()
 *
 * Context: process.
 */
void ic_node_put(struct inocrypt *ic, struct ic_cnode *node)
{
	struct ic_cache *cache = &ic->cache;
	LIST_HEAD(dispose);

	spin_lock(&cache->lock);
	unpin(cache, node, &dispose);
	if (cache->nr > cache->max)
		evict(cache, cache->nr - cache->max, &dispose);
	spin_unlock(&cache->lock);
	dispose_all(cache, &dispose);
}

/* Queue a node that has become dirty; its pin is the caller's. */
static void queue_dirty(struct inocrypt *ic, struct ic_cnode *node)
{
	struct ic_cache *cache = &ic->cache;

	lockdep_assert_held(&node->lock);
	spin_lock(&cache->dirty_lock);
	list_add_tail(&node->dirty_list, &cache->dirty[node->ns.order]);
	cache->nr_dirty++;
	spin_unlock(&cache->dirty_lock);
	ic_checkpoint_later(ic);
}

/**
 * ic_node_dirty() - the node has changed
 * @ic: the table
 * @node: pinned, its lock held
 */
void ic_node_dirty(struct inocrypt *ic, struct ic_cnode *node)
{
	lockdep_assert_held(&node->lock);
	if (!ic_node_changed(&node->ns))
		return;
	spin_lock(&ic->cache.lock);
	node->ref++;
	spin_unlock(&ic->cache.lock);
	queue_dirty(ic, node);
}

/**
 * ic_erase_begin() - a leaf of owner records has something to erase
 * @ic: the table
 * @node: its lock held; what it holds now is to stay
 */
void ic_erase_begin(struct inocrypt *ic, struct ic_cnode *node)
{
	s64 until, old = atomic64_read(&ic->erase_until);

	lockdep_assert_held(&node->lock);
	/*
	 * The leaf is made dirty first. Then the checkpoint that makes the next
	 * cut seals it; had that one gone past the list already, its cut would
	 * be seen here.
	 */
	ic_node_dirty(ic, node);
	until = ic_node_erase(&node->ns, READ_ONCE(ic->logger.log.gen));
	while (old < until &&
	       !atomic64_try_cmpxchg(&ic->erase_until, &old, until))
		;
}

/**
 * ic_node_redirty() - the checkpoint that sealed the node failed
 * @ic: the table
 * @node: its pin is the checkpoint's, and taken over
 */
void ic_node_redirty(struct inocrypt *ic, struct ic_cnode *node)
{
	bool queue;

	spin_lock(&node->lock);
	queue = ic_node_failed(&node->ns);
	if (queue)
		queue_dirty(ic, node);
	spin_unlock(&node->lock);
	if (!queue)
		ic_node_put(ic, node);
}

/*
 * How many nodes can't leave the cache? Those that are dirty or sealed can't, until a
 * checkpoint has committed them, nor can those above them: on a large volume that is
 * one for each.
 */
static unsigned long kept(struct ic_cache *cache)
{
	unsigned long nr = READ_ONCE(cache->nr_dirty) +
			   READ_ONCE(cache->nr_sealed);

	return nr + min(nr, READ_ONCE(cache->nr_inner));
}

static bool dirty_room(struct ic_cache *cache)
{
	return READ_ONCE(cache->nr_dirty) + READ_ONCE(cache->nr_sealed) <
	       cache->max * 3 / 4 && kept(cache) < cache->max;
}

/**
 * ic_dirty_due() - is so much dirty that a checkpoint is due?
 * @cache: the table's
 *
 * Context: any.
 */
bool ic_dirty_due(struct ic_cache *cache)
{
	return READ_ONCE(cache->nr_dirty) >=
	       IC_DIRTY_CHECKPOINT_AT(cache->max) ||
	       kept(cache) >= cache->max * 5 / 8;
}

/**
 * ic_dirty_throttle() - hold a writer back while too much is dirty
 * @ic: the table
 * @wait: may sleep
 *
 * The checkpoint is started well before writers have to wait for it; it never
 * waits for them.
 *
 * Context: process; nothing held.
 * Return: 0, -EAGAIN if it would have to wait, or -EIO if too much is dirty
 * because checkpoints fail.
 */
int ic_dirty_throttle(struct inocrypt *ic, bool wait)
{
	struct ic_cache *cache = &ic->cache;
	u64 run = READ_ONCE(ic->checkpoints.begun);
	bool room;

	if (!ic_dirty_due(cache))
		return 0;
	if (!wait)
		return -EAGAIN;
	ic_checkpoint_need(ic);
	wait_event(cache->dirty_wait, (room = dirty_room(cache)) ||
		   ic_checkpoint_failed(&ic->checkpoints, run) ||
		   READ_ONCE(ic->failed));
	return room ? 0 : -EIO;
}
