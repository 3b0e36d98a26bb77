/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between kernels for the code beside ext4; see kernel.h.
 */
#ifndef COMPAT_FS_H
#define COMPAT_FS_H

#include <linux/buffer_head.h>
#include <linux/fs.h>
#include <linux/pagemap.h>
#include <linux/pagevec.h>

#include "version.h"

#if !IC_SINCE(6, 12)
#include <asm/unaligned.h>
#else
#include <linux/unaligned.h>
#endif

/* The folio is locked, and has no buffers. */
static inline void ext4_compat_create_buffers(struct folio *folio,
					      unsigned int size)
{
#if !IC_SINCE(6, 8)
	create_empty_buffers(&folio->page, size, 0);
#else
	create_empty_buffers(folio, size, 0);
#endif
}

/* Later kernels go by a folio's not being up to date. */
static inline void ext4_compat_read_failed(struct folio *folio)
{
#if !IC_SINCE(6, 12)
	folio_set_error(folio);
#endif
}

/* The folio is locked, and @mapping's. */
static inline void ext4_compat_remove_folio(struct address_space *mapping,
					    struct folio *folio)
{
#if !IC_SINCE(6, 8)
	generic_error_remove_page(mapping, &folio->page);
#else
	generic_error_remove_folio(mapping, folio);
#endif
}

/*
 * Have this CPU let go of the pages that it is about to put on LRU lists:
 * lru_add_drain() isn't exported, but what releases a batch of folios calls it.
 */
static inline void ext4_compat_drain(void)
{
#if !IC_SINCE(6, 5)
	struct pagevec batch;

	pagevec_init(&batch);
	__pagevec_release(&batch);
#else
	struct folio_batch batch;

	folio_batch_init(&batch);
	__folio_batch_release(&batch);
#endif
}

/* inode_owner_or_capable(), as the mount that @filp was opened by maps users. */
static inline bool ext4_compat_owner_or_capable(struct file *filp)
{
#if !IC_SINCE(6, 3)
	return inode_owner_or_capable(file_mnt_user_ns(filp), file_inode(filp));
#else
	return inode_owner_or_capable(file_mnt_idmap(filp), file_inode(filp));
#endif
}

#endif /* COMPAT_FS_H */
