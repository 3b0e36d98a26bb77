// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tree's geometry for a volume of a given size: the format's own.
 */
#include "scale.h"

/* As many owners as "inocrypt format" has (userspace/cmd/cmd_format.c). */
static u64 owners(u64 bytes)
{
	const u64 small = bytes < 520 * MIB ? bytes : 520 * MIB;
	u64 by_small = small / 4096 + small / 65536;
	u64 by_size = bytes / 16384 + bytes / (16384 * 64);
	u64 n = (by_small > by_size ? by_small : by_size) + 2048;

	return n > IC_MAX_OWNERS ? IC_MAX_OWNERS : n;
}

int point_geometry(const struct point *p, struct ic_geometry *geo)
{
	struct ic_params params = {
		.sector_size = SECTOR,
		.cipher = IC_CIPHER_AES256_GCM,
		.data_sectors = p->bytes / SECTOR,
		.owners = owners(p->bytes),
	};

	if (p->log_bytes > IC_MAX_LOG_BLOCKS * (u64)IC_BLOCK_SIZE ||
	    point_span(p) > params.data_sectors || !point_span(p))
		return -EINVAL;
	params.log_blocks = p->log_bytes ? p->log_bytes / IC_BLOCK_SIZE :
			    ic_log_blocks_default(params.data_sectors, SECTOR);
	return ic_geometry_init(geo, &params);
}
