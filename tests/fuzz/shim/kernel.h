/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * As much of the kernel as the target's parsers need to be compiled, unchanged,
 * in user space: args.c, message.c, status.c with the real inocrypt.h.
 *
 * Included before anything else; the kernel's own headers are empty files then,
 * made by the Makefile.  Types that the parsers only carry around are opaque.
 */
#ifndef SHIM_KERNEL_H
#define SHIM_KERNEL_H

#include <ctype.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "port_user.h"

typedef int8_t s8;
typedef int16_t s16;
typedef int64_t s64;
typedef int64_t time64_t;
typedef unsigned int gfp_t;
typedef unsigned int fmode_t;
typedef u64 sector_t;
typedef u32 blk_opf_t;
typedef u8 blk_status_t;
typedef struct { int locked; } spinlock_t;
#define ktime_get_boottime_seconds()	((time64_t)12345)
typedef struct { int refs; } refcount_t;
typedef struct { s64 n; } atomic64_t;
typedef struct { int n; } mempool_t;
typedef struct { int n; } wait_queue_head_t;
typedef struct { int n; } atomic_t;

struct page;
struct request;
struct gendisk;
struct module;
struct block_device;
struct mapped_device;
struct crypto_aead;
struct workqueue_struct;
struct kref { int n; };
struct hlist_node { struct hlist_node *next, **pprev; };
struct hlist_head { struct hlist_node *first; };
struct rb_node { struct rb_node *left, *right; };
struct mutex { bool held; };
struct rw_semaphore { int readers; };
struct completion { int n; };
struct work_struct { int n; };
struct delayed_work { int n; };
struct ic_compat_shrinker { int n; };
struct bio_set { int n; };
struct bio_list { struct bio *head, *tail; };
struct scatterlist { int n; };
struct crypto_wait { int n; };
struct aead_request { int n; };
struct rcu_head { int n; };
struct bio_vec {
	struct page	*bv_page;
	unsigned int	bv_len;
	unsigned int	bv_offset;
};

struct bio {
	struct bio_vec	*bi_io_vec;
};

typedef void bio_end_io_t(struct bio *bio);

#define PAGE_SHIFT		12
#define PAGE_SIZE		4096UL
#define PAGE_MASK		(~(PAGE_SIZE - 1))
#define page_address(page)	((void *)(page))
#define SECTOR_SHIFT		9
#define SECTOR_SIZE		512
#define HZ			250
#define GFP_KERNEL		0
#define U32_MAX			UINT32_MAX
#define U64_MAX			UINT64_MAX
#define BITS_PER_LONG		64
#define DECLARE_BITMAP(name, bits) \
	unsigned long name[((bits) + BITS_PER_LONG - 1) / BITS_PER_LONG]
#define min(a, b)		((a) < (b) ? (a) : (b))
#define min_t(t, a, b)		((t)(a) < (t)(b) ? (t)(a) : (t)(b))
#define mutex_lock(m)		((m)->held = true)
#define mutex_unlock(m)		((m)->held = false)
#define spin_lock(l)		((l)->locked = 1)
#define spin_unlock(l)		((l)->locked = 0)
#define lockdep_assert_held_read(s)	((s)->readers ? (void)0 : abort())
#define atomic64_inc(a)		((a)->n++)
#define atomic64_read(a)	((a)->n)
#define fallthrough		__attribute__((fallthrough))
#define kfree			free

static inline char *kstrdup(const char *s, gfp_t gfp)
{
	(void)gfp;
	return strdup(s);
}

/* A small machine: so that the bound of an option is within reach. */
static inline unsigned long totalram_pages(void)
{
	return 1UL << 18;
}

/* device-mapper */
typedef enum { STATUSTYPE_INFO, STATUSTYPE_TABLE, STATUSTYPE_IMA } status_type_t;

struct dm_dev {
	struct block_device	*bdev;
	char			name[16];
};

struct target_type {
	const char	*name;
	unsigned int	version[3];
};

struct dm_target {
	void			*table;
	struct target_type	*type;
	sector_t		begin;
	sector_t		len;
	char			*error;
	void			*private;
};

struct dm_arg_set {
	unsigned int	argc;
	char		**argv;
};

struct dm_arg {
	unsigned int	min;
	unsigned int	max;
	char		*error;
};

int dm_split_args(int *argc, char ***argvp, char *input);
int dm_read_arg(const struct dm_arg *arg, struct dm_arg_set *as,
		unsigned int *value, char **error);
int dm_read_arg_group(const struct dm_arg *arg, struct dm_arg_set *as,
		      unsigned int *value, char **error);
const char *dm_shift_arg(struct dm_arg_set *as);
int dm_get_device(struct dm_target *ti, const char *path, fmode_t mode,
		  struct dm_dev **result);
#define dm_table_get_mode(t)	((void)(t), 3)
#define bdev_read_only(bdev)	((void)(bdev), false)
#define dm_device_name(md)	((void)(md), "253:0")
#define dm_bio_from_per_bio_data(data, size) \
	((struct bio *)((char *)(data) + (size)))

void shim_log(const char *fmt, ...);
#define DMERR(...)		shim_log(__VA_ARGS__)
#define DMWARN(...)		shim_log(__VA_ARGS__)
#define DMINFO(...)		shim_log(__VA_ARGS__)
#define DMEMIT(...) \
	(sz += sz >= maxlen ? 0 : scnprintf(result + sz, maxlen - sz, __VA_ARGS__))
#define DMEMIT_TARGET_NAME_VERSION(y) \
	DMEMIT("target_name=%s,target_version=%u.%u.%u", (y)->name, \
	       (y)->version[0], (y)->version[1], (y)->version[2])

/* lib/ */
int kstrtoull(const char *s, unsigned int base, unsigned long long *res);
int kstrtou64(const char *s, unsigned int base, u64 *res);
int kstrtou32(const char *s, unsigned int base, u32 *res);
int kstrtouint(const char *s, unsigned int base, unsigned int *res);
int hex2bin(u8 *dst, const char *src, size_t count);
int shim_sscanf(const char *s, const char *fmt, ...);
int scnprintf(char *buf, size_t size, const char *fmt, ...);
#define sscanf			shim_sscanf

/* It takes the kernel's headers as they are, so its place is taken here. */
#define COMPAT_KERNEL_H

#endif /* SHIM_KERNEL_H */
