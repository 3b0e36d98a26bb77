// SPDX-License-Identifier: GPL-2.0-only
/*
 * What becomes of a write whose bio has ended: hurry it, wait for it, and see to it
 * that its error isn't lost.
 *
 * An error that comes too late for the bio fails the next flush, and the write that
 * was one with it.
 */
#include "log/log.h"

/**
 * ic_behind_flush_failed() - a flush is about to end with an error
 * @ic: the table
 * @flush: its bio
 *
 * Device mapper makes two bios of a flush with data, as a journal's commit is, and
 * goes on with the data whatever became of the flush.
 *
 * Context: process.
 */
void ic_behind_flush_failed(struct inocrypt *ic, const struct bio *flush)
{
	struct ic_flushes_failed *failed = &ic->vol->flushes_failed;
	const void *data = ic_compat_bio_data(flush);

	if (!data)
		return;
	spin_lock(&ic->logger.lock);
	if (failed->nr < IC_FLUSHES_FAILED_MAX) {
		failed->data[failed->nr] = data;
		WRITE_ONCE(failed->nr, failed->nr + 1);
	} else {
		WRITE_ONCE(failed->more, failed->more + 1);
	}
	spin_unlock(&ic->logger.lock);
}

/* Forget the flush whose data is @data. Returns false if none has failed. */
static bool forget_flush(struct inocrypt *ic, const void *data)
{
	struct ic_flushes_failed *failed = &ic->vol->flushes_failed;
	u32 i;

	lockdep_assert_held(&ic->logger.lock);
	for (i = 0; i < failed->nr; i++) {
		if (failed->data[i] != data)
			continue;
		failed->data[i] = failed->data[failed->nr - 1];
		WRITE_ONCE(failed->nr, failed->nr - 1);
		return true;
	}
	return false;
}

/**
 * ic_behind_flush_has_failed() - is a write the data of a flush that failed?
 * @ic: the table
 * @data: the bio of the write
 *
 * This may be asked only once of each write, which then has to fail: the flush is
 * forgotten with that.
 *
 * Context: process.
 */
bool ic_behind_flush_has_failed(struct inocrypt *ic, const struct bio *data)
{
	struct ic_flushes_failed *failed = &ic->vol->flushes_failed;
	bool is;

	if (likely(!READ_ONCE(failed->nr) && !READ_ONCE(failed->more)))
		return false;
	spin_lock(&ic->logger.lock);
	is = forget_flush(ic, ic_compat_bio_data(data));
	if (!is && failed->more && data->bi_opf & REQ_FUA) {
		WRITE_ONCE(failed->more, failed->more - 1);
		is = true;
	}
	spin_unlock(&ic->logger.lock);
	return is;
}

/**
 * ic_behind_hurry() - somebody waits for what is behind
 * @ic: the table
 *
 * Context: any but hard interrupt.
 */
void ic_behind_hurry(struct inocrypt *ic)
{
	struct ic_logger *lg = &ic->logger;

	if (!READ_ONCE(lg->rounds.behind))
		return;
	spin_lock(&lg->lock);
	ic_rounds_hurry(&lg->rounds);
	ic_log_place(ic);
	spin_unlock(&lg->lock);
	queue_work(lg->wq, &lg->work);
}

/**
 * ic_behind_drain() - wait until nothing is behind
 * @ic: the table; no new bios come
 *
 * Context: may sleep.
 */
void ic_behind_drain(struct inocrypt *ic)
{
	struct ic_logger *lg = &ic->logger;

	ic_behind_hurry(ic);
	wait_event(lg->room_wait, !READ_ONCE(lg->rounds.behind));
	spin_lock(&lg->lock);
	if (lg->rounds.late_err)
		ic->vol->late_err = ic_blk_status(lg->rounds.late_err);
	lg->rounds.late_err = 0;
	spin_unlock(&lg->lock);
	if (ic->vol->late_err)
		DMERR("%s: an acknowledged write failed, and no flush came yet to say so",
		      dm_device_name(ic->vol->md));
}

/**
 * ic_behind_lost() - a table that could not commit is suspended
 * @ic: the table; its log is at rest
 *
 * Writes that have ended and were not flushed may not be in the log, or not in the
 * place that the log says.  The first flush of the next table fails because of that,
 * as nobody else tells it.
 *
 * Context: suspend.
 */
void ic_behind_lost(struct inocrypt *ic)
{
	struct ic_logger *lg = &ic->logger;
	u64 kept;

	spin_lock(&lg->lock);
	/*
	 * While nothing has failed, the devices keep what they were given,
	 * flushed or not.
	 */
	kept = READ_ONCE(ic->failed) ? lg->log.durable : lg->log.next;
	if (kept < lg->rounds.appended ||
	    (READ_ONCE(ic->failed) && lg->rounds.unflushed))
		ic->vol->late_err = BLK_STS_IOERR;
	spin_unlock(&lg->lock);
}

/**
 * ic_behind_flush_ro() - what a flush of a read-only table says
 * @ic: the table
 *
 * Context: any but hard interrupt.
 */
blk_status_t ic_behind_flush_ro(struct inocrypt *ic)
{
	struct ic_logger *lg = &ic->logger;
	blk_status_t late;

	spin_lock(&lg->lock);
	late = ic->vol->late_err;
	ic->vol->late_err = BLK_STS_OK;
	spin_unlock(&lg->lock);
	return late;
}

/**
 * ic_behind_resume() - take over an error that the table before could not report
 * @ic: the table, becoming active
 *
 * Context: resume, which excludes suspend.
 */
void ic_behind_resume(struct inocrypt *ic)
{
	struct ic_logger *lg = &ic->logger;

	spin_lock(&lg->lock);
	if (ic->vol->late_err)
		lg->rounds.late_err = blk_status_to_errno(ic->vol->late_err);
	ic->vol->late_err = BLK_STS_OK;
	spin_unlock(&lg->lock);
}
