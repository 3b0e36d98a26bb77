/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The data path: reads, writes and discards, from the map function on.
 */
#ifndef IC_IO_H
#define IC_IO_H

#include "core/table.h"
#include "read_record.h"

/* So many reads at a time may have their data read beside a leaf. */
#define IC_READ_AHEAD_MAX	16

/**
 * struct ic_ranges - the sectors that requests use
 * @lock: guards the tree, and every range in it
 * @root: of the tree of struct ic_range
 * @order: number of the next request
 */
struct ic_ranges {
	spinlock_t		lock;	/* see above */
	struct rb_root_cached	root;
	u64			order;
};

/**
 * struct ic_reads - what read.c knows of the reads that are under way
 * @decrypting: how many have their data, and are to be decrypted
 * @near_left: see one_at_a_time()
 * @ahead: how many have their data read beside a leaf
 */
struct ic_reads {
	atomic_t		decrypting;
	int			near_left;
	atomic_t		ahead;
};

/**
 * struct ic_io_path - what only the data path of a table has
 * @ranges: the sectors that requests use
 * @reads: read.c's
 * @subs: sub_bio.c's
 * @rec_pool: records of requests with many sectors
 * @io_wq: first steps that have to wait
 * @done_wq: completions of writes
 * @near_wq: completions of small reads that come one at a time, on the same CPU
 * @few_wq: completions of other small reads
 * @decrypt_wq: completions of large reads
 */
struct ic_io_path {
	struct ic_ranges	ranges;
	struct ic_reads		reads;
	struct ic_sub_pool	*subs;
	mempool_t		rec_pool;
	struct workqueue_struct	*io_wq;
	struct workqueue_struct	*done_wq;
	struct workqueue_struct	*near_wq;
	struct workqueue_struct	*few_wq;
	struct workqueue_struct	*decrypt_wq;
};

/* crypt.c */
int ic_encrypt(struct inocrypt *ic, struct ic_io *io, bool wait);
int ic_decrypt(struct inocrypt *ic, struct ic_io *io);
int ic_decrypt_page(struct inocrypt *ic, struct page *page, u64 sector,
		    const struct ic_sector_record *rec);

/* range.c */
void ic_ranges_init(struct ic_ranges *ranges);
bool ic_range_lock(struct inocrypt *ic, struct ic_io *io);
void ic_range_unlock(struct inocrypt *ic, struct ic_io *io);
void ic_range_number(struct inocrypt *ic, struct ic_io *io);
void ic_range_move(struct inocrypt *ic, struct ic_io *from, struct ic_io *to);

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

/* read.c, write.c, discard.c: first step, at once or in io_wq */
int ic_read(struct ic_io *io, bool wait);
int ic_write(struct ic_io *io, bool wait);
void ic_discard(struct ic_io *io);

#endif /* IC_IO_H */
