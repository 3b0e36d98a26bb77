// SPDX-License-Identifier: GPL-2.0-only
/*
 * The log, by the target's own ring: shared/log_ring.c counts blocks, closes them,
 * cuts, logs again what is in flight.  Nothing is sealed or written.
 */
#include <stdlib.h>

#include "scale.h"

static const struct ic_sector_record no_records[IC_LOG_WRITE_MAX];
static const u8 no_heads[IC_LOG_WRITE_MAX][IC_HEAD_SIZE];

struct ring {
	struct ic_log log;
	struct ring_counts counts;
	struct ic_log_write *flight;	/* a ring of writes under way */
	u32 first_flight, nr_flight, max_flight;
};

/* The @nr-th of them, oldest first. */
static struct ic_log_write *flight(struct ring *r, u32 nr)
{
	return &r->flight[(r->first_flight + nr) % r->max_flight];
}

struct ring *ring_new(u32 log_blocks, u32 io)
{
	u32 i, nr = ic_log_slots(log_blocks);
	struct ring *r = calloc(1, sizeof(*r));
	struct ic_log_block **slot = calloc(nr, sizeof(*slot));
	const void **data_block = calloc(nr, sizeof(*data_block));
	u16 *inflight = calloc(log_blocks, sizeof(*inflight));
	u8 *blocks = calloc(nr, IC_BLOCK_SIZE);

	if (!r || !slot || !data_block || !inflight || !blocks ||
	    io > IC_LOG_WRITE_MAX)
		abort();
	for (i = 0; i < nr; i++)
		slot[i] = (struct ic_log_block *)(blocks + (u64)i * IC_BLOCK_SIZE);
	ic_log_init(&r->log, log_blocks, nr, slot, data_block, inflight);
	ic_log_start(&r->log, 1);
	r->max_flight = r->log.live_max / io + 1;
	r->flight = calloc(r->max_flight, sizeof(*r->flight));
	if (!r->flight)
		abort();
	return r;
}

void ring_free(struct ring *r)
{
	free(r->log.slot[0]);
	free(r->log.slot);
	free(r->log.data_block);
	free(r->log.inflight);
	free(r->flight);
	free(r);
}

/* Closed blocks go to the disk. */
static void write_out(struct ring *r)
{
	u64 used = ic_log_used(&r->log);

	r->counts.blocks += r->log.head - r->log.next;
	ic_log_written(&r->log, r->log.head);
	ic_log_durable(&r->log, r->log.head);
	if (r->counts.used_max < used)
		r->counts.used_max = used;
}

/* Log a write; false if a checkpoint, or the end of a round, has to come first. */
bool ring_write(struct ring *r, u64 sector, u32 nr, bool intent)
{
	struct ic_log_write once, *w = &once;
	enum ic_log_room room = ic_log_room(&r->log, nr, intent ? nr : 0);

	if (room == IC_LOG_NO_SLOT) {
		write_out(r);
		room = ic_log_room(&r->log, nr, intent ? nr : 0);
	}
	if (room || (intent && r->nr_flight == r->max_flight))
		return false;
	if (intent)
		w = flight(r, r->nr_flight++);
	memset(w, 0, sizeof(*w));
	w->sector = sector;
	w->nr = nr;
	w->rec = no_records;
	w->head = no_heads;
	if (intent)
		ic_log_intend(&r->log, w);
	else
		ic_log_put(&r->log, w);
	return true;
}

/*
 * The data of all that is under way is logged, too; false if there is no room for
 * it: then it is written as ever.
 */
bool ring_data(struct ring *r)
{
	static const u8 data[IC_BLOCK_SIZE];
	u32 i, j, sectors = 0;

	for (i = 0; i < r->nr_flight; i++)
		sectors += flight(r, i)->nr;
	if (!ic_log_data_begin(&r->log, sectors)) {
		write_out(r);
		if (!ic_log_data_begin(&r->log, sectors))
			return false;
	}
	for (i = 0; i < r->nr_flight; i++)
		for (j = 0; j < flight(r, i)->nr; j++)
			ic_log_data(&r->log, flight(r, i), j, data);
	ic_log_data_end(&r->log);
	return true;
}

/* A round of the log's writer. */
void ring_round(struct ring *r, bool flush)
{
	u64 settled = ic_log_settled(&r->log);

	if (!ic_log_close(&r->log)) {
		write_out(r);
		ic_log_close(&r->log);
	}
	write_out(r);
	if (flush)
		ic_log_flushed(&r->log, settled);
}

/* The data of the oldest write under way, if any is, has been written. */
void ring_complete(struct ring *r)
{
	if (!r->nr_flight)
		return;
	ic_log_complete(&r->log, flight(r, 0));
	r->first_flight = (r->first_flight + 1) % r->max_flight;
	r->nr_flight--;
}

bool ring_half(const struct ring *r)
{
	return ic_log_used(&r->log) > IC_LOG_CHECKPOINT_AT(r->log.blocks);
}

bool ring_empty(const struct ring *r)
{
	return ic_log_empty(&r->log);
}

/* What a checkpoint does to the log: see checkpoint_order.c for the order. */
void ring_checkpoint(struct ring *r)
{
	static const u8 salt[IC_SALT_SIZE];

	if (!ic_log_can_cut(&r->log))
		write_out(r);
	ic_log_cut(&r->log, salt);
	ic_log_seal_end(&r->log);
	write_out(r);
	ic_log_flushed(&r->log, ic_log_settled(&r->log));
	ic_log_committed(&r->log);
}

const struct ring_counts *ring_counts(struct ring *r)
{
	r->counts.used = ic_log_used(&r->log);
	return &r->counts;
}
