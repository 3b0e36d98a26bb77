/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints: how far a request, a round of the log, and a checkpoint have got.
 * docs/interface.md describes them, and tools/trace sums them up.
 *
 * They show numbers of sectors and of inodes, but no key, no salt and no data.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM inocrypt

#if !defined(IC_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define IC_TRACE_H

#include <linux/tracepoint.h>

#include "core/table.h"

/* In the order in which a request comes to them, if it does. */
#define IC_AT_NAMES \
	IC_AT(BEGIN, "begin") \
	IC_AT(LOCKED, "locked") \
	IC_AT(LEAF_WANTED, "leaf_wanted") \
	IC_AT(LOOKED_UP, "looked_up") \
	IC_AT(PREPARED, "prepared") \
	IC_AT(APPENDED, "appended") \
	IC_AT(ACKNOWLEDGED, "acknowledged") \
	IC_AT(DURABLE, "durable") \
	IC_AT(DATA_SUBMITTED, "data_submitted") \
	IC_AT(DATA_DONE, "data_done") \
	IC_AT(DECRYPTED, "decrypted") \
	IC_AT(STORED, "stored") \
	IC_AT_LAST(ENDED, "ended")

#define IC_ROUND_NAMES \
	IC_AT(ROUND_BEGIN, "begin") \
	IC_AT(ROUND_WRITTEN, "written") \
	IC_AT(ROUND_FLUSHED, "flushed") \
	IC_AT(ROUND_TOLD, "told") \
	IC_AT_LAST(ROUND_FAILED, "failed")

#define IC_CHECKPOINT_NAMES \
	IC_AT(CHECKPOINT_BEGIN, "begin") \
	IC_AT(CHECKPOINT_CUT, "cut") \
	IC_AT(CHECKPOINT_SEALED, "sealed") \
	IC_AT(CHECKPOINT_RELOGGED, "relogged") \
	IC_AT(CHECKPOINT_IN_PLACE, "in_place") \
	IC_AT(CHECKPOINT_FLUSHED, "flushed") \
	IC_AT(CHECKPOINT_SUPER, "super") \
	IC_AT(CHECKPOINT_COMMITTED, "committed") \
	IC_AT_LAST(CHECKPOINT_FAILED, "failed")

#define IC_OP_NAMES \
	IC_AT(OP_READ, "read") \
	IC_AT(OP_WRITE, "write") \
	IC_AT(OP_DISCARD, "discard") \
	IC_AT(OP_ZEROES, "zeroes") \
	IC_AT_LAST(OP_FLUSH, "flush")

#ifndef IC_TRACE_ENUMS
#define IC_TRACE_ENUMS

#define IC_AT(name, text)	IC_AT_##name,
#define IC_AT_LAST(name, text)	IC_AT_##name

enum ic_at {
	IC_AT_NAMES
};

enum ic_round_at {
	IC_ROUND_NAMES
};

enum ic_checkpoint_at {
	IC_CHECKPOINT_NAMES
};

enum ic_trace_op {
	IC_OP_NAMES
};

/* What is asked of @io, which is a write if its bio has ended. */
static inline enum ic_trace_op ic_trace_op(const struct ic_io *io)
{
	if (!io->bio)
		return IC_AT_OP_WRITE;
	if (io->bio->bi_opf & REQ_PREFLUSH)
		return IC_AT_OP_FLUSH;
	switch (bio_op(io->bio)) {
	case REQ_OP_READ:
		return IC_AT_OP_READ;
	case REQ_OP_DISCARD:
		return IC_AT_OP_DISCARD;
	case REQ_OP_WRITE_ZEROES:
		return IC_AT_OP_ZEROES;
	default:
		return IC_AT_OP_WRITE;
	}
}

static inline dev_t ic_trace_dev(const struct inocrypt *ic)
{
	return disk_devt(dm_disk(ic->vol->md));
}

#endif /* IC_TRACE_ENUMS */

/* For programs that read the events in their binary form. */
#undef IC_AT
#undef IC_AT_LAST
#define IC_AT(name, text)	TRACE_DEFINE_ENUM(IC_AT_##name);
#define IC_AT_LAST(name, text)	TRACE_DEFINE_ENUM(IC_AT_##name);

IC_AT_NAMES
IC_ROUND_NAMES
IC_CHECKPOINT_NAMES
IC_OP_NAMES

#undef IC_AT
#undef IC_AT_LAST
#define IC_AT(name, text)	{ IC_AT_##name, text },
#define IC_AT_LAST(name, text)	{ IC_AT_##name, text }

TRACE_EVENT(ic_io,
	TP_PROTO(const struct ic_io *io, enum ic_at at, int error),
	TP_ARGS(io, at, error),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(u64, table)
		__field(u64, id)
		__field(u64, sector)
		__field(u32, count)
		__field(u32, owner)
		__field(u8, op)
		__field(u8, at)
		__field(bool, fua)
		__field(int, error)
	),
	TP_fast_assign(
		__entry->dev = ic_trace_dev(io->ic);
		__entry->table = io->ic->nr;
		__entry->id = io->range.order;
		__entry->op = ic_trace_op(io);
		__entry->at = at;
		__entry->sector = io->range.start;
		__entry->count = __entry->op == IC_AT_OP_FLUSH ? 0 :
				 ic_io_sectors(io);
		__entry->owner = io->tagged ? io->id.ino : 0;
		__entry->fua = io->bio ? !!(io->bio->bi_opf & REQ_FUA) :
			       io->req.fua;
		__entry->error = error;
	),
	TP_printk("dev=%u:%u table=%llu id=%llu op=%s at=%s sector=%llu count=%u owner=%u fua=%d error=%d",
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->table,
		  __entry->id, __print_symbolic(__entry->op, IC_OP_NAMES),
		  __print_symbolic(__entry->at, IC_AT_NAMES), __entry->sector,
		  __entry->count, __entry->owner, __entry->fua, __entry->error)
);

TRACE_EVENT(ic_round,
	TP_PROTO(const struct inocrypt *ic, const struct ic_round *round,
		 enum ic_round_at at),
	TP_ARGS(ic, round, at),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(u64, table)
		__field(u64, id)
		__field(u64, from)
		__field(u32, blocks)
		__field(u32, data)
		__field(u8, at)
		__field(bool, fua)
	),
	TP_fast_assign(
		__entry->dev = ic_trace_dev(ic);
		__entry->table = ic->nr;
		__entry->id = ic->logger.round_nr;
		__entry->at = at;
		__entry->from = round->from;
		__entry->blocks = round->to - round->from;
		__entry->data = round->nr_data;
		__entry->fua = round->fua;
	),
	TP_printk("dev=%u:%u table=%llu id=%llu at=%s from=%llu blocks=%u data=%u fua=%d",
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->table,
		  __entry->id, __print_symbolic(__entry->at, IC_ROUND_NAMES),
		  __entry->from, __entry->blocks, __entry->data, __entry->fua)
);

TRACE_EVENT(ic_checkpoint,
	TP_PROTO(const struct inocrypt *ic, enum ic_checkpoint_at at, int error),
	TP_ARGS(ic, at, error),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(u64, table)
		__field(u64, id)
		__field(u64, epoch)
		__field(u8, at)
		__field(int, error)
	),
	TP_fast_assign(
		__entry->dev = ic_trace_dev(ic);
		__entry->table = ic->nr;
		__entry->id = ic->checkpoints.begun;
		__entry->epoch = ic->state.epoch;
		__entry->at = at;
		__entry->error = error;
	),
	TP_printk("dev=%u:%u table=%llu id=%llu at=%s epoch=%llu error=%d",
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->table,
		  __entry->id, __print_symbolic(__entry->at, IC_CHECKPOINT_NAMES),
		  __entry->epoch, __entry->error)
);

#endif /* IC_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH core
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
