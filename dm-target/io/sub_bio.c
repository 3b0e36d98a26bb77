// SPDX-License-Identifier: GPL-2.0-only
/*
 * Our own bio on the data device, with pages of our own, which hold nothing but
 * ciphertext.
 *
 * A page fresh from the allocator is often zeroed first, which costs about as
 * much as its encryption does; so some are kept when they come back, until memory
 * is short.
 */
#include <linux/list.h>
#include <linux/slab.h>

#include "log/log.h"
#include "io/io.h"

/* How many spare pages are kept: those of 8 bios of 1 MiB. */
#define IC_SPARE_PAGES	2048

/**
 * struct ic_sub_pool - what our bios are made of
 * @bs: the bios
 * @page_pool: a reserve of pages, for those who may wait for them
 * @page_mutex: held by the one task that waits for @page_pool
 * @lock: guards @nr and @pages
 * @nr: length of @pages
 * @pages: spare pages: bios that ended gave them back, and the next bios get them
 * @shrinker: frees spare pages
 */
struct ic_sub_pool {
	struct bio_set		bs;
	mempool_t		page_pool;
	struct mutex		page_mutex;	/* see above */
	spinlock_t		lock;		/* see above */
	unsigned int		nr;
	struct list_head	pages;
	struct ic_compat_shrinker shrinker;
};

static struct page *take_spare(struct ic_sub_pool *subs)
{
	struct page *page = list_first_entry(&subs->pages, struct page, lru);

	lockdep_assert_held(&subs->lock);
	list_del(&page->lru);
	subs->nr--;
	return page;
}

/* Free at most @nr of the pages that are kept for the next bios. */
static unsigned long free_spare(struct ic_sub_pool *subs, unsigned long nr)
{
	struct page *page, *next;
	unsigned long done = 0;
	LIST_HEAD(dispose);

	spin_lock(&subs->lock);
	for (; done < nr && subs->nr; done++) {
		page = take_spare(subs);
		list_add(&page->lru, &dispose);
	}
	spin_unlock(&subs->lock);
	list_for_each_entry_safe(page, next, &dispose, lru)
		__free_page(page);
	return done;
}

static unsigned long shrink_count(struct shrinker *shrinker,
				  struct shrink_control *sc)
{
	struct ic_sub_pool *subs = ic_compat_shrinker_private(shrinker);
	unsigned long nr = READ_ONCE(subs->nr);

	return nr ? nr : SHRINK_EMPTY;
}

static unsigned long shrink_scan(struct shrinker *shrinker,
				 struct shrink_control *sc)
{
	struct ic_sub_pool *subs = ic_compat_shrinker_private(shrinker);
	unsigned long nr = free_spare(subs, sc->nr_to_scan);

	return nr ? nr : SHRINK_STOP;
}

/**
 * ic_sub_init() - pools of bios and pages
 * @ic: the table
 *
 * Return: 0 or a negative errno; ic_sub_exit() cleans up in both cases.
 */
int ic_sub_init(struct inocrypt *ic)
{
	struct ic_sub_pool *subs = kzalloc(sizeof(*subs), GFP_KERNEL);
	const char *name;
	int err;

	if (!subs)
		return -ENOMEM;
	ic->io_path->subs = subs;
	spin_lock_init(&subs->lock);
	INIT_LIST_HEAD(&subs->pages);
	mutex_init(&subs->page_mutex);
	err = bioset_init(&subs->bs, BIO_POOL_SIZE + IC_READ_AHEAD_MAX, 0,
			  BIOSET_NEED_BVECS);
	if (err)
		return err;
	err = mempool_init_page_pool(&subs->page_pool, 2 * IC_IO_MAX_PAGES, 0);
	if (err)
		return err;
	name = dm_device_name(dm_table_get_md(ic->ti->table));
	/*
	 * No seeks, as spare pages cost nothing to replace, so that they go
	 * before nodes of the tree.
	 */
	return ic_compat_register_shrinker(&subs->shrinker, shrink_count,
					   shrink_scan, 0, subs, "pages", name);
}

/**
 * ic_sub_exit() - undo ic_sub_init(); no I/O is under way
 * @ic: the table
 */
void ic_sub_exit(struct inocrypt *ic)
{
	struct ic_sub_pool *subs = ic->io_path->subs;

	if (!subs)
		return;
	ic_compat_unregister_shrinker(&subs->shrinker);
	free_spare(subs, ULONG_MAX);
	mempool_exit(&subs->page_pool);
	bioset_exit(&subs->bs);
	kfree(subs);
}

/*
 * Each page is added by itself and never merged: ic_io_ciphertext() counts on
 * it.
 */
static unsigned int add_page(struct bio *sub, struct page *page,
			     unsigned int size)
{
	unsigned int len = min_t(unsigned int, size, PAGE_SIZE);

	__bio_add_page(sub, page, len, 0);
	return len;
}

/*
 * Fill our bio with spare and free pages; with @wait this may sleep, and takes pages
 * of the reserve, too.
 */
static bool fill_sub(struct ic_io *io, unsigned int size, bool wait)
{
	struct ic_sub_pool *subs = io->ic->io_path->subs;
	struct page *page;

	if (wait)
		lockdep_assert_held(&subs->page_mutex);
	spin_lock(&subs->lock);
	while (size && subs->nr)
		size -= add_page(io->sub, take_spare(subs), size);
	spin_unlock(&subs->lock);
	while (size) {
		page = wait ? mempool_alloc(&subs->page_pool, GFP_NOIO) :
			      alloc_page(GFP_NOWAIT | __GFP_NOWARN);
		if (!page)
			return false;
		size -= add_page(io->sub, page, size);
	}
	return true;
}

static void empty_sub(struct ic_io *io)
{
	struct ic_sub_pool *subs = io->ic->io_path->subs;
	mempool_t *pool = &subs->page_pool;
	struct bio *sub = io->sub;
	unsigned int i = 0;

	/*
	 * If the pool isn't full, somebody may wait for its pages: then it gets
	 * ours, and none are kept as spare ones.
	 */
	if (READ_ONCE(pool->curr_nr) == pool->min_nr) {
		spin_lock(&subs->lock);
		for (; i < sub->bi_vcnt && subs->nr < IC_SPARE_PAGES; i++) {
			list_add(&sub->bi_io_vec[i].bv_page->lru, &subs->pages);
			subs->nr++;
		}
		spin_unlock(&subs->lock);
	}
	for (; i < sub->bi_vcnt; i++)
		mempool_free(sub->bi_io_vec[i].bv_page, pool);
	sub->bi_vcnt = 0;
	sub->bi_iter.bi_size = 0;
}

/**
 * ic_io_alloc_sub() - make our bio for @io's sectors, with pages of our own
 * @io: the bio's
 * @opf: operation and flags of the new bio
 * @end_io: its completion; bi_private is @io
 * @wait: may sleep, and never fails
 *
 * Only one task at a time waits for pages: two could each hold half of the pool and
 * wait for the other half.  Writes that can give pages back are hurried.
 *
 * Context: process.
 * Return: 0 or -EAGAIN.
 */
int ic_io_alloc_sub(struct ic_io *io, blk_opf_t opf, bio_end_io_t *end_io,
		    bool wait)
{
	struct inocrypt *ic = io->ic;
	unsigned int size = ic_io_sectors(io) << ic->geo.sector_shift;
	struct bio *sub;

	sub = bio_alloc_bioset(ic->data->bdev, DIV_ROUND_UP(size, PAGE_SIZE),
			       opf, wait ? GFP_NOIO : GFP_NOWAIT | __GFP_NOWARN,
			       &ic->io_path->subs->bs);
	if (!sub)
		return -EAGAIN;
	sub->bi_iter.bi_sector = ic->data_start +
		(io->range.start << (ic->geo.sector_shift - SECTOR_SHIFT));
	sub->bi_private = io;
	sub->bi_end_io = end_io;
	io->sub = sub;
	if (fill_sub(io, size, false))
		return 0;
	if (!wait) {
		ic_io_free_sub(io);
		return -EAGAIN;
	}
	empty_sub(io);
	io->scarce = true;
	ic_behind_hurry(ic);
	mutex_lock(&ic->io_path->subs->page_mutex);
	fill_sub(io, size, true);
	mutex_unlock(&ic->io_path->subs->page_mutex);
	return 0;
}

/**
 * ic_io_free_sub() - free our bio and its pages, if there is one
 * @io: the bio's
 */
void ic_io_free_sub(struct ic_io *io)
{
	if (!io->sub)
		return;
	empty_sub(io);
	bio_put(io->sub);
	io->sub = NULL;
}
