/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dm-inocrypt's own structures, and what its files offer each other.
 *
 * Lock order, outermost first:
 *	vol->ops_sem, ic->owner_mutex, vol->lock, node->lock (never two),
 *	cache->lock or cache->dirty_lock; logger->lock under all but the latter
 *	three, and nothing under it.
 * Resources are taken in the order owner key, nodes, pages, transform (given
 * back), log space.  A read beside its leaf has pages and a bio before the nodes,
 * but nothing that is reserved for others (read.c).  The checkpoint and the log's
 * writer have their own pages, bios and transforms and wait for no data write.
 */
#ifndef IC_TABLE_H
#define IC_TABLE_H

#include <linux/bio.h>
#include <linux/bitmap.h>
#include <linux/device-mapper.h>
#include <linux/hashtable.h>
#include <linux/interval_tree_generic.h>
#include <linux/mempool.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/scatterlist.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <crypto/aead.h>

#include "../../bio-owner/bio_owner.h"
#include "../../compat/kernel.h"
#include "checkpoint_order.h"
#include "log_ring.h"
#include "recover.h"

#define DM_MSG_PREFIX "inocrypt"

/* A bio is cut so that its PUTs fit two log blocks ... */
#define IC_IO_MAX_SECTORS	IC_LOG_WRITE_MAX
/* ... and its data at most this much; more bios keep more CPUs busy. */
#define IC_IO_MAX_BYTES		(256U * 1024)
#define IC_IO_MAX_PAGES		(IC_IO_MAX_BYTES / PAGE_SIZE)
/* 80 records touch at most two leaves of 127. */
#define IC_IO_MAX_LEAVES	2
/* Records of a bio this small need no allocation. */
#define IC_IO_FEW_SECTORS	4

#define IC_CACHE_BYTES_DEFAULT	(64ULL << 20)
#define IC_CACHE_BYTES_MIN	0x100000ULL
#define IC_NODE_RESERVE		256	/* nodes */
#define IC_CHECKPOINT_PAGES	64	/* node writes in flight */
#define IC_CHECKPOINT_DELAY	(20 * HZ)
#define IC_DRAIN_DELAY		(HZ / 10)
#define IC_MARK_DELAY		(HZ / 2)
#define IC_PLACE_DELAY		(HZ / 100 + 1)	/* the next tick is near */
#define IC_OWNERS_CACHED	4096
#define IC_SPARE_PAGES		2048	/* 8 bios of 1 MiB */
#define IC_READ_AHEAD_MAX	16	/* reads that wait for a leaf beside their data */
#define IC_OWNER_HASH_BITS	9
/* Checkpoints that write an erased record's leaf: one for each place. */
#define IC_ERASE_WRITES		2

/* Counters shown by status; docs/interface.md describes each. */
enum ic_stat {
	IC_STAT_TAGGED,
	IC_STAT_UNTAGGED,
	IC_STAT_MALFORMED,
	IC_STAT_READS,
	IC_STAT_WRITES,
	IC_STAT_DISCARDS,
	IC_STAT_FLUSHES,
	IC_STAT_AUTH_FAILURES,
	IC_STAT_OWNER_MISMATCHES,
	IC_STAT_KEY_MISSING,
	IC_STAT_WRITES_REFUSED,
	IC_STAT_NODE_AUTH_FAILURES,
	IC_STAT_IO_ERRORS,
	IC_STAT_CHECKPOINTS,
	IC_STAT_CHECKPOINT_FAILURES,
	IC_STAT_NODE_READS,
	IC_STAT_NODE_WRITES,
	IC_STAT_NODE_HITS,
	IC_STAT_PUTS,
	IC_STAT_INTENTS,
	IC_STAT_DATA_LOGGED,
	IC_STAT_SETS,
	IC_STAT_ZEROS,
	IC_STAT_LOG_BLOCKS,
	IC_STAT_LOG_WAITS,
	IC_STAT_DEVICE_FLUSHES,
	IC_STAT_FORGETS,
	IC_STAT_OWNERS_REPLACED,
	IC_STAT_LEAVES_REPLACED,
	IC_STAT_COUNT
};

/* A key for data sectors; @serial names it without telling it. */
struct ic_data_key {
	u64	serial;
	u8	bytes[IC_KEY_SIZE];
};

/**
 * struct ic_tfm - one transform of the pool
 * @serial: key it holds, 0 for none
 * @users: requests running on it
 * @keying: being re-keyed; not to be used yet
 * All guarded by the pool's lock.
 */
struct ic_tfm {
	struct crypto_aead	*aead;
	struct list_head	lru;
	u64			serial;
	unsigned int		users;
	bool			keying;
};

struct ic_tfm_pool {
	const struct ic_cipher_info *cipher;
	struct ic_tfm		volume;	/* keyed for good, not in the list */
	spinlock_t		lock;	/* guards lru and every transform in it */
	wait_queue_head_t	wait;
	struct list_head	lru;	/* least recently used first */
	unsigned int		nr;
	struct ic_tfm		*tfms;
	mempool_t		crypts;	/* struct ic_crypt */
	size_t			crypt_bytes;	/* of each */
};

struct ic_nonces {
	/* guards all below, which are taken together */
	spinlock_t	lock;
	u8		base[IC_NONCE_SIZE];
	u64		used;
	unsigned long	redraw;		/* generation of the base */
};

/* What one AEAD call on a sector needs; from a mempool, on the heap. */
struct ic_crypt {
	struct ic_sector_aad	aad;
	u8			iv[16];
	u8			tag[IC_TAG_SIZE];
	struct scatterlist	src[3];
	struct scatterlist	dst[3];
	struct crypto_wait	wait;
	struct aead_request	req;	/* last: the driver's context follows */
};

/**
 * struct ic_range - sectors in use by one bio
 * @start: first crypto sector
 * @last: last crypto sector
 * @order: grows with arrival
 * @blockers: earlier conflicting ranges that are still there
 * @wanted: a later one waits for it
 */
struct ic_range {
	struct rb_node	rb;
	u64		start;
	u64		last;
	u64		subtree_last;
	u64		order;
	unsigned int	blockers;
	bool		write;
	bool		wanted;
};

struct ic_ranges {
	spinlock_t		lock;	/* guards the tree and every range */
	struct rb_root_cached	root;
	u64			order;
};

/**
 * struct ic_cnode - a tree node in memory
 * @level: 0 for a leaf
 * @index: within its level
 * @number: over all levels, the hash key
 * @parent: pinned as long as this node is in the cache; NULL for the root
 * @hash: in cache->hash, guarded by cache->lock
 * @lru: on cache->lru while unused, guarded by cache->lock
 * @ref: pins, guarded by cache->lock; a dirty or sealed node holds one itself
 * @state: IC_NODE_*; set once under cache->lock, then waited for
 * @err: why loading failed
 * @lock: guards @data's payload, @dirty, @erase and @erase_gen, and (inner)
 *	@committed
 * @data: plaintext; the header is unused in memory
 * @dirty: differs from what the last checkpoint sealed
 * @erase: checkpoints that still have to write this leaf, even if all zero
 * @erase_gen: the log's generation when that was asked for
 * @dirty_list: on cache->dirty[], guarded by cache->dirty_lock
 * @sealed_list: the running checkpoint's own
 * @sealed_place: place written by the running checkpoint, -1 for none
 * @sealed_erase: the running checkpoint counts as an erasing one
 * @replaced: stands for a damaged leaf that the committed tree still has; cleared
 *	by the checkpoint
 * @owners: of a leaf of owner records: owners in its committed writing
 * @sealed_owners: owners in the running checkpoint's writing
 * @committed: for each child, the place the committed tree refers to (inner
 *	nodes); a child is never written there
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
	bool			dirty;
	u8			erase;
	u64			erase_gen;
	struct list_head	dirty_list;
	struct list_head	sealed_list;
	s8			sealed_place;
	bool			sealed_erase;
	bool			replaced;
	u8			owners;
	u8			sealed_owners;
	DECLARE_BITMAP(committed, IC_FANOUT);
};

enum { IC_NODE_LOADING, IC_NODE_READY, IC_NODE_FAILED };

/*
 * Dirty lists, in sealing order: sector leaves, then owner leaves, then key
 * leaves, so that a sealed sector record's owner, and an owner's key slot, are
 * sealed no earlier than what names them; then the inner levels.
 */
enum {
	IC_DIRTY_SECTORS,
	IC_DIRTY_OWNERS,
	IC_DIRTY_KEYS,
	IC_DIRTY_INNER,		/* level 1; level 2 follows, ... */
	IC_DIRTY_LISTS = IC_DIRTY_INNER + IC_MAX_LEVELS - 1
};

struct ic_cache {
	spinlock_t		lock;	/* guards hash, lru, ref, counts */
	struct hlist_head	*hash;
	unsigned int		hash_bits;
	struct list_head	lru;	/* least recently used first */
	unsigned long		nr;
	unsigned long		nr_inner;	/* of them above the leaves */
	unsigned long		nr_lru;
	unsigned long		max;
	wait_queue_head_t	load_wait;
	mempool_t		pool;
	struct shrinker		shrinker;
	bool			shrinking;	/* shrinker registered */
	spinlock_t		dirty_lock;	/* guards dirty[] and both counts */
	struct list_head	dirty[IC_DIRTY_LISTS];
	unsigned long		nr_dirty;
	unsigned long		nr_sealed;	/* of the running checkpoint */
	wait_queue_head_t	dirty_wait;	/* writers held back */
	struct ic_cnode		*root;
};

/**
 * struct ic_owner - an owner whose key is at hand
 * @lru: in the cache's list, while it is in the cache
 * @all: in the list of all, until its key is wiped
 * @dead: it left the cache: its key must not stay in transforms
 */
struct ic_owner {
	struct hlist_node	hash;	/* guarded by ic->owner_lock */
	struct list_head	lru;	/* guarded by ic->owner_lock */
	struct list_head	all;	/* guarded by ic->owner_lock */
	refcount_t		ref;
	bool			dead;	/* changed under ic->owner_lock */
	struct inocrypt		*ic;
	u32			ino;
	u32			gen;
	u8			key_id[IC_KEY_ID_SIZE];
	struct ic_data_key	key;
};

/* A master key's record; @key_id all zero: none. */
struct ic_key_slot {
	u8	key_id[IC_KEY_ID_SIZE];
	u32	uid;
	bool	going;		/* being deleted: can't be added */
	bool	lost;		/* its record: it may have a key, it's not known which */
};

/* A master key in memory. */
struct ic_master {
	struct list_head	list;
	u8			key_id[IC_KEY_ID_SIZE];
	u8			mk[IC_KEY_SIZE];
};

/**
 * struct ic_volume - what outlives a table reload: keys and the binding
 * @bov: what bio-owner hands to the file system
 * @list: in the module's registry
 * @targets: tables (active, inactive) that use it; guarded by the registry lock
 * @lock: guards @masters, and changes of @bound and @raw
 * @late_err: a write failed that had been acknowledged; between two tables, when
 *	no flush comes to say so; guarded by the active table's logger lock
 * @late_fua: flushes that failed, whose data may be on its way: so many writes
 *	with FUA fail; guarded likewise
 * @late_flush: when the last one of them ended, in jiffies
 * @ops_sem: held for reading while @active is used, for writing to change it
 */
struct ic_volume {
	struct bio_owner_volume	bov;
	struct list_head	list;
	struct mapped_device	*md;
	u8			uuid[IC_UUID_SIZE];
	bool			snapshot;
	unsigned int		targets;
	struct mutex		lock;	/* see above */
	struct list_head	masters;
	bool			bound;
	bool			raw;
	bool			gone;	/* the last table was destroyed */
	blk_status_t		late_err;
	u32			late_fua;
	unsigned long		late_flush;
	struct rw_semaphore	ops_sem;
	struct inocrypt		*active;
	wait_queue_head_t	active_wait;
};

/* What names one writing of a superblock: no two have the same tag. */
struct ic_super_id {
	u64	epoch;
	u8	tag[IC_TAG_SIZE];
};

/* How a checkpoint treats the log: see ic_recover_log(). */
enum ic_recovering {
	IC_RUNNING = 0,		/* cut it */
	IC_RECOVERING,		/* it still follows the tree */
	IC_RECOVERED,		/* it was just started */
};

/* One sector of a write that failed, or that recovery could not settle. */
struct ic_failed {
	struct ic_log_write	write;
	struct ic_sector_record	rec;
	u8			head[1][IC_HEAD_SIZE];
};

/**
 * struct ic_logger - the log and those who wait for it
 * @lock: guards @log, the lists and the numbers
 * @slot: @log's block buffers, one page each; a closed one is the writer's
 * @data_block: @log's
 * @inflight: @log's
 * @master: what the keys of all salts derive from
 * @salt: of the newest generation; the checkpoint's
 * @key: of the newest generation and the one before, by parity
 * @room_wait: appenders and the checkpoint; woken when anything gets further
 * @intents: writes whose data waits for their PUTs to be durable, by ticket
 * @writing: writes whose PUTs are durable and whose data is under way, by ticket
 * @data: writes whose data is logged, too, and not durable yet
 * @placing: those whose data is durable, and on its way to its place
 * @held: of @placing, what isn't yet: it may have neighbours in the next round
 * @logged: bios that wait for their entries to be durable
 * @flushes: bios that wait for all that completed before them to be durable
 * @ticket: of the next write that comes to @intents
 * @behind: writes in @intents, @writing, @data and @placing whose bios have ended
 * @waiting: sectors in @intents
 * @joined: those of them that overwrite nothing
 * @waiting_since: in jiffies, the first of @intents, if not longer
 * @urgent: somebody waits for those in @intents with lower tickets
 * @unflushed: data was written that neither the log holds nor a flush covers
 * @flushed: first block that the writer's last flush of the devices was not for
 * @late_err: a write failed after its bio had ended; the next flush says so
 * @stuck_since: checkpoints begun when the open block first could not be
 *	closed, plus one; the writer's own
 * @taken: first block that the writer's last round left to the next
 * @appended: first block after those with entries of a bio's, or of an owner's
 * @cut_coming: a checkpoint has begun, and will cut the log
 * @near_work: does the same as @work on the CPU of who waits for it: that one goes
 *	to sleep, and to wake another CPU would take longer
 * @drain_work: moves @urgent when writes have waited for long enough
 * @place_work: puts in place what is in @held, if no round comes
 */
struct ic_logger {
	spinlock_t		lock;	/* see above */
	struct ic_log		log;
	struct ic_log_block	**slot;
	const void		**data_block;
	u16			*inflight;
	u8			master[IC_KEY_SIZE];
	u8			salt[IC_SALT_SIZE];
	struct ic_meta_key	*key[2];
	wait_queue_head_t	room_wait;
	struct list_head	intents;
	struct list_head	writing;
	struct list_head	data;
	struct list_head	placing;
	struct list_head	held;
	struct list_head	logged;
	struct list_head	flushes;
	u64			ticket;
	u32			behind;
	u32			waiting;
	u32			joined;
	unsigned long		waiting_since;
	u64			urgent;
	bool			unflushed;
	u64			flushed;
	blk_status_t		late_err;
	u64			stuck_since;
	u64			taken;
	u64			appended;
	bool			cut_coming;
	struct mutex		round_mutex;	/* one round at a time */
	struct workqueue_struct	*wq;
	struct work_struct	work;
	struct workqueue_struct	*near_wq;
	struct work_struct	near_work;
	struct delayed_work	drain_work;
	struct delayed_work	place_work;
	struct delayed_work	mark_work;
	struct bio_set		bs;
};

/* One loaded table. */
struct inocrypt {
	struct dm_target	*ti;
	u64			nr;		/* no other table had it */
	struct dm_dev		*data;
	struct dm_dev		*sidecar;
	sector_t		data_start;	/* 512-byte sectors */
	sector_t		sidecar_start;	/* 512-byte sectors */
	char			*key_desc;
	bool			allow_discards;
	bool			raw_option;
	bool			give_up_unwritable; /* see redo.c */
	bool			snapshot;	/* the same volume may be open elsewhere */
	bool			give_up_unreadable; /* see recover.c */
	bool			zero_torn;	/* likewise */
	bool			resumed;	/* raw_option was applied */
	u64			cache_bytes;

	struct ic_params	params;
	struct ic_geometry	geo;
	struct ic_volume	*vol;
	const struct ic_cipher_info *cipher;
	bool			read_only;
	bool			loaded;		/* tree state is in memory */
	bool			suspending;	/* long scans are to end */
	bool			super_lost;	/* began with one good superblock */
	bool			super_unread;	/* as the other can't be read */
	bool			failed;		/* sticky: see ic_fail() */
	int			checkpoint_err;	/* of the last one */
	u64			checkpoint_runs; /* that were begun */
	u64			checkpoint_bad;	/* number of the last, if it failed */
	time64_t		checkpoint_failing; /* since then, or 0: see status */
	bool			stopping;	/* no more checkpoints */
	bool			checkpoint_running; /* written by its worker */
	bool			checkpoint_needed; /* by a writer since it began */

	struct ic_meta_key	*super_key;
	struct ic_meta_key	*node_key;
	struct ic_data_key	volume_key;
	struct ic_nonces	nonces;
	struct ic_tfm_pool	tfms;

	struct ic_ranges	ranges;
	struct workqueue_struct	*io_wq;		/* lookups, encryption */
	struct workqueue_struct	*done_wq;	/* completions of writes */
	struct workqueue_struct	*near_wq;	/* of one small read, on its CPU */
	struct workqueue_struct	*few_wq;	/* of small reads */
	struct workqueue_struct	*decrypt_wq;	/* of large reads */
	atomic_t		decrypting;	/* reads whose data has arrived */
	int			near_left;	/* see read.c */
	atomic_t		reading_ahead;	/* beside their leaves */
	struct workqueue_struct	*checkpoint_wq;
	struct ic_sub_pool	*subs;		/* sub_bio.c's */
	mempool_t		rec_pool;

	struct ic_cache		cache;

	struct mutex		owner_mutex;	/* guards owner and key records */
	spinlock_t		owner_lock;	/* guards @owners and @slots */
	struct ic_owners	*owners;	/* owner.c's */
	/* for the node cache to tell that records, @count from @first on, are lost */
	void			(*owners_lost)(struct inocrypt *ic, u64 first,
					       u32 count);
	struct ic_key_slot	*slots;		/* changed under both, read under either */

	struct ic_state		state;		/* last committed; checkpoint's */
	spinlock_t		super_lock;	/* guards the two below */
	struct ic_super_id	super_loaded;	/* activation began with it */
	struct ic_super_id	super_now;	/* last committed */
	u32			root_committed;	/* place; checkpoint's */
	atomic64_t		nr_owners;
	bool			owned;		/* owned sectors were written */

	struct ic_logger	logger;
	u64			committed_gen;	/* the log's; checkpoint's */
	atomic64_t		erase_until;	/* committed_gen that erases all */
	u64			owners_seen;	/* leaves of numbers below: looked at */
	struct ic_recovery	*recovery;	/* what the load did */
	u64			lost_records;	/* that it could not apply */
	u32			slots_lost;	/* of keys */
	struct xarray		redo;		/* by sector: see redo.c */
	unsigned int		nr_redo;	/* pages in it, if read-only */
	unsigned int		nr_given_up;	/* sectors of which it says so */
	enum ic_recovering	recovering;

	struct work_struct	checkpoint_work;
	struct delayed_work	checkpoint_timer;
	struct ic_checkpoint	*checkpoint;	/* checkpoint.c's */

	atomic64_t		stats[IC_STAT_COUNT];
};

/**
 * struct ic_io - per-bio data
 * @bio: what device-mapper gave us; NULL once it has ended
 * @id: owner, valid if @tagged
 * @logged: called once what it waits for in the log is durable, or failed, in
 *	process context; @io may be gone on return
 * @detached: not in the bio's per-bio data, which ends with it
 * @few: where @rec and @head are if there are few
 * @leaf: leaves of a write, pinned before the data is written so that its
 *	completion needs no I/O
 * @rec: one record for each crypto sector, in @few or from rec_pool
 * @head: of a write, the beginnings of the ciphertext
 * @sub: our own bio on the data device
 * @scarce: @sub's pages are from the pool's reserve
 * @intent: PUTs are logged before the data is written
 * @joins: only because a flush will wait for it: nothing is overwritten
 * @pass_down: a discard to pass on once it is durable in the log
 * @puts: a write's, for the log
 * @log_seq: last log block with its entries, or (@puts.data) with its data
 * @ticket: a write's in the order of the log; a flush's: that of the first write
 *	that it needn't wait for
 * @wait_list: in one of the logger's lists
 * @submit_list: those that go to the device together
 */
struct ic_io {
	struct inocrypt		*ic;
	struct bio		*bio;
	struct work_struct	work;
	struct ic_range		range;
	struct bio_owner_id	id;
	void			(*logged)(struct ic_io *io, blk_status_t status);
	bool			tagged;
	bool			detached;
	bool			locked;		/* range is in the tree */
	bool			scarce;
	bool			intent;
	bool			joins;
	bool			pass_down;
	struct ic_owner		*owner;
	struct ic_cnode		*leaf[IC_IO_MAX_LEAVES];
	struct ic_sector_record	*rec;
	u8			(*head)[IC_HEAD_SIZE];
	struct bio		*sub;
	struct ic_log_write	puts;
	u64			log_seq;
	u64			ticket;
	struct list_head	wait_list;
	struct list_head	submit_list;
	struct {
		struct ic_sector_record	rec[IC_IO_FEW_SECTORS];
		u8			head[IC_IO_FEW_SECTORS][IC_HEAD_SIZE];
	} few;
};

static inline void ic_count(struct inocrypt *ic, enum ic_stat stat)
{
	atomic64_inc(&ic->stats[stat]);
}

/*
 * Do so many writes wait that their PUTs are worth a flush?  It costs the same
 * for few and many.  Half of what may be in flight, so that the other half can
 * gather meanwhile.  Under @lg->lock.
 */
static inline bool ic_log_enough_wait(const struct ic_logger *lg)
{
	return lg->waiting >= lg->log.live_max / 2;
}

static inline u32 ic_io_sectors(const struct ic_io *io)
{
	return io->range.last - io->range.start + 1;
}

/*
 * Has a checkpoint failed that began after @run of them had?  Who waits for one
 * has it kicked, and gives up only when it, not one before, has failed.
 */
static inline bool ic_checkpoint_failed_since(struct inocrypt *ic, u64 run)
{
	return READ_ONCE(ic->checkpoint_bad) > run;
}

/* Where our own pages hold the ciphertext of @io's sector @i. */
static inline u8 *ic_io_ciphertext(const struct ic_io *io, u32 i)
{
	u64 pos = (u64)i << io->ic->geo.sector_shift;

	return page_address(io->sub->bi_io_vec[pos >> PAGE_SHIFT].bv_page) +
	       (pos & ~PAGE_MASK);
}

/* core.c */
void ic_checkpoint_kick(struct inocrypt *ic);
void ic_checkpoint_need(struct inocrypt *ic);
void ic_checkpoint_later(struct inocrypt *ic);
int ic_checkpoint_wait(struct inocrypt *ic);
blk_status_t ic_blk_status(int err);

/* active.c */
struct inocrypt *ic_volume_get_active(struct ic_volume *vol);
struct inocrypt *ic_volume_get_active_killable(struct ic_volume *vol);
void ic_volume_activate(struct ic_volume *vol, struct inocrypt *ic);
void ic_volume_deactivate(struct ic_volume *vol, struct inocrypt *ic);
bool ic_volume_hold(struct ic_volume *vol, struct inocrypt *ic);
bool ic_volume_hold_again(struct ic_volume *vol, struct inocrypt *ic, u64 nr);
void ic_volume_release(struct ic_volume *vol);

/* master_keys.c */
bool ic_master_add(struct ic_volume *vol, struct ic_master *master);
int ic_master_remove(struct ic_volume *vol, const u8 key_id[IC_KEY_ID_SIZE]);
int ic_master_copy(struct ic_volume *vol, const u8 key_id[IC_KEY_ID_SIZE],
		   u8 mk[IC_KEY_SIZE]);
bool ic_master_is_there(struct ic_volume *vol, const u8 key_id[IC_KEY_ID_SIZE]);
void ic_masters_wipe(struct ic_volume *vol);

/* args.c */
int ic_parse_args(struct inocrypt *ic, unsigned int argc, char **argv);
unsigned int ic_emit_options(struct inocrypt *ic, char *result,
			     unsigned int maxlen);

/* load.c */
int ic_read_super(struct inocrypt *ic, const u8 *vk, char **error);
int ic_load(struct inocrypt *ic);

/* port_kernel.c */
struct ic_meta_key *ic_meta_key_new(const u8 key[IC_KEY_SIZE]);
void ic_meta_key_free(struct ic_meta_key *key);
int ic_logon_key(const char *description, u8 key[IC_KEY_SIZE]);

/* nonce.c */
void ic_nonces_init(struct ic_nonces *nonces);
void ic_nonce(struct ic_nonces *nonces, u8 nonce[IC_NONCE_SIZE]);
int ic_nonces_begin_writes(void);
void ic_nonces_end_writes(void);
int ic_nonce_module_init(void);
void ic_nonce_module_exit(void);

/* tfm.c */
int ic_tfm_init(struct ic_tfm_pool *pool, const struct ic_cipher_info *cipher,
		struct ic_data_key *volume_key);
void ic_tfm_exit(struct ic_tfm_pool *pool);
void ic_new_serial(struct ic_data_key *key);
struct ic_tfm *ic_tfm_get(struct ic_tfm_pool *pool,
			  const struct ic_data_key *key);
void ic_tfm_put(struct ic_tfm_pool *pool, struct ic_tfm *tfm);
void ic_tfm_forget(struct ic_tfm_pool *pool, u64 serial);

/* crypt.c */
int ic_encrypt(struct inocrypt *ic, struct ic_io *io, bool wait);
int ic_decrypt(struct inocrypt *ic, struct ic_io *io);
int ic_decrypt_page(struct inocrypt *ic, struct page *page, u64 sector,
		    const struct ic_sector_record *rec);

/* range.c */
void ic_ranges_init(struct ic_ranges *ranges);
bool ic_range_lock(struct inocrypt *ic, struct ic_io *io);
void ic_range_unlock(struct inocrypt *ic, struct ic_io *io);
void ic_range_move(struct inocrypt *ic, struct ic_io *from, struct ic_io *to);

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
unsigned int ic_leaf_owners(struct inocrypt *ic, const struct ic_cnode *node,
			    const struct ic_node *data);
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
		  const union ic_record *rec, bool erase);

/* owner.c */
int ic_owners_init(struct inocrypt *ic);
void ic_owners_exit(struct inocrypt *ic);
struct ic_owner *ic_owner_try(struct inocrypt *ic,
			      const struct bio_owner_id *id);
struct ic_owner *ic_owner_get(struct inocrypt *ic,
			      const struct bio_owner_id *id, bool create);
struct ic_owner *ic_owner_get_raw(struct inocrypt *ic, u32 ino);
void ic_owner_put(struct ic_owner *owner);
int ic_owner_forget(struct inocrypt *ic, u32 ino, u32 gen);
int ic_owner_next(struct inocrypt *ic, u32 *ino, u32 *gen);
int ic_owners_see(struct inocrypt *ic);
int ic_owner_slot_unused(struct inocrypt *ic, u32 slot, u64 *nr);
void ic_owner_lock_key(struct inocrypt *ic, const u8 key_id[IC_KEY_ID_SIZE]);

/* keys.c */
int ic_keys_load(struct inocrypt *ic);
int ic_slot_find(struct inocrypt *ic, const u8 key_id[IC_KEY_ID_SIZE]);
int ic_key_add(struct inocrypt *ic, struct bio_owner_key *key);
int ic_key_remove(struct inocrypt *ic, const u8 key_id[IC_KEY_ID_SIZE]);
int ic_key_next(struct inocrypt *ic, struct bio_owner_key *key);
int ic_key_delete(struct ic_volume *vol, struct inocrypt *ic,
		  const u8 key_id[IC_KEY_ID_SIZE]);

/* volume.c */
struct ic_volume *ic_volume_get(struct inocrypt *ic);
void ic_volume_put(struct ic_volume *vol, struct inocrypt *ic);
void ic_volume_bind(struct ic_volume *vol, struct bio *bio, int err);
int ic_volume_set_raw(struct ic_volume *vol, bool raw);

/* io.c */
int ic_io_init(struct inocrypt *ic);
void ic_io_exit(struct inocrypt *ic);
void ic_io_start(struct ic_io *io);
void ic_io_queue(struct ic_io *io);
void ic_io_end(struct ic_io *io, blk_status_t status);
void ic_io_release(struct ic_io *io);
int ic_io_again(struct ic_io *io);
int ic_io_alloc_records(struct ic_io *io, bool wait);

/* sub_bio.c */
int ic_sub_init(struct inocrypt *ic);
void ic_sub_exit(struct inocrypt *ic);
int ic_io_alloc_sub(struct ic_io *io, blk_opf_t opf, bio_end_io_t *end_io,
		    bool wait);
void ic_io_free_sub(struct ic_io *io);

/* detached.c */
int ic_detached_module_init(void);
void ic_detached_module_exit(void);
struct ic_io *ic_io_detach(struct ic_io *io);
void ic_io_free_detached(struct ic_io *io);
bool ic_detached_bounded(struct inocrypt *ic);

/* behind.c */
void ic_behind_late(struct inocrypt *ic, blk_status_t status);
void ic_behind_flush_failed(struct inocrypt *ic);
bool ic_behind_late_fua(struct inocrypt *ic);
void ic_behind_lost(struct inocrypt *ic);
blk_status_t ic_behind_flush_ro(struct inocrypt *ic);
void ic_behind_hurry(struct inocrypt *ic);
void ic_behind_drain(struct inocrypt *ic);
void ic_behind_resume(struct inocrypt *ic);

/* read.c, write.c, discard.c: first step, at once or in io_wq */
int ic_read(struct ic_io *io, bool wait);
int ic_write(struct ic_io *io, bool wait);
void ic_discard(struct ic_io *io);

/* log_append.c */
void ic_fail(struct inocrypt *ic, const char *what, int err);
int ic_log_intent(struct inocrypt *ic, struct ic_io *io, bool behind, bool wait);
bool ic_log_must_intend(struct inocrypt *ic, struct ic_io *io);
int ic_log_write_done(struct inocrypt *ic, struct ic_io *io);
void ic_log_write_failed(struct inocrypt *ic, struct ic_io *io);
void ic_log_adopt_failed(struct inocrypt *ic, struct ic_failed *f);
int ic_log_record(struct inocrypt *ic, enum ic_log_type type, u64 nr,
		  const union ic_record *rec);
int ic_log_discard(struct inocrypt *ic, struct ic_io *io, u64 last);
void ic_log_wait_flush(struct ic_io *io);
void ic_log_wait_logged(struct ic_io *io);
bool ic_log_nearly_full(struct ic_logger *lg);
int ic_log_throttle(struct inocrypt *ic, bool wait);

/* log_write.c */
int ic_logger_init(struct inocrypt *ic);
void ic_logger_exit(struct inocrypt *ic);
void ic_logger_reset(struct inocrypt *ic);
void ic_log_kick(struct inocrypt *ic);
bool ic_log_flush_ready(struct ic_logger *lg);
void ic_log_place(struct inocrypt *ic);
int ic_flush_devices(struct inocrypt *ic);
int ic_log_new_salt(struct inocrypt *ic, u64 gen);
int ic_log_do_cut(struct inocrypt *ic, struct ic_state *next);
int ic_log_relogged(struct inocrypt *ic);
int ic_log_in_place(struct inocrypt *ic);
void ic_log_stop(struct inocrypt *ic);

/* recovery.c */
int ic_recover_log(struct inocrypt *ic);

/* redo.c */
int ic_redo(struct inocrypt *ic, u64 sector, struct page *data);
bool ic_refused(int err);
int ic_redo_find(struct inocrypt *ic, u64 sector, void *data);
bool ic_redo_read(struct inocrypt *ic, struct ic_io *io);
int ic_redo_give_up(struct inocrypt *ic, u64 sector, int err);
void ic_redo_report(struct inocrypt *ic);
void ic_redo_drop(struct inocrypt *ic);

/* log_data.c */
bool ic_log_may_data(const struct ic_io *io);
bool ic_log_joins(const struct ic_io *io);
void ic_log_leave(struct ic_logger *lg, const struct ic_io *io);
void ic_log_choose_data(struct inocrypt *ic);
void ic_log_data_durable(struct inocrypt *ic, struct list_head *later,
			 struct list_head *now, struct bio_list *ended);

/* checkpoint.c */
int ic_checkpoint_init(struct inocrypt *ic);
void ic_checkpoint_exit(struct inocrypt *ic);
int ic_checkpoint_run(struct inocrypt *ic);
int ic_checkpoint_sync(struct inocrypt *ic);
void ic_checkpoint_stop(struct inocrypt *ic);

/* erase.c */
bool ic_erase_pending(struct inocrypt *ic);
int ic_erase_look(struct inocrypt *ic);
int ic_erase_sync(struct inocrypt *ic);

/* message.c, status.c */
int ic_message(struct dm_target *ti, unsigned int argc, char **argv,
	       char *result, unsigned int maxlen);
void ic_status(struct dm_target *ti, status_type_t type,
	       unsigned int status_flags, char *result, unsigned int maxlen);

#endif /* IC_TABLE_H */
