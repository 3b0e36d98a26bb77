/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A table, a volume and a bio of ours: the structures that all parts share.
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
#include <linux/rbtree.h>
#include <linux/mempool.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <crypto/aead.h>

#include "../../bio-owner/bio_owner.h"
#include "../../compat/kernel.h"
#include "crypto/crypto.h"
#include "checkpoint_order.h"
#include "log_rounds.h"
#include "node_state.h"
#include "owner_record.h"
#include "recover.h"
#include "table_options.h"
#include "tunables.h"

/* A bio is cut to so many sectors, so that its PUTs fit into two log blocks. */
#define IC_IO_MAX_SECTORS	IC_LOG_WRITE_MAX
/* A bio is also cut to so many pages of data: see tunables.h. */
#define IC_IO_MAX_PAGES		(IC_IO_MAX_BYTES / PAGE_SIZE)
/* 80 records touch at most two leaves of 127. */
#define IC_IO_MAX_LEAVES	2
/* Records of a bio this small need no allocation. */
#define IC_IO_FEW_SECTORS	4

#define IC_CHECKPOINT_DELAY	(IC_CHECKPOINT_SECS * HZ)
#define IC_DRAIN_DELAY		(IC_DRAIN_MS * HZ / 1000)
#define IC_MARK_DELAY		(HZ / 2)
#define IC_PLACE_DELAY		(HZ / 100 + 1)	/* at least 10 ms: the next tick may be near */

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

/**
 * struct ic_range - sectors in use by one bio
 * @start: first crypto sector
 * @last: last crypto sector
 * @order: number of the request: a later one has a higher number
 * @blockers: how many earlier ranges that conflict with this one are still there
 * @wanted: a later request waits for these sectors
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
	struct ic_compat_shrinker shrinker;
	spinlock_t		dirty_lock;	/* guards dirty[] and both counts */
	struct list_head	dirty[IC_SEAL_ORDERS];
	unsigned long		nr_dirty;
	unsigned long		nr_sealed;	/* of the running checkpoint */
	wait_queue_head_t	dirty_wait;	/* writers held back */
	struct ic_cnode		*root;
};

/* So many flushes with data, which fail in one round, are told apart. */
#define IC_FLUSHES_FAILED_MAX	64

/**
 * struct ic_flushes_failed - flushes that failed, and whose data is still to come
 * @nr: entries of @data
 * @more: those that found no room in @data: so many writes with FUA fail instead
 * @data: what tells the data's bio: ic_compat_bio_data()
 */
struct ic_flushes_failed {
	u32		nr;
	u32		more;
	const void	*data[IC_FLUSHES_FAILED_MAX];
};

/**
 * struct ic_volume - what outlives a table reload: keys and the binding
 * @bov: what bio-owner hands to the file system
 * @list: in the module's registry
 * @targets: tables (active, inactive) that use it; guarded by the registry lock
 * @lock: guards @masters, and changes of @bound and @raw
 * @late_err: a write failed whose bio had ended, and no flush has reported that yet; a
 *	table leaves it here for the next one; guarded by the active table's logger lock
 * @flushes_failed: flushes whose data is still to come, and fails, too; guarded by the
 *	active table's logger lock
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
	struct ic_flushes_failed flushes_failed;
	struct rw_semaphore	ops_sem;
	struct inocrypt		*active;
	wait_queue_head_t	active_wait;
};

/* What names one writing of a superblock: no two have the same tag. */
struct ic_super_id {
	u64	epoch;
	u8	tag[IC_TAG_SIZE];
};

/* How a checkpoint treats the log: see recovery_io.c. */
enum ic_recovering {
	IC_RUNNING = 0,		/* the checkpoint cuts it */
	IC_RECOVERING,		/* the log stays as it is, and is applied again if need be */
	IC_RECOVERED,		/* the log has just been begun: that is the cut */
};

/**
 * struct ic_logger - the log and those who wait for it
 * @lock: guards @log, @rounds and @waiting_since
 * @slot: @log's block buffers, one page each; a closed one belongs to the writer
 * @master: what the keys of all salts derive from
 * @salt: of the newest generation; the checkpoint's
 * @key: of the newest generation and the one before, by parity
 * @room_wait: appenders and the checkpoint; woken when anything gets further
 * @rounds: who waits for the log, and what its writer decides
 * @ended: bios that the round under way has ended
 * @round_nr: of the round under way, or of the last; the worker's
 * @waiting_since: in jiffies, the first of @rounds' intents, if not longer
 * @near_work: does the same as @work on the CPU of who waits for it: that one goes
 *	to sleep, and to wake another CPU would take longer
 * @drain_work: hurries @rounds when writes have waited for long enough
 * @writer: what only log_write.c has
 */
struct ic_logger {
	spinlock_t		lock;	/* see above */
	struct ic_log		log;
	struct ic_log_block	**slot;
	u8			master[IC_KEY_SIZE];
	u8			salt[IC_SALT_SIZE];
	struct ic_meta_key	*key[2];
	wait_queue_head_t	room_wait;
	struct ic_rounds	rounds;
	struct bio_list		ended;
	u64			round_nr;
	unsigned long		waiting_since;
	struct workqueue_struct	*wq;
	struct work_struct	work;
	struct workqueue_struct	*near_wq;
	struct work_struct	near_work;
	struct delayed_work	drain_work;
	struct ic_log_writer	*writer;
	struct bio_set		bs;
};

/* One loaded table. */
struct inocrypt {
	struct dm_target	*ti;
	u64			nr;		/* of this table: no other one had it */
	struct dm_dev		*data;
	struct dm_dev		*sidecar;
	sector_t		data_start;	/* 512-byte sectors */
	sector_t		sidecar_start;	/* 512-byte sectors */
	char			*key_desc;
	struct ic_table_options	options;
	bool			resumed;	/* options.raw has been applied */

	struct ic_params	params;
	struct ic_geometry	geo;
	struct ic_volume	*vol;
	const struct ic_cipher_info *cipher;
	bool			read_only;
	bool			loaded;		/* tree state is in memory */
	bool			suspending;	/* long scans have to give up */
	bool			super_lost;	/* only one superblock was good at first */
	bool			failed;		/* for good: see ic_fail() */
	int			checkpoint_err;	/* of the last checkpoint */
	struct ic_checkpoint_runs checkpoints;
	time64_t		checkpoint_failing; /* since this second; 0: they don't */
	bool			stopping;	/* no checkpoint may begin any more */
	bool			checkpoint_running; /* set by the checkpoint's worker */
	bool			checkpoint_needed; /* by a writer, since one began */

	struct ic_meta_key	*super_key;
	struct ic_meta_key	*node_key;
	struct ic_data_key	volume_key;
	struct ic_nonces	nonces;
	struct ic_tfm_pool	tfms;

	struct ic_io_path	*io_path;	/* defined in io.h */
	struct workqueue_struct	*checkpoint_wq;

	struct ic_cache		cache;

	struct mutex		owner_mutex;	/* guards owner and key records */
	spinlock_t		owner_lock;	/* guards @owners and @slots */
	struct ic_owners	*owners;	/* owner.c's */
	/* By this the node cache says that @count owners' records, from @first on, are lost. */
	void			(*owners_lost)(struct inocrypt *ic, u64 first,
					       u32 count);
	struct ic_key_slot	*slots;		/* changed under both locks, read under one */

	struct ic_state		state;		/* the committed one; for the checkpoint only */
	spinlock_t		super_lock;	/* guards the two below */
	struct ic_super_id	super_loaded;	/* the one that activation began with */
	struct ic_super_id	super_now;	/* the one that was committed last */
	atomic64_t		nr_owners;
	bool			owned;		/* owned sectors have been written */

	struct ic_logger	logger;
	u64			committed_gen;	/* the log's; checkpoint's */
	atomic64_t		erase_until;	/* committed_gen that erases all */
	u64			owners_seen;	/* owners below this one were looked at */
	struct ic_recovery	*recovery;	/* what activation found and did */
	u64			lost_records;	/* changes that recovery left out */
	u32			slots_lost;	/* key slots whose record is lost */
	struct ic_redone	*redone;	/* redo.c's */
	unsigned int		nr_given_up;	/* sectors that it could not put in place */
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
 * @pass_down: a discard to pass on once it is durable in the log
 * @req: what the writer of the log knows of it
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
	bool			pass_down;
	struct ic_owner		*owner;
	struct ic_cnode		*leaf[IC_IO_MAX_LEAVES];
	struct ic_sector_record	*rec;
	u8			(*head)[IC_HEAD_SIZE];
	struct bio		*sub;
	struct ic_request	req;
	struct {
		struct ic_sector_record	rec[IC_IO_FEW_SECTORS];
		u8			head[IC_IO_FEW_SECTORS][IC_HEAD_SIZE];
	} few;
};

static inline void ic_count(struct inocrypt *ic, enum ic_stat stat)
{
	atomic64_inc(&ic->stats[stat]);
}

static inline u32 ic_io_sectors(const struct ic_io *io)
{
	return io->range.last - io->range.start + 1;
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

#endif /* IC_TABLE_H */
