// SPDX-License-Identifier: GPL-2.0-only
/*
 * dm-owner-count: a pass-through target that watches the owners' tags
 *
 * Table: owner-count <device> <offset> <sector size>
 *
 * It encrypts nothing.  It remembers who wrote each sector last and fails the
 * reads that an encrypting target would have to fail, so that the file system
 * above can be proven by itself.  All it knows is in memory: make the file
 * system through a fresh instance over zeroed storage.
 *
 * A master key's id is its first 16 bytes here; the rest isn't looked at.
 *
 * Messages:
 *	key add|remove <32 hex digits>	what key_present answers
 *	forget fail|ok			let forget fail, or not
 *	erase fail|ok			the same of erase_sync
 *	damaged <ino>			next_owner can't tell owners up to this one
 *	sector <number>			who wrote this crypto sector last?
 *	owner <ino>			is there such an owner?
 *	max_ino <number>		the largest inode number that may own
 *	reset				zero the counters
 */
#include <linux/device-mapper.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "bio_owner.h"
#include "../../compat/kernel.h"

#define DM_MSG_PREFIX "owner-count"

/* In the map of sectors: written without a tag.  Nothing: reads as zeros. */
#define SECTOR_VOLUME	xa_mk_value(1)

enum {
	READ_TAGGED, READ_UNTAGGED, READ_MALFORMED,
	WRITE_TAGGED, WRITE_UNTAGGED, WRITE_MALFORMED,
	/* a tagged read of what another owner or nobody wrote */
	MISMATCH,
	/* an untagged read of what an owner wrote */
	UNTAGGED_OWNED,
	/* an untagged write over a living owner's data */
	CLOBBERED,
	/* a tagged write while another owner of this number lives */
	STALE_OWNER,
	/* tagged I/O with a key that isn't there */
	NOKEY,
	FORGETS, FORGET_FAILED, ZEROED,
	/* erase_sync */
	ERASES,
	NR_COUNTERS
};

static const char * const counter_names[NR_COUNTERS] = {
	"read_tagged", "read_untagged", "read_malformed",
	"write_tagged", "write_untagged", "write_malformed",
	"mismatch", "untagged_owned", "clobbered", "stale_owner", "nokey",
	"forgets", "forget_failed", "zeroed", "erases",
};

#define NR_SLOTS	1024

struct known_key {
	struct list_head	list;
	u8			id[BIO_OWNER_KEY_ID_SIZE];
	u32			slot;
	u32			uid;
	bool			loaded;
};

/* Lives until the instance goes; sectors point at it. */
struct owner {
	struct list_head	list;
	struct bio_owner_id	id;
	bool			forgotten;
};

/**
 * struct volume - what outlives the target while a file system is bound
 * @vol: base
 * @lock: guards all below but @counters
 * @bound: a file system is bound
 * @fail_forget: for tests
 * @damaged: owners up to this number can't be listed
 * @fail_erase: for tests
 * @keys: of &struct known_key, by slot
 * @owners: living owners by inode number
 * @all_owners: also the forgotten ones
 * @sectors: &struct owner, SECTOR_VOLUME or nothing, by crypto sector
 * @counters: for status
 */
struct volume {
	struct bio_owner_volume	vol;
	struct mutex		lock;	/* guards the members below it */
	bool			bound;
	bool			fail_forget;
	u32			damaged;
	bool			fail_erase;
	struct list_head	keys;
	struct xarray		owners;
	struct list_head	all_owners;
	struct xarray		sectors;
	atomic64_t		counters[NR_COUNTERS];
};

struct count_c {
	struct dm_dev		*dev;
	sector_t		start;
	unsigned int		shift;	/* of a crypto sector */
	struct volume		*v;
	struct workqueue_struct	*wq;
};

struct per_bio {
	void			*stash;
	struct count_c		*c;
	struct work_struct	work;
};

static void count(struct volume *v, int which)
{
	atomic64_inc(&v->counters[which]);
}

static struct volume *to_volume(struct bio_owner_volume *vol)
{
	return container_of(vol, struct volume, vol);
}

static struct known_key *find_key(struct volume *v, const u8 *id)
{
	struct known_key *key;

	lockdep_assert_held(&v->lock);
	list_for_each_entry(key, &v->keys, list)
		if (!memcmp(key->id, id, sizeof(key->id)))
			return key;
	return NULL;
}

static bool key_loaded(struct volume *v, const u8 *id)
{
	struct known_key *key = find_key(v, id);

	return key && key->loaded;
}

/* Make a key known, within the bounds that @want names. */
static int know_key(struct volume *v, const struct bio_owner_key *want,
		    struct known_key **known)
{
	struct list_head *before = &v->keys;
	u32 slot = 0, nr = 0, his = 0;
	struct known_key *key;

	lockdep_assert_held(&v->lock);
	if (!want->create)
		return -ENOKEY;
	list_for_each_entry(key, &v->keys, list) {
		nr++;
		his += key->uid == want->uid;
		if (key->slot == slot) {
			slot++;
			before = &key->list;
		}
	}
	if (want->limit && his >= want->limit)
		return -EDQUOT;
	if (NR_SLOTS - nr <= want->spare)
		return -ENOSPC;
	key = kzalloc(sizeof(*key), GFP_KERNEL);
	if (!key)
		return -ENOMEM;
	memcpy(key->id, want->key_id, sizeof(key->id));
	key->slot = slot;
	key->uid = want->uid;
	list_add(&key->list, before);
	*known = key;
	return 0;
}

/*
 * What the file system calls
 */

static int vol_key_present(struct bio_owner_volume *vol, const u8 *key_id)
{
	struct volume *v = to_volume(vol);
	int err;

	mutex_lock(&v->lock);
	err = key_loaded(v, key_id) ? 0 : -ENOKEY;
	mutex_unlock(&v->lock);
	return err;
}

static int vol_forget(struct bio_owner_volume *vol, u32 ino, u32 gen)
{
	struct volume *v = to_volume(vol);
	struct owner *owner;
	int err = 0;

	mutex_lock(&v->lock);
	owner = xa_load(&v->owners, ino);
	if (v->fail_forget) {
		count(v, FORGET_FAILED);
		err = -EIO;
	} else if (!owner || owner->id.gen != gen) {
		err = -ENOENT;
	} else {
		owner->forgotten = true;
		xa_erase(&v->owners, ino);
		count(v, FORGETS);
	}
	mutex_unlock(&v->lock);
	return err;
}

static int vol_next_owner(struct bio_owner_volume *vol, u32 *ino, u32 *gen)
{
	struct volume *v = to_volume(vol);
	unsigned long index = *ino;
	struct owner *owner;
	int err = -ENOENT;

	mutex_lock(&v->lock);
	owner = xa_find(&v->owners, &index, ULONG_MAX, XA_PRESENT);
	if (*ino < v->damaged) {
		*ino = v->damaged;
		err = -EBADMSG;
	} else if (owner) {
		*ino = owner->id.ino;
		*gen = owner->id.gen;
		err = 0;
	}
	mutex_unlock(&v->lock);
	return err;
}

static int vol_key_identify(struct bio_owner_volume *vol,
			    struct bio_owner_key *want)
{
	memcpy(want->key_id, want->raw, sizeof(want->key_id));
	return 0;
}

static int vol_key_add(struct bio_owner_volume *vol, struct bio_owner_key *want)
{
	struct volume *v = to_volume(vol);
	struct known_key *key;
	int err = 0;

	memcpy(want->key_id, want->raw, sizeof(want->key_id));
	mutex_lock(&v->lock);
	key = find_key(v, want->key_id);
	if (!key)
		err = know_key(v, want, &key);
	if (!err) {
		want->slot = key->slot;
		want->loaded = key->loaded;
		key->loaded = true;
	}
	mutex_unlock(&v->lock);
	return err;
}

static int vol_key_remove(struct bio_owner_volume *vol, const u8 *key_id)
{
	struct volume *v = to_volume(vol);
	struct known_key *key;
	int err = -ENOKEY;

	mutex_lock(&v->lock);
	key = find_key(v, key_id);
	if (key && key->loaded) {
		key->loaded = false;
		err = 0;
	}
	mutex_unlock(&v->lock);
	return err;
}

static int vol_key_next(struct bio_owner_volume *vol,
			struct bio_owner_key *want)
{
	struct volume *v = to_volume(vol);
	struct known_key *key;
	int err = -ENOENT;

	mutex_lock(&v->lock);
	list_for_each_entry(key, &v->keys, list) {
		if (key->slot < want->slot)
			continue;
		memcpy(want->key_id, key->id, sizeof(want->key_id));
		want->slot = key->slot;
		want->uid = key->uid;
		want->loaded = key->loaded;
		err = 0;
		break;
	}
	mutex_unlock(&v->lock);
	return err;
}

static int vol_key_delete(struct bio_owner_volume *vol, const u8 *key_id)
{
	struct volume *v = to_volume(vol);
	struct known_key *key;
	struct owner *owner;
	unsigned long index;
	int err = 0;

	mutex_lock(&v->lock);
	key = find_key(v, key_id);
	if (!key)
		err = -ENOKEY;
	else if (key->loaded)
		err = -EBUSY;
	xa_for_each(&v->owners, index, owner)
		if (!err && !memcmp(owner->id.key_id, key_id, sizeof(key->id)))
			err = -EBUSY;
	if (!err) {
		list_del(&key->list);
		kfree(key);
	}
	mutex_unlock(&v->lock);
	return err;
}

static int vol_erase_sync(struct bio_owner_volume *vol)
{
	struct volume *v = to_volume(vol);
	int err;

	mutex_lock(&v->lock);
	err = v->fail_erase ? -EIO : 0;
	mutex_unlock(&v->lock);
	count(v, ERASES);
	return err;
}

static void vol_unbind(struct bio_owner_volume *vol)
{
	struct volume *v = to_volume(vol);

	mutex_lock(&v->lock);
	v->bound = false;
	mutex_unlock(&v->lock);
}

static void vol_release(struct bio_owner_volume *vol)
{
	struct volume *v = to_volume(vol);
	struct owner *owner, *next_owner;
	struct known_key *key, *next_key;

	list_for_each_entry_safe(key, next_key, &v->keys, list)
		kfree(key);
	list_for_each_entry_safe(owner, next_owner, &v->all_owners, list)
		kfree(owner);
	xa_destroy(&v->owners);
	xa_destroy(&v->sectors);
	kfree(v);
}

static const struct bio_owner_volume_ops vol_ops = {
	.owner		= THIS_MODULE,
	.key_present	= vol_key_present,
	.forget		= vol_forget,
	.next_owner	= vol_next_owner,
	.key_identify	= vol_key_identify,
	.key_add	= vol_key_add,
	.key_remove	= vol_key_remove,
	.key_next	= vol_key_next,
	.key_delete	= vol_key_delete,
	.erase_sync	= vol_erase_sync,
	.unbind		= vol_unbind,
	.release	= vol_release,
};

/*
 * Bios
 */

static blk_status_t check_key(struct volume *v, const struct bio_owner_id *id)
{
	lockdep_assert_held(&v->lock);
	if (key_loaded(v, id->key_id))
		return BLK_STS_OK;
	count(v, NOKEY);
	return BLK_STS_PROTECTION;
}

static bool same_owner(const struct owner *owner, const struct bio_owner_id *id)
{
	return owner->id.ino == id->ino && owner->id.gen == id->gen &&
	       !memcmp(owner->id.key_id, id->key_id, sizeof(id->key_id));
}

static blk_status_t check_read(struct volume *v, unsigned long first,
			       unsigned long last,
			       const struct bio_owner_id *id)
{
	unsigned long index;
	void *entry;

	xa_for_each_range(&v->sectors, index, entry, first, last) {
		if (!id) {
			/*
			 * Without a file system bound: e2fsck reads by whole
			 * pages, of which an owner may have but some blocks.
			 */
			if (entry == SECTOR_VOLUME || !v->bound)
				continue;
			count(v, UNTAGGED_OWNED);
			return BLK_STS_PROTECTION;
		}
		if (entry == SECTOR_VOLUME || !same_owner(entry, id) ||
		    ((struct owner *)entry)->forgotten) {
			count(v, MISMATCH);
			DMWARN_LIMIT("sector %lu isn't inode %u's", index,
				     id->ino);
			return BLK_STS_PROTECTION;
		}
	}
	return BLK_STS_OK;
}

static struct owner *get_owner(struct volume *v, const struct bio_owner_id *id)
{
	struct owner *owner = xa_load(&v->owners, id->ino);

	if (owner) {
		if (same_owner(owner, id))
			return owner;
		count(v, STALE_OWNER);
		return NULL;
	}
	owner = kzalloc(sizeof(*owner), GFP_NOIO);
	if (!owner)
		return NULL;
	owner->id = *id;
	if (xa_err(xa_store(&v->owners, id->ino, owner, GFP_NOIO))) {
		kfree(owner);
		return NULL;
	}
	list_add(&owner->list, &v->all_owners);
	return owner;
}

static blk_status_t note_write(struct volume *v, unsigned long first,
			       unsigned long last,
			       const struct bio_owner_id *id)
{
	void *new = SECTOR_VOLUME, *old;
	unsigned long i;

	if (id) {
		new = get_owner(v, id);
		if (!new)
			return BLK_STS_IOERR;
	}
	for (i = first; i <= last; i++) {
		old = xa_store(&v->sectors, i, new, GFP_NOIO);
		if (xa_err(old))
			return BLK_STS_RESOURCE;
		if (old && old != SECTOR_VOLUME && !id &&
		    !((struct owner *)old)->forgotten)
			count(v, CLOBBERED);
	}
	return BLK_STS_OK;
}

static void zero_work(struct work_struct *work)
{
	struct per_bio *pb = container_of(work, struct per_bio, work);
	struct bio *bio = dm_bio_from_per_bio_data(pb, sizeof(*pb));
	struct count_c *c = pb->c;
	int err;

	err = blkdev_issue_zeroout(c->dev->bdev,
				   c->start + bio->bi_iter.bi_sector,
				   bio_sectors(bio), GFP_NOIO, 0);
	bio->bi_status = errno_to_blk_status(err);
	bio_endio(bio);
}

/* Discard and write-zeroes alike leave sectors that read as zeros. */
static int map_zero(struct count_c *c, struct bio *bio, unsigned long first,
		    unsigned long last)
{
	struct per_bio *pb = dm_per_bio_data(bio, sizeof(*pb));
	unsigned long index;
	void *entry;

	mutex_lock(&c->v->lock);
	xa_for_each_range(&c->v->sectors, index, entry, first, last)
		xa_erase(&c->v->sectors, index);
	count(c->v, ZEROED);
	mutex_unlock(&c->v->lock);

	INIT_WORK(&pb->work, zero_work);
	queue_work(c->wq, &pb->work);
	return DM_MAPIO_SUBMITTED;
}

static int answer_bind(struct volume *v, struct bio *bio)
{
	int err;

	mutex_lock(&v->lock);
	err = bio_owner_answer_bind(bio, &v->vol, v->bound ? -EBUSY : 0);
	if (!err)
		v->bound = true;
	mutex_unlock(&v->lock);
	bio_endio(bio);
	return DM_MAPIO_SUBMITTED;
}

static int count_map(struct dm_target *ti, struct bio *bio)
{
	struct count_c *c = ti->private;
	struct per_bio *pb = dm_per_bio_data(bio, sizeof(*pb));
	bool write = op_is_write(bio_op(bio));
	unsigned long first, last;
	struct bio_owner_id id, *idp = NULL;
	enum bio_owner_kind kind;
	struct volume *v = c->v;
	blk_status_t status;

	pb->stash = NULL;
	pb->c = c;
	bio->bi_iter.bi_sector = dm_target_offset(ti, bio->bi_iter.bi_sector);
	if (!bio_sectors(bio))
		goto remap;

	first = bio->bi_iter.bi_sector >> (c->shift - SECTOR_SHIFT);
	last = ((bio_end_sector(bio) - 1) >> (c->shift - SECTOR_SHIFT));
	switch (bio_op(bio)) {
	case REQ_OP_READ:
	case REQ_OP_WRITE:
		break;
	case REQ_OP_DISCARD:
	case REQ_OP_WRITE_ZEROES:
		return map_zero(c, bio, first, last);
	default:
		return DM_MAPIO_KILL;
	}

	kind = bio_owner_read(bio, &id);
	switch (kind) {
	case BIO_OWNER_CONTROL:
		return answer_bind(v, bio);
	case BIO_OWNER_MALFORMED:
		count(v, write ? WRITE_MALFORMED : READ_MALFORMED);
		return DM_MAPIO_KILL;
	case BIO_OWNER_TAGGED:
		count(v, write ? WRITE_TAGGED : READ_TAGGED);
		idp = &id;
		break;
	case BIO_OWNER_NONE:
		count(v, write ? WRITE_UNTAGGED : READ_UNTAGGED);
		break;
	}

	mutex_lock(&v->lock);
	status = idp ? check_key(v, idp) : BLK_STS_OK;
	if (!status)
		status = write ? note_write(v, first, last, idp) :
				 check_read(v, first, last, idp);
	mutex_unlock(&v->lock);
	if (status) {
		bio->bi_status = status;
		bio_endio(bio);
		return DM_MAPIO_SUBMITTED;
	}
remap:
	pb->stash = bio_owner_stash(bio);
	bio_set_dev(bio, c->dev->bdev);
	bio->bi_iter.bi_sector += c->start;
	return DM_MAPIO_REMAPPED;
}

static int count_end_io(struct dm_target *ti, struct bio *bio,
			blk_status_t *error)
{
	struct per_bio *pb = dm_per_bio_data(bio, sizeof(*pb));

	bio_owner_restore(bio, pb->stash);
	pb->stash = NULL;
	return DM_ENDIO_DONE;
}

/*
 * The target
 */

static void count_dtr(struct dm_target *ti)
{
	struct count_c *c = ti->private;

	if (c->wq)
		destroy_workqueue(c->wq);
	if (c->dev)
		dm_put_device(ti, c->dev);
	if (c->v)
		bio_owner_volume_put(&c->v->vol);
	kfree(c);
}

static int count_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	unsigned int sector_size;
	unsigned long long start;
	struct count_c *c;
	char dummy;
	int err;

	if (argc != 3 || sscanf(argv[1], "%llu%c", &start, &dummy) != 1 ||
	    kstrtouint(argv[2], 10, &sector_size)) {
		ti->error = "Need <device> <offset> <sector size>";
		return -EINVAL;
	}

	c = kzalloc(sizeof(*c), GFP_KERNEL);
	if (!c)
		return -ENOMEM;
	ti->private = c;
	c->start = start;
	c->v = kzalloc(sizeof(*c->v), GFP_KERNEL);
	c->wq = alloc_workqueue("owner-count", WQ_MEM_RECLAIM, 0);
	err = -ENOMEM;
	if (!c->v) {
		ti->error = "No memory";
		goto bad;
	}
	bio_owner_volume_init(&c->v->vol, &vol_ops);
	mutex_init(&c->v->lock);
	INIT_LIST_HEAD(&c->v->keys);
	INIT_LIST_HEAD(&c->v->all_owners);
	xa_init(&c->v->owners);
	xa_init(&c->v->sectors);
	c->v->vol.sector_size = sector_size;
	c->v->vol.max_ino = U32_MAX;
	if (!c->wq) {
		ti->error = "No memory";
		goto bad;
	}

	err = dm_get_device(ti, argv[0], dm_table_get_mode(ti->table), &c->dev);
	if (err) {
		ti->error = "Device lookup failed";
		goto bad;
	}
	err = bio_owner_register_profile(dm_disk(dm_table_get_md(ti->table)),
					 sector_size);
	if (err) {
		ti->error = "Can't register the profile";
		goto bad;
	}
	c->shift = ilog2(sector_size);
	err = dm_set_target_max_io_len(ti, 1U << 20);
	if (err)
		goto bad;

	ic_compat_payload_reserve(ti);
	ti->num_flush_bios = 1;
	ti->num_discard_bios = 1;
	ti->num_write_zeroes_bios = 1;
	ti->discards_supported = true;
	ti->flush_supported = true;
	ti->per_io_data_size = sizeof(struct per_bio);
	return 0;
bad:
	count_dtr(ti);
	return err;
}

static int key_message(struct volume *v, const char *verb, const char *hex)
{
	struct bio_owner_key key = { .create = true };

	if (strlen(hex) != 2 * sizeof(key.key_id) ||
	    hex2bin(key.raw, hex, sizeof(key.key_id)))
		return -EINVAL;
	if (!strcasecmp(verb, "add"))
		return vol_key_add(&v->vol, &key);
	if (!strcasecmp(verb, "remove"))
		return vol_key_remove(&v->vol, key.raw);
	return -EINVAL;
}

static int query_message(struct volume *v, const char *what, const char *number,
			 char *result, unsigned int maxlen)
{
	unsigned long index;
	unsigned int sz = 0;
	struct owner *owner;
	int err;

	err = kstrtoul(number, 10, &index);
	if (err)
		return err;

	mutex_lock(&v->lock);
	owner = xa_load(strcasecmp(what, "owner") ? &v->sectors : &v->owners,
			index);
	if (!owner)
		DMEMIT("none");
	else if (owner == SECTOR_VOLUME)
		DMEMIT("volume");
	else
		DMEMIT("ino=%u gen=%u key=%*phN%s", owner->id.ino,
		       owner->id.gen, BIO_OWNER_KEY_ID_SIZE, owner->id.key_id,
		       owner->forgotten ? " forgotten" : "");
	mutex_unlock(&v->lock);
	return 1;
}

static int count_message(struct dm_target *ti, unsigned int argc, char **argv,
			 char *result, unsigned int maxlen)
{
	struct count_c *c = ti->private;
	struct volume *v = c->v;
	int i;

	if (argc == 3 && !strcasecmp(argv[0], "key"))
		return key_message(v, argv[1], argv[2]);
	if (argc == 2 && !strcasecmp(argv[0], "forget")) {
		mutex_lock(&v->lock);
		v->fail_forget = !strcasecmp(argv[1], "fail");
		mutex_unlock(&v->lock);
		return 0;
	}
	if (argc == 2 && !strcasecmp(argv[0], "erase")) {
		mutex_lock(&v->lock);
		v->fail_erase = !strcasecmp(argv[1], "fail");
		mutex_unlock(&v->lock);
		return 0;
	}
	if (argc == 2 && (!strcasecmp(argv[0], "sector") ||
			  !strcasecmp(argv[0], "owner")))
		return query_message(v, argv[0], argv[1], result, maxlen);
	if (argc == 2 && !strcasecmp(argv[0], "damaged"))
		return kstrtou32(argv[1], 10, &v->damaged);
	if (argc == 2 && !strcasecmp(argv[0], "max_ino"))
		return kstrtou32(argv[1], 10, &v->vol.max_ino);
	if (argc == 1 && !strcasecmp(argv[0], "reset")) {
		for (i = 0; i < NR_COUNTERS; i++)
			atomic64_set(&v->counters[i], 0);
		return 0;
	}
	return -EINVAL;
}

static void count_status(struct dm_target *ti, status_type_t type,
			 unsigned int flags, char *result, unsigned int maxlen)
{
	struct count_c *c = ti->private;
	struct volume *v = c->v;
	unsigned long index, owners = 0;
	struct owner *owner;
	unsigned int sz = 0;
	int i;

	switch (type) {
	case STATUSTYPE_INFO:
		mutex_lock(&v->lock);
		xa_for_each(&v->owners, index, owner)
			owners++;
		DMEMIT("ok bound=%d owners=%lu", v->bound, owners);
		mutex_unlock(&v->lock);
		for (i = 0; i < NR_COUNTERS; i++)
			DMEMIT(" %s=%lld", counter_names[i],
			       (long long)atomic64_read(&v->counters[i]));
		break;
	case STATUSTYPE_TABLE:
		DMEMIT("%s %llu %u", c->dev->name, (unsigned long long)c->start,
		       v->vol.sector_size);
		break;
	case STATUSTYPE_IMA:
		result[0] = '\0';
		break;
	}
}

static int count_iterate_devices(struct dm_target *ti,
				 iterate_devices_callout_fn fn, void *data)
{
	struct count_c *c = ti->private;

	return fn(ti, c->dev, c->start, ti->len, data);
}

static void count_io_hints(struct dm_target *ti, struct queue_limits *limits)
{
	struct count_c *c = ti->private;

	limits->logical_block_size = 1U << c->shift;
	limits->physical_block_size = max(limits->physical_block_size,
					  1U << c->shift);
	limits->io_min = max(limits->io_min, 1U << c->shift);
	limits->discard_granularity = 1U << c->shift;
	limits->max_discard_sectors = 1U << 20;
	limits->max_hw_discard_sectors = 1U << 20;
	limits->max_write_zeroes_sectors = 1U << 20;
	bio_owner_set_limits(limits, 1U << c->shift);
}

static struct target_type count_target = {
	.name		 = "owner-count",
	.version	 = {1, 0, 0},
	.features	 = DM_TARGET_INTEGRITY,
	.module		 = THIS_MODULE,
	.ctr		 = count_ctr,
	.dtr		 = count_dtr,
	.map		 = count_map,
	.end_io		 = count_end_io,
	.message	 = count_message,
	.status		 = count_status,
	.iterate_devices = count_iterate_devices,
	.io_hints	 = count_io_hints,
};

static int __init count_init(void)
{
	return dm_register_target(&count_target);
}

static void __exit count_exit(void)
{
	dm_unregister_target(&count_target);
}

module_init(count_init);
module_exit(count_exit);

MODULE_DESCRIPTION("Test target that watches the owners of bios");
MODULE_LICENSE("GPL");
