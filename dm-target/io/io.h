/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The data path: reads, writes and discards, from the map function on.
 */
#ifndef IC_IO_H
#define IC_IO_H

#include "core/table.h"

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
