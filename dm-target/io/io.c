// SPDX-License-Identifier: GPL-2.0-only
/*
 * What reads, writes and discards have in common: starting and ending.
 */
#include <linux/slab.h>

#include "core/trace.h"
#include "tree/tree.h"
#include "keys/owners.h"
#include "io/io.h"

/* What the largest bio needs for its records, and for their sectors' heads. */
#define REC_BYTES	(IC_IO_MAX_SECTORS * (IC_RECORD_SIZE + IC_HEAD_SIZE))

/**
 * ic_io_init() - pools and workqueues of the data path
 * @ic: the table
 *
 * Return: 0 or a negative errno; ic_io_exit() cleans up in both cases.
 */
int ic_io_init(struct inocrypt *ic)
{
	struct ic_io_path *path = kzalloc(sizeof(*path), GFP_KERNEL);
	int err;

	if (!path)
		return -ENOMEM;
	ic->io_path = path;
	ic_ranges_init(&path->ranges);
	err = ic_sub_init(ic);
	if (err)
		return err;
	err = mempool_init_kmalloc_pool(&path->rec_pool, 16, REC_BYTES);
	if (err)
		return err;
	path->io_wq = alloc_workqueue("inocrypt-io", WQ_UNBOUND |
				      WQ_MEM_RECLAIM, 0);
	path->done_wq = alloc_workqueue("inocrypt-done", WQ_UNBOUND |
					WQ_MEM_RECLAIM | WQ_HIGHPRI, 0);
	path->near_wq = alloc_workqueue("inocrypt-near", WQ_MEM_RECLAIM |
					WQ_HIGHPRI | WQ_CPU_INTENSIVE, 0);
	/*
	 * There is a worker for each CPU: if more reads were decrypted at once
	 * all of them would end late, instead of one after the other.
	 */
	path->few_wq = alloc_workqueue("inocrypt-few", WQ_UNBOUND |
				       WQ_MEM_RECLAIM | WQ_HIGHPRI,
				       num_online_cpus());
	path->decrypt_wq = alloc_workqueue("inocrypt-decrypt", WQ_UNBOUND |
					   WQ_MEM_RECLAIM, num_online_cpus());
	if (!path->io_wq || !path->done_wq || !path->near_wq ||
	    !path->few_wq || !path->decrypt_wq)
		return -ENOMEM;
	return 0;
}

/**
 * ic_io_exit() - undo ic_io_init(); no I/O is under way
 * @ic: the table
 */
void ic_io_exit(struct inocrypt *ic)
{
	struct ic_io_path *path = ic->io_path;

	if (!path)
		return;
	if (path->io_wq)
		destroy_workqueue(path->io_wq);
	if (path->done_wq)
		destroy_workqueue(path->done_wq);
	if (path->decrypt_wq)
		destroy_workqueue(path->decrypt_wq);
	if (path->few_wq)
		destroy_workqueue(path->few_wq);
	if (path->near_wq)
		destroy_workqueue(path->near_wq);
	mempool_exit(&path->rec_pool);
	ic_sub_exit(ic);
	kfree(path);
}

static void io_work(struct work_struct *work)
{
	struct ic_io *io = container_of(work, struct ic_io, work);

	switch (bio_op(io->bio)) {
	case REQ_OP_READ:
		ic_read(io, true);
		break;
	case REQ_OP_WRITE:
		ic_write(io, true);
		break;
	default:
		ic_discard(io);
	}
}

/**
 * ic_io_start() - begin with @io, whose range is free
 * @io: the bio's
 *
 * What needs no waiting is done at once, because a worker would begin later: that is
 * looking up what a read needs, and encrypting a few sectors.
 *
 * Context: process.
 */
void ic_io_start(struct ic_io *io)
{
	int err = -EAGAIN;

	switch (bio_op(io->bio)) {
	case REQ_OP_READ:
		err = ic_read(io, false);
		break;
	case REQ_OP_WRITE:
		if (ic_io_sectors(io) <= IC_IO_FEW_SECTORS)
			err = ic_write(io, false);
		break;
	default:
		break;
	}
	if (err == -EAGAIN)
		ic_io_queue(io);
}

/**
 * ic_io_queue() - hand @io, whose range is free, to a worker
 * @io: the bio's
 *
 * Context: any.
 */
void ic_io_queue(struct ic_io *io)
{
	INIT_WORK(&io->work, io_work);
	queue_work(io->ic->io_path->io_wq, &io->work);
}

/**
 * ic_io_alloc_records() - allocate @io's records
 * @io: the bio's
 * @wait: may sleep, and never fails
 *
 * Return: 0 or -EAGAIN.
 */
int ic_io_alloc_records(struct ic_io *io, bool wait)
{
	if (ic_io_sectors(io) <= IC_IO_FEW_SECTORS) {
		io->rec = io->few.rec;
		io->head = io->few.head;
		return 0;
	}
	io->rec = mempool_alloc(&io->ic->io_path->rec_pool,
				wait ? GFP_NOIO : GFP_NOWAIT | __GFP_NOWARN);
	if (!io->rec)
		return -EAGAIN;
	io->head = (u8 (*)[IC_HEAD_SIZE])(io->rec + IC_IO_MAX_SECTORS);
	return 0;
}

/**
 * ic_io_release() - give all back that @io holds of the pools but its owner
 * @io: the bio's; may still wait for the log
 *
 * Context: process, or any if @io has no leaves pinned.
 */
void ic_io_release(struct ic_io *io)
{
	struct inocrypt *ic = io->ic;
	unsigned int i;

	ic_io_free_sub(io);
	for (i = 0; i < IC_IO_MAX_LEAVES; i++)
		if (io->leaf[i])
			ic_node_put(ic, io->leaf[i]);
	memset(io->leaf, 0, sizeof(io->leaf));
	if (io->rec && io->rec != io->few.rec)
		mempool_free(io->rec, &ic->io_path->rec_pool);
	io->rec = NULL;
}

/**
 * ic_io_again() - undo a first step that can't go on without waiting
 * @io: the bio's
 *
 * Context: process.
 * Return: -EAGAIN
 */
int ic_io_again(struct ic_io *io)
{
	struct ic_owner *owner = io->owner;

	io->owner = NULL;
	io->req.state = IC_WRITE_RANGE;
	ic_io_release(io);
	ic_owner_put(owner);
	return -EAGAIN;
}

/**
 * ic_io_end() - release all that @io holds and end its bio, if it has not ended
 * @io: the bio's; gone on return
 * @status: of the bio
 *
 * Context: process, or any if @io has no leaves pinned and no owner.
 */
void ic_io_end(struct ic_io *io, blk_status_t status)
{
	struct bio *bio = io->bio;
	struct ic_owner *owner = io->owner;

	ic_io_release(io);
	trace_ic_io(io, IC_AT_ENDED, blk_status_to_errno(status));
	ic_range_unlock(io->ic, io);
	if (io->detached)
		ic_io_free_detached(io);
	if (bio) {
		bio->bi_status = status;
		bio_endio(bio);
	}
	/*
	 * The owner is put last, as whoever removes its key waits for that, and
	 * takes it that the bio has ended. The table is still there: destroying
	 * it waits for the worker that runs this.
	 */
	ic_owner_put(owner);
}
