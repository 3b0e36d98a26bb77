// SPDX-License-Identifier: GPL-2.0-only
/*
 * Synced writes: the data goes to the log together with its PUT.
 *
 * Else a write that has to be durable costs two rounds one after the other: the
 * intent and a flush, then the data and a flush.  With its data in the log, one
 * is enough; that it is put in its place afterwards is nobody's wait.  The price
 * is that it is written twice, so this is for few sectors at a time, and only
 * where crypto sectors are as large as log blocks.
 *
 * A failure to put it in place stops the volume: who wrote it was told that it
 * is durable, and it is, in the log.  The next load tries again.
 */
#include "log/log.h"

/* For writes with FUA: larger ones gain less. */
#define FUA_SECTORS_MAX		16
/* For a flush: with more to flush, another round costs less than the bytes. */
#define FLUSH_SECTORS_MAX	24
/* Beside them, of those that overwrite nothing: more fill the log too soon. */
#define JOIN_SECTORS_MAX	16

/**
 * ic_log_may_data() - may the data of a write with FUA be logged?
 * @io: the write
 */
bool ic_log_may_data(const struct ic_io *io)
{
	return io->ic->geo.sector_size == IC_BLOCK_SIZE &&
	       ic_io_sectors(io) <= FUA_SECTORS_MAX;
}

/**
 * ic_log_joins() - will a flush follow that saves a request if @io waits for it?
 * @io: a write, nothing to overwrite
 *
 * Written in place at once it is a request that the flush has to wait for, before
 * its own.  In the log it is part of that one, and what ends up side by side, as
 * the blocks of a journal with the last, goes to its place together.
 */
bool ic_log_joins(const struct ic_io *io)
{
	blk_opf_t opf = io->bio->bi_opf;

	/* Of fsync() or a journal: direct I/O is REQ_IDLE without REQ_META. */
	if (!(opf & REQ_SYNC) || (opf & (REQ_META | REQ_IDLE)) == REQ_IDLE)
		return false;
	/* One more or less: either is right. */
	return ic_log_may_data(io) && !READ_ONCE(io->range.wanted) &&
	       READ_ONCE(io->ic->logger.joined) + ic_io_sectors(io) <=
	       JOIN_SECTORS_MAX;
}

/**
 * ic_log_leave() - a write waits for its PUTs no more
 * @lg: the logger, locked
 * @io: the write, leaving @lg's intents
 */
void ic_log_leave(struct ic_logger *lg, const struct ic_io *io)
{
	lg->waiting -= ic_io_sectors(io);
	if (io->joins)
		WRITE_ONCE(lg->joined, lg->joined - ic_io_sectors(io));
}

/*
 * Is @io's data to be logged?  @flush: of those that have ended, too.  Of those
 * that joined in any case: it saves the flush of their place.
 */
static bool eligible(const struct ic_io *io, bool flush)
{
	if (!io->detached)
		return false;
	return !io->bio ? flush || io->joins : ic_log_may_data(io);
}

static void log_data(struct inocrypt *ic, struct ic_io *io)
{
	struct ic_logger *lg = &ic->logger;
	u32 i, n = ic_io_sectors(io);

	for (i = 0; i < n; i++) {
		io->log_seq = lg->log.head;
		ic_log_data(&lg->log, &io->puts, i, ic_io_ciphertext(io, i));
	}
	/* It will not be waited for any more. */
	io->sub->bi_opf &= ~REQ_FUA;
	atomic64_add(n, &ic->stats[IC_STAT_DATA_LOGGED]);
	ic_log_leave(lg, io);
	list_move_tail(&io->wait_list, &lg->data);
}

/**
 * ic_log_choose_data() - log the data of writes that somebody waits for
 * @ic: the table
 *
 * Those with FUA are waited for one by one; the others by flushes, which have to
 * wait for all.
 *
 * Context: the log's worker, under the logger's lock.
 */
void ic_log_choose_data(struct inocrypt *ic)
{
	struct ic_logger *lg = &ic->logger;
	bool flush = !list_empty(&lg->flushes) &&
		     lg->waiting - lg->joined <= FLUSH_SECTORS_MAX;
	struct ic_io *io, *n;
	u32 sectors = 0;

	if (ic->geo.sector_size != IC_BLOCK_SIZE)
		return;
	list_for_each_entry(io, &lg->intents, wait_list) {
		u32 more = eligible(io, flush) ? ic_io_sectors(io) : 0;

		if (sectors + more > IC_LOG_DATA_MAX)
			break;
		sectors += more;
	}
	if (!sectors || !ic_log_data_begin(&lg->log, sectors))
		return;
	list_for_each_entry_safe(io, n, &lg->intents, wait_list) {
		if (!eligible(io, flush))
			continue;
		if (ic_io_sectors(io) > sectors)
			break;
		sectors -= ic_io_sectors(io);
		log_data(ic, io);
	}
	ic_log_data_end(&lg->log);
}

/**
 * ic_log_data_durable() - put data in place that is durable in the log
 * @ic: the table
 * @later: receives those whose sub is to be submitted
 * @now: receives those of them that somebody, or a checkpoint, waits for
 * @ended: receives bios to end
 *
 * Context: the log's worker, under the logger's lock.
 */
void ic_log_data_durable(struct inocrypt *ic, struct list_head *later,
			 struct list_head *now, struct bio_list *ended)
{
	struct ic_logger *lg = &ic->logger;
	struct ic_io *io, *n;
	bool wanted;

	list_for_each_entry_safe(io, n, &lg->data, wait_list) {
		if (io->log_seq >= lg->log.durable)
			break;
		list_move_tail(&io->wait_list, &lg->placing);
		if (io->bio) {
			/* Written with FUA. */
			bio_list_add(ended, io->bio);
			io->bio = NULL;
			lg->behind++;
			/* Pairs with the one in ic_range_lock(). */
			smp_mb();
		}
		wanted = io->puts.data_before || READ_ONCE(io->range.wanted);
		list_add_tail(&io->submit_list, wanted ? now : later);
	}
}
