/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The crash simulator: the target's shared code over a simulated disk.
 *
 * sim_disk.c	disks whose cache drops, reorders and tears
 * sim_volume.c	a volume in memory: tree, owners
 * sim_activation.c	activation, with recovery
 * checkpoint.c	the steps of a checkpoint
 * io.c		writes, discards, flushes, forgets
 * rounds.c	the writer of the log
 * model.c	what a plain disk could hold, and the comparison with it
 * erase.c	search of a disk for salts that must be gone
 * crash.c	every crash of a run, and crashes of its recovery
 * main.c	runs, seeds, processes, the summary
 */
#ifndef SIM_H
#define SIM_H

#include <stdio.h>
#include <stdlib.h>

#include "activation_order.h"
#include "checkpoint_order.h"
#include "log_rounds.h"
#include "node_state.h"
#include "owner_record.h"
#include "read_record.h"
#include "recover.h"
#include "port/libcrypto.h"

#define UNIT		512	/* bytes that are never torn */
#define BLOCK_UNITS	(IC_BLOCK_SIZE / UNIT)
#define MAX_UNITS	8	/* in a crypto sector */
#define MAX_WRITE	IC_LOG_WRITE_MAX
#define MAX_INO		16

struct rng {
	u64	state;
};

static inline u64 mix(u64 x)
{
	x += 0x9e3779b97f4a7c15ULL;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static inline u64 rng_next(struct rng *r)
{
	return mix(r->state++);
}

static inline u32 rng_below(struct rng *r, u32 n)
{
	return (rng_next(r) >> 32) * n >> 32;
}

static inline bool rng_permille(struct rng *r, u32 n)
{
	return rng_below(r, 1000) < n;
}

static inline bool rng_pct(struct rng *r, u32 n)
{
	return rng_below(r, 100) < n;
}

static inline void rng_bytes(struct rng *r, void *buf, size_t len)
{
	u8 *p = buf;

	while (len--)
		*p++ = rng_next(r) >> 56;
}

/**
 * struct conf - what a run's seed decides
 * @hot: sectors of the volume that are used, numbered from 0 here
 * @hot_first: of these, how many are at the volume's beginning; the others are
 *	at its end
 * @units: 512-byte units in a crypto sector
 * @atomic: units that the data device never tears
 * @disks: 1, or 2 with the sidecar on disk 0 and the data on disk 1
 * @cache: has a disk got a volatile cache
 * @data_fua: the data device knows FUA
 * @pass_down: discards reach the data device
 * @zero_torn: whatever they were, torn sectors become zero
 * @fail_data: data writes that fail, of 1000
 * @fail_side: writes of the sidecar that fail
 * @fail_flush: flushes that fail
 * @fail_read: sectors that can't be read by recovery
 * @fail_seal: calls of a checkpoint's to the crypto library that fail
 * @inos: owners' inode numbers are 1 to this
 * @depth: bios under way
 * @steps: of the workload in each generation
 * @generations: activations of the volume
 */
struct conf {
	struct ic_params	params;
	struct ic_geometry	geo;
	u32	hot;
	u32	hot_first;
	u32	units;
	u32	atomic;
	u32	disks;
	bool	cache[2];
	bool	data_fua;
	bool	pass_down;
	bool	zero_torn;
	u32	fail_data;
	u32	fail_side;
	u32	fail_flush;
	u32	fail_read;
	u32	fail_seal;
	u32	inos;
	u32	depth;
	u32	steps;
	u32	generations;
	u32	w_flush;	/* of 100 new bios */
	u32	w_discard;
	u32	w_forget;
	u32	w_fua;
	u32	w_owned;
	u32	w_behind;	/* of 100 overwrites */
	u32	w_data;		/* of 100 intents: the data may be in the log, too */
	u32	w_join;		/* of 100 over zeros: intents, too */
	u32	w_checkpoint;	/* of 1000 steps */
	u32	slow;		/* what happens between steps of a checkpoint */
	u32	eager;		/* of 1000 steps, when one is wanted */
	u32	w_reload;	/* of 100 lives: no power cut ends them */
	u32	w_read;		/* of 100 new bios */
	bool	stalls;		/* data waits while a checkpoint runs: see write_data() */
};

/* Sector number of hot sector @hot. */
static inline u64 hot_sector(const struct conf *c, u32 hot)
{
	return hot < c->hot_first ? hot :
	       c->params.data_sectors - c->hot + hot;
}

static inline bool sector_hot(const struct conf *c, u64 sector, u32 *hot)
{
	if (sector < c->hot_first) {
		*hot = sector;
		return true;
	}
	if (sector < c->params.data_sectors - (c->hot - c->hot_first))
		return false;
	*hot = sector - (c->params.data_sectors - c->hot);
	return true;
}

/* Keys and buffers that outlive runs; one per process. */
struct keys {
	struct ic_meta_key	*super;
	struct ic_meta_key	*node;
	u8			uuid[IC_UUID_SIZE];
	u8			log_master[IC_KEY_SIZE];
	u64			data;		/* of owner 0 */
};

extern struct keys keys;

/*
 * Disks.
 */
struct blk {
	u64	ref;
	u8	d[IC_BLOCK_SIZE];
};

/**
 * struct image - contents of the disks
 * @side: the sidecar's blocks, NULL for zeros
 * @tok: 8 bytes that stand for each unit of the hot sectors' ciphertext
 * @src: which write each of these is of
 * @super_failed: writing a superblock failed, or was cut: one copy may be unusable
 */
struct image {
	u32		nr_side;
	u32		nr_units;
	struct blk	**side;
	u64		*tok;
	u32		*src;
	bool		super_failed;
};

enum dio_kind { DIO_SIDE, DIO_DATA, DIO_FLUSH };

/**
 * struct dio - a write or flush under way, or in a cache
 * @ref: the issuer's and the disk's
 * @pos: block (side) or first unit (data)
 * @len: units
 * @mask: for each unit, whether it may still come to be on the disk
 */
struct dio {
	struct list_head	list;
	u32			ref;
	enum dio_kind		kind;
	u32			disk;
	bool			done;
	bool			fua;
	bool			stalls;		/* not done while the disks stall */
	int			err;
	u64			issued;
	u64			completed;
	u32			pos;
	u32			len;
	u32			src;
	struct blk		*blk;
	u64			*tok;
	u8			mask[MAX_WRITE * MAX_UNITS];
};

struct run;

/**
 * struct disks - the disks as they are
 * @durable: what survives for sure
 * @tok: @durable's data with all that completed
 * @src: likewise
 * @ops: issued and not durable yet, in the order they were issued
 * @stall: operations that may wait don't complete
 * @event: called after each change of what a crash may leave
 */
struct disks {
	const struct conf	*conf;
	struct rng		*rng;
	struct image		durable;
	u64			*tok;
	u32			*src;
	struct list_head	ops;
	u32			nr_open;
	bool			stall;
	u64			clock;
	void			(*event)(struct disks *disks, void *arg);
	void			*arg;
};

struct blk *blk_new(void);
void blk_put(struct blk *blk);
void image_init(struct image *img, const struct conf *conf);
void image_copy(struct image *to, const struct image *from);
void image_free(struct image *img);
void disks_init(struct disks *disks, const struct conf *conf, struct rng *rng,
		struct image *img);
void disks_free(struct disks *disks);
struct dio *dio_side(struct disks *disks, u64 block, const void *data,
		     u32 units, bool fua);
struct dio *dio_data(struct disks *disks, u32 unit, u32 units, const u64 *tok,
		     u32 src, bool fua);
struct dio *dio_flush(struct disks *disks, u32 disk);
void dio_put(struct dio *dio);
bool disks_complete_one(struct disks *disks);
void disks_complete(struct disks *disks, struct dio *dio);
void disks_settle(struct disks *disks);
void disks_read(const struct disks *disks, u64 block, void *buf);
u64 *disks_tokens(const struct disks *disks, u32 **src);
void disks_crash(const struct disks *disks, struct rng *rng,
		 struct image *img);

/*
 * The volume in memory.
 */
struct node {
	u32	level;
	u64	index;
	bool	in_seal;	/* taken by the checkpoint that is under way */
	struct node *parent;	/* NULL for the root */
	struct ic_node_state	ns;
	struct ic_node		d;
};

/* An inode's life; what the file system and the model know of it. */
struct inst {
	u32	ino;
	u32	gen;
	u32	users;		/* bios under way */
	bool	made;		/* its record is in memory, and logged */
	bool	forgetting;	/* begun */
	bool	forgotten;	/* logged */
	bool	gone;		/* durably */
	bool	must_erase;	/* its forgetting was durable */
	bool	erased;		/* no place may hold the salt */
	u8	salt[IC_SALT_SIZE];
};

enum bio_kind { BIO_WRITE, BIO_DISCARD, BIO_FLUSH, BIO_FORGET, BIO_READ };

struct bio {
	struct list_head	list;
	struct vol		*vol;
	enum bio_kind		kind;
	u64			id;
	int			st;
	u32			first;		/* hot sector */
	u32			nr;
	bool			fua;
	bool			blocked;	/* waited for others' sectors */
	bool			wanted;		/* others wait for its sectors */
	bool			held;		/* it failed, but the log has it */
	u8			*data;		/* its data for the log, or NULL */
	u64			runs;		/* checkpoints when it began to wait */
	bool			waits;		/* for room */
	u32			ino;
	u32			inst;		/* index, 0: the volume */
	enum ic_change_state	change;		/* of its owner's record */
	u64			since;		/* flush or read: when it began */
	bool			ahead;		/* read: the leaf isn't in memory */
	struct ic_reader	who;		/* reads */
	struct dio		*dio;
	struct ic_request	req;
	struct ic_sector_record	rec[MAX_WRITE];
	u8			head[MAX_WRITE][IC_HEAD_SIZE];
	u64			tok[MAX_WRITE * MAX_UNITS];
};

/* A failed write's sector. */
struct failed {
	struct ic_log_write	w;
	struct ic_sector_record	rec;
	u8			head[1][IC_HEAD_SIZE];
	u64			id;	/* contents; 0 if adopted */
};

/**
 * struct vol - an active volume
 * @failed: sticky: the log or the superblock could not be written
 * @cut_salt: of the last cut
 * @log_key: by gen & 1
 */
struct vol {
	const struct conf	*conf;
	struct disks		*disks;
	struct rng		*rng;
	struct run		*run;		/* NULL in recoveries */
	struct vol		*pool;
	struct node		**node;
	u64			nr_nodes;
	struct ic_state		state;
	bool			owned;
	bool			failed;
	bool			active;
	bool			read_only;
	u64			loaded;		/* epoch of the superblock it began with */
	u64			nonce;

	struct ic_log		log;
	struct ic_log_block	**slot;
	const void		**data_block;
	u16			*inflight;
	u8			cut_salt[IC_SALT_SIZE];
	struct ic_meta_key	*log_key[2];

	/* checkpoints */
	bool			in_commit;
	struct ic_checkpoint_runs checkpoints;
	u64			erase_until;	/* generation that erases all */

	/* the log's writer */
	struct ic_rounds	rounds;
	bool			kicked;		/* a round is to come */
	u64			late;		/* ticket of a write that failed late, or ~0 */
	int			lw_st;
	struct ic_round		round;
	struct ic_caches	caches;
	u64			lw_next;
	struct dio		*lw_dio[300];
	u32			lw_nr;
	bool			mark;		/* the timer after a flush runs */
	struct ic_flush		mark_flush;
	struct dio		*mark_dio[2];
	bool			should_checkpoint; /* one is to run soon */
	bool			want_checkpoint; /* somebody waits for one */
	struct bio		*owner_by;	/* changes an owner's record, or NULL */
	u32			idle;

	/* recovery */
	struct ic_recovery	rec;
	struct ic_log_block	rec_block;
	u8			rec_data[IC_BLOCK_SIZE];
	struct ic_try		rec_tries[IC_LOG_TRIES];
	u8			*skipped;	/* by hot sector: not redone */
	u8			*unsure;	/* ... not read by a recovery that was cut */
	bool			give_up;	/* what can't be put in place */
	bool			partial;	/* commits now and then */
	struct image		*in_memory;	/* read-only: ciphertext, as if redone */
	bool			log_errors;	/* see spoil_log() */
	int			bad_super;	/* copy that can't be read, or -1 */
	bool			must_refuse;
	u64			bad_log;	/* block that can't be read ... */
	u32			bad_reads;	/* ... so often */
	bool			read_errors;
	u64			read_seed;
	bool			refused;
	u32			adopted;
	struct list_head	unsettled;	/* struct failed, by w.list */
};

#define BAD_FOR_GOOD	(~0U)

struct vol *vol_new(const struct conf *conf, struct disks *disks,
		    struct rng *rng);
void vol_free(struct vol *v);
void vol_format(const struct conf *conf, struct image *img, struct rng *rng);
int vol_load_tree(struct vol *v);
struct node *vol_node(struct vol *v, u32 level, u64 index);
union ic_record *vol_sector_rec(struct vol *v, u64 sector);
union ic_record *vol_owner_rec(struct vol *v, u32 ino);
void vol_dirty_sector(struct vol *v, u64 sector);
void vol_set_owner(struct vol *v, u32 ino, union ic_record *rec);
void vol_replay_owner(struct vol *v, u32 ino, const union ic_record *rec);
void vol_set_key(struct vol *v, u32 nr, const union ic_record *rec);
void vol_zero(struct vol *v, u64 first, u64 last);
void vol_nonce(struct vol *v, u8 nonce[IC_NONCE_SIZE]);
int vol_log_key(struct vol *v, u64 gen, const u8 salt[IC_SALT_SIZE]);

enum seen { SEEN_ZERO, SEEN_DATA, SEEN_ERROR };

enum seen vol_read(struct vol *v, const u64 *tok, u32 hot, u64 *id,
		   bool *owned);
enum seen vol_open(struct vol *v, const struct ic_sector_record *rec,
		   const u64 *tok, u64 sector, u64 *id);
u64 data_key(u32 ino, const struct ic_owner_record *rec);
bool data_open(const struct conf *conf, u64 key, u64 sector,
	       const struct ic_sector_record *rec, const u64 *tok, u64 *id);
void data_block_pack(const struct conf *conf, u8 *block, const u64 *tok,
		     u32 src);
void data_seal(const struct conf *conf, u64 key, u64 sector, u64 id,
	       const u8 nonce[IC_NONCE_SIZE], u64 *tok, u8 tag[IC_TAG_SIZE]);

/* sim_activation.c */
int vol_activate(struct vol *v);
bool vol_unreadable(const struct vol *v, u32 hot);

/* checkpoint.c */
int vol_checkpoint(struct vol *v);
bool vol_close(struct vol *v);
int vol_claim(struct vol *v);
int vol_first_checkpoint(struct vol *v, bool partial);
int vol_flush(struct vol *v);
int wait_dio(struct vol *v, struct dio *dio);
void vol_caches(const struct vol *v, struct ic_caches *caches);
u32 issue_flush(struct vol *v, const struct ic_flush *flush,
		struct dio *dio[2]);
int log_write_block(struct vol *v, u64 seq, bool fua, struct dio **dio);

/* States of a discard, a forget, a read, a flush; a write has enum ic_write_state. */
enum { D_RANGE, D_ZERO, D_LOG, D_LOGGED, D_PASS, D_PASSED };
enum { G_IDLE, G_CHANGE };
enum { R_RANGE, R_AHEAD, R_RECORDS, R_DATA, R_DECRYPT };
enum { F_NEW, F_WAITS };

/* io.c */
bool vol_step(struct vol *v);
void vol_pump(struct vol *v);
void vol_fail_bios(struct vol *v);
void bio_end(struct vol *v, struct bio *b, bool ok);
void bio_end_early(struct vol *v, struct bio *b);
void bio_write_failed(struct vol *v, struct bio *b);

/* rounds.c */
enum { T_PLACE, T_DRAIN, T_MARK, T_COUNT };

extern const struct ic_rounds_ops sim_rounds_ops;
void vol_place(struct vol *v);
void vol_hurry(struct vol *v);
bool vol_log_step(struct vol *v);
bool vol_timer(struct vol *v, u32 which);

/*
 * The model.
 */
struct mop {
	u64	id;		/* contents; 0 for zeros */
	u32	inst;
	u8	state;		/* enum mop_state */
	bool	behind;		/* acknowledged, not written yet */
	bool	forgotten;	/* failed, and others after it */
	u64	acked;
	u64	bio;
};

#define ID_ERROR	(~0ULL)

enum mop_state { MOP_FLIGHT, MOP_ACKED, MOP_FAILED };

/* When a sector was zeros last, as far as the log can tell. */
enum { ZERO_SINCE_CUT = 1, ZERO_SINCE_COMMIT = 2 };

struct mlist {
	struct mop	*op;
	u8		zero;		/* of the above */
	u32		nr;
	u32		max;
};

struct model {
	const struct conf	*conf;
	struct mlist		*sector;	/* by hot sector */
	struct mlist		owner[MAX_INO + 1];
	struct inst		*inst;		/* [0] is the volume */
	u32			nr_inst;
	u64			clock;
};

void model_init(struct model *m, const struct conf *conf);
void model_free(struct model *m);
u32 model_inst(struct model *m, u32 ino, struct rng *rng);
void model_begin(struct model *m, struct mlist *list, u64 id, u32 inst,
		 u64 bio);
void model_end(struct model *m, struct mlist *list, u64 bio, bool ok,
	       bool durable);
void model_lost(struct mlist *list);
void model_behind(struct mlist *list, u64 bio, bool ok);
void model_forgotten(struct mlist *list, u64 id);
void model_flushed(struct model *m, u64 since);
void model_erased(struct model *m);
void model_cut(struct model *m);
void model_committed(struct model *m);
/* What was found; compared, or taken over as the new beginning. */
struct found {
	u8	*seen;
	u64	*id;
	u32	inst[MAX_INO + 1];
};

void found_init(struct found *f, const struct conf *conf);
void found_free(struct found *f);
bool found_equal(const struct found *a, const struct found *b,
		 const struct conf *conf, u32 *hot);
bool model_check(struct model *m, struct vol *v, const struct image *img,
		 struct found *found, char *why, size_t len);
bool model_check_live(struct model *m, struct vol *v, u32 hot, char *why,
		      size_t len);
bool model_check_read(struct model *m, struct vol *v, const struct bio *b,
		      u32 i, enum seen seen, u64 id, char *why, size_t len);
void model_restart(struct model *m, struct vol *v, const struct found *found);
u64 model_content(u64 bio, u32 i);

/* erase.c */
bool erase_check(const struct image *img, const struct conf *conf,
		 const struct model *m, bool closed, char *why, size_t len);

/*
 * Runs.
 */
struct stats {
	u64	runs;
	u64	states;
	u64	cut;		/* recoveries that were cut */
	u64	torn;
	u64	refused;
	u64	live;		/* reads compared while running */
	u64	reads;		/* likewise, while other things happened */
	u64	unread;
	u64	erased;
	u64	redone;		/* sectors whose data was only in the log */
	u64	checkpoints;
	u64	log_unread;	/* logs that end at a block that can't be read */
	u64	unsealed;	/* that failed for want of memory */
	u64	forgotten;	/* failed writes that others of their sectors replaced */
	u64	replayed;	/* log blocks that recoveries followed */
	u64	reloads;
	u64	read_only;	/* activations that wrote nothing */
	u64	super_unread;	/* ... without one of the superblocks */
};

struct run {
	u64			seed;
	struct conf		conf;
	struct conf		calm;		/* without failures */
	struct rng		rng;
	struct disks		disks;
	struct vol		*vol;
	struct model		model;
	struct list_head	bios;
	u32			nr_bios;
	u64			next_bio;
	u64			step;
	u64			step_limit;
	u32			life[MAX_INO + 1];
	u64			events;
	u64			erased;
	u64			epoch;		/* of the last superblock that was committed */
	u32			crash;
	u32			per_event;	/* crashes at each event */
	u32			nested;		/* of 1000, crash recovery too */
	bool			churn;
	bool			faults;
	bool			stubborn;
	bool			reloads;
	bool			verbose;
	bool			draining;
	struct stats		*stats;
};

#ifndef __printf
#define __printf(a, b)	__attribute__((format \
					(printf, a, b)))
#endif
#ifndef __noreturn
#define __noreturn	__attribute__((noreturn \
					))
#endif

void trace(struct run *run, const char *fmt, ...) __printf(2, 3);
void run_fail(struct run *run, const char *fmt, ...) __printf(2, 3) __noreturn;
void crash_event(struct disks *disks, void *arg);
void look(struct run *run, struct disks *disks, struct found *found);

#endif /* SIM_H */
