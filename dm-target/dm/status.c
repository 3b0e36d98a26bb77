// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmsetup status and table.  docs/interface.md describes every field.
 */
#include "keys/owners.h"
#include "dm/dm.h"

static const char * const stat_names[IC_STAT_COUNT] = {
	[IC_STAT_TAGGED] = "bios_tagged",
	[IC_STAT_UNTAGGED] = "bios_untagged",
	[IC_STAT_MALFORMED] = "bios_malformed",
	[IC_STAT_READS] = "reads",
	[IC_STAT_WRITES] = "writes",
	[IC_STAT_DISCARDS] = "discards",
	[IC_STAT_FLUSHES] = "flushes",
	[IC_STAT_AUTH_FAILURES] = "auth_failures",
	[IC_STAT_OWNER_MISMATCHES] = "owner_mismatches",
	[IC_STAT_KEY_MISSING] = "key_missing",
	[IC_STAT_WRITES_REFUSED] = "writes_refused",
	[IC_STAT_NODE_AUTH_FAILURES] = "node_auth_failures",
	[IC_STAT_IO_ERRORS] = "io_errors",
	[IC_STAT_CHECKPOINTS] = "checkpoints",
	[IC_STAT_CHECKPOINT_FAILURES] = "checkpoint_failures",
	[IC_STAT_NODE_READS] = "node_reads",
	[IC_STAT_NODE_WRITES] = "node_writes",
	[IC_STAT_NODE_HITS] = "node_hits",
	[IC_STAT_PUTS] = "puts",
	[IC_STAT_INTENTS] = "intents",
	[IC_STAT_DATA_LOGGED] = "data_logged",
	[IC_STAT_SETS] = "sets",
	[IC_STAT_ZEROS] = "zeros",
	[IC_STAT_LOG_BLOCKS] = "log_writes",
	[IC_STAT_LOG_WAITS] = "log_waits",
	[IC_STAT_DEVICE_FLUSHES] = "device_flushes",
	[IC_STAT_FORGETS] = "forgets",
	[IC_STAT_OWNERS_REPLACED] = "owners_replaced",
	[IC_STAT_LEAVES_REPLACED] = "leaves_replaced",
};

static void status_log(struct inocrypt *ic, char *result, unsigned int maxlen,
		       unsigned int *at)
{
	struct ic_logger *lg = &ic->logger;
	const struct ic_recovery *r = ic->recovery;
	unsigned int sz = *at;
	u64 used, unsettled;
	u32 failed;

	spin_lock(&lg->lock);
	used = ic_log_used(&lg->log);
	unsettled = lg->log.head - lg->log.low;
	failed = ic_log_failed_sectors(&lg->log);
	spin_unlock(&lg->lock);
	DMEMIT(" log_blocks=%u log_used=%llu log_unsettled=%llu sectors_failed=%u",
	       ic->geo.log_blocks, used, unsettled, failed);
	if (r)
		DMEMIT(" recovered_blocks=%llu recovered_entries=%llu recovered_found=%llu",
		       r->end - r->start, r->facts, r->kept);
	if (r)
		DMEMIT(" recovered_tried=%llu unread_sectors=%llu torn_sectors=%llu",
		       r->candidates, r->unread, r->torn);
	if (r)
		DMEMIT(" recovered_redone=%llu sectors_given_up=%u log_given_up=%d",
		       r->redone, ic->nr_given_up, r->gave_up_log);
	if (r)
		DMEMIT(" lost_records=%llu", ic->lost_records);
	DMEMIT(" key_slots_lost=%u", ic->slots_lost);
	*at = sz;
}

static const char *health(const struct inocrypt *ic, time64_t failing)
{
	if (READ_ONCE(ic->failed))
		return "failed";
	return failing ? "failing" : "ok";
}

static void status_info(struct inocrypt *ic, char *result, unsigned int maxlen)
{
	struct ic_volume *vol = ic->vol;
	time64_t failing = READ_ONCE(ic->checkpoint_failing);
	struct ic_super_id loaded, now;
	unsigned int sz = 0, keys = 0, i;
	struct ic_master *m;

	mutex_lock(&vol->lock);
	list_for_each_entry(m, &vol->masters, list)
		keys++;
	mutex_unlock(&vol->lock);
	spin_lock(&ic->super_lock);
	loaded = ic->super_loaded;
	now = ic->super_now;
	spin_unlock(&ic->super_lock);

	DMEMIT("%s", health(ic, failing));
	DMEMIT(" uuid=%pUb cipher=%s sector_size=%u", vol->uuid,
	       ic->cipher->name, ic->geo.sector_size);
	DMEMIT(" mode=%s bound=%d raw=%d owned=%d",
	       ic->read_only ? "ro" : "rw", READ_ONCE(vol->bound),
	       READ_ONCE(vol->raw), READ_ONCE(ic->owned));
	DMEMIT(" epoch=%llu owners=%lld owners_max=%llu keys_loaded=%u",
	       now.epoch, (long long)atomic64_read(&ic->nr_owners), ic->geo.owners, keys);
	DMEMIT(" super=%*phN epoch_loaded=%llu super_loaded=%*phN",
	       IC_TAG_SIZE, now.tag, loaded.epoch, IC_TAG_SIZE, loaded.tag);
	DMEMIT(" super_lost=%d", ic->super_lost);
	/*
	 * A second that has begun counts, so that zero means that the last
	 * checkpoint was good.
	 */
	DMEMIT(" checkpoint_failing=%lld", failing ?
	       ktime_get_boottime_seconds() + 2 - failing : 0LL);
	status_log(ic, result, maxlen, &sz);
	DMEMIT(" nodes=%lu nodes_max=%lu nodes_dirty=%lu",
	       READ_ONCE(ic->cache.nr), ic->cache.max,
	       READ_ONCE(ic->cache.nr_dirty));
	for (i = 0; i < IC_STAT_COUNT; i++)
		DMEMIT(" %s=%lld", stat_names[i],
		       (long long)atomic64_read(&ic->stats[i]));
}

static void status_table(struct inocrypt *ic, char *result,
			 unsigned int maxlen)
{
	unsigned int sz = 0;

	DMEMIT("%s %llu %s %llu :32:logon:%s", ic->data->name,
	       (unsigned long long)ic->data_start, ic->sidecar->name,
	       (unsigned long long)ic->sidecar_start, ic->key_desc);
	sz += ic_table_options_print(&ic->options, result + sz,
				     maxlen - sz);
}

/**
 * ic_status() - the target's status method
 * @ti: the target
 * @type: info, table or for IMA
 * @status_flags: unused
 * @result: receives the text
 * @maxlen: its size in bytes
 */
void ic_status(struct dm_target *ti, status_type_t type,
	       unsigned int status_flags, char *result, unsigned int maxlen)
{
	struct inocrypt *ic = ti->private;
	unsigned int sz = 0;

	switch (type) {
	case STATUSTYPE_INFO:
		status_info(ic, result, maxlen);
		break;
	case STATUSTYPE_TABLE:
		status_table(ic, result, maxlen);
		break;
	case STATUSTYPE_IMA:
		DMEMIT_TARGET_NAME_VERSION(ti->type);
		DMEMIT(",data_device=%s,sidecar_device=%s,uuid=%pUb,cipher=%s,allow_discards=%c;",
		       ic->data->name, ic->sidecar->name, ic->vol->uuid,
		       ic->cipher->name, ic->options.allow_discards ? 'y' : 'n');
		break;
	}
}
