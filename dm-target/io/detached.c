// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writes that end early: a volatile write cache, as disks have one.
 *
 * An overwrite has to wait for its intent to be durable.  Its bio needn't: once
 * the data is encrypted into our own pages and its PUTs are appended to the log,
 * the bio ends, and the rest is done behind its back, many writes sharing a
 * block and a flush.  What is behind still holds its range, so that whoever wants
 * these sectors waits; a flush waits for all that ended before it; writes with
 * FUA don't end early.  Such writes are drained when enough have gathered, when
 * somebody waits for one, after IC_DRAIN_DELAY, and on suspend.
 *
 * Their number is bounded by what the log allows in flight, and by a part of the node
 * cache, as each write has its leaves pinned.  behind.c says what becomes of errors.
 */
#include <linux/slab.h>

#include "io/io.h"

static struct kmem_cache *io_slab;

/**
 * ic_detached_module_init() - make the slab of detached struct ic_io
 *
 * Return: 0 or -ENOMEM.
 */
int ic_detached_module_init(void)
{
	io_slab = KMEM_CACHE(ic_io, 0);
	return io_slab ? 0 : -ENOMEM;
}

/**
 * ic_detached_module_exit() - undo ic_detached_module_init()
 */
void ic_detached_module_exit(void)
{
	kmem_cache_destroy(io_slab);
}

/**
 * ic_io_detach() - let a write outlive its bio
 * @io: a write in its bio's per-bio data, encrypted; not used any more on success
 *
 * Context: process.
 * Return: what takes its place, or NULL if memory is short.
 */
struct ic_io *ic_io_detach(struct ic_io *io)
{
	struct ic_io *to = kmem_cache_alloc(io_slab,
					    GFP_NOWAIT | __GFP_NOWARN);

	if (!to)
		return NULL;
	*to = *io;
	ic_range_move(io->ic, io, to);
	to->detached = true;
	if (io->rec == io->few.rec) {
		to->rec = to->few.rec;
		to->head = to->few.head;
	}
	to->sub->bi_private = to;
	return to;
}

/**
 * ic_io_free_detached() - free a detached write, which is through
 * @io: from ic_io_detach(); it holds nothing any more
 *
 * Context: process; in @io's worker, or the log's, for which destroying the table waits.
 */
void ic_io_free_detached(struct ic_io *io)
{
	struct ic_logger *lg = &io->ic->logger;
	bool behind = io->req.ended, last;

	kmem_cache_free(io_slab, io);
	if (!behind)
		return;
	spin_lock(&lg->lock);
	last = !--lg->rounds.behind;
	spin_unlock(&lg->lock);
	if (last)
		wake_up_all(&lg->room_wait);
}

/**
 * ic_detached_bounded() - may one more write end early?
 * @ic: the table
 *
 * Context: any.
 */
bool ic_detached_bounded(struct inocrypt *ic)
{
	return READ_ONCE(ic->logger.rounds.behind) <
	       IC_BEHIND_MAX(ic->cache.max);
}
