/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The log: appending to it, waiting for it, its writer, and what only it has.
 */
#ifndef IC_LOG_H
#define IC_LOG_H

#include "core/table.h"

/* One sector of a write that failed, or that recovery could not settle. */
struct ic_failed {
	struct ic_log_write	write;
	struct ic_sector_record	rec;
	u8			head[1][IC_HEAD_SIZE];
};

/* behind.c */
void ic_behind_flush_failed(struct inocrypt *ic, const struct bio *flush);
bool ic_behind_flush_has_failed(struct inocrypt *ic, const struct bio *data);
void ic_behind_lost(struct inocrypt *ic);
blk_status_t ic_behind_flush_ro(struct inocrypt *ic);
void ic_behind_hurry(struct inocrypt *ic);
void ic_behind_drain(struct inocrypt *ic);
void ic_behind_resume(struct inocrypt *ic);

/* log_append.c */
extern const struct ic_rounds_ops ic_rounds_kernel_ops;
void ic_fail(struct inocrypt *ic, const char *what, int err);
int ic_log_intent(struct inocrypt *ic, struct ic_io *io, bool behind, bool wait);
void ic_log_decide(struct inocrypt *ic, struct ic_io *io, bool empty,
		   bool may_end);
int ic_log_puts(struct inocrypt *ic, struct ic_io *io);
void ic_log_write_done(struct inocrypt *ic, struct ic_io *io);
void ic_log_write_failed(struct inocrypt *ic, struct ic_io *io,
			 blk_status_t status);
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
void ic_log_place(struct inocrypt *ic);
int ic_flush_devices(struct inocrypt *ic);
int ic_log_new_salt(struct inocrypt *ic, u64 gen);
int ic_log_do_cut(struct inocrypt *ic, struct ic_state *next);
int ic_log_relogged(struct inocrypt *ic);
int ic_log_in_place(struct inocrypt *ic);
void ic_log_stop(struct inocrypt *ic);

/* redo.c */
int ic_redo_init(struct inocrypt *ic);
void ic_redo_exit(struct inocrypt *ic);
int ic_redo(struct inocrypt *ic, u64 sector, struct page *data);
bool ic_refused(int err);
int ic_redo_find(struct inocrypt *ic, u64 sector, void *data);
bool ic_redo_read(struct inocrypt *ic, struct ic_io *io);
int ic_redo_give_up(struct inocrypt *ic, u64 sector, int err);
void ic_redo_report(struct inocrypt *ic);
void ic_redo_drop(struct inocrypt *ic);

#endif /* IC_LOG_H */
