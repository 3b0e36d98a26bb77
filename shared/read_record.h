/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which record a read of a sector goes by, and whether the reader may have it.
 */
#ifndef IC_READ_RECORD_H
#define IC_READ_RECORD_H

#include "log_ring.h"

/**
 * struct ic_reader - who reads
 * @ino: the owner whose sectors he may have; 0: the volume's own
 * @any: he may have anybody's
 */
struct ic_reader {
	u32	ino;
	bool	any;
};

/* What a record says to a reader. */
enum ic_read_verdict {
	IC_READ_ZEROS,		/* there is nothing, unless ic_read_may_hold() */
	IC_READ_DATA,		/* the sector is to be read, and is his */
	IC_READ_LOST,		/* nobody knows what belongs there */
	IC_READ_OTHERS,		/* it is somebody else's */
};

enum ic_read_verdict ic_read_judge(const struct ic_reader *who,
				   const struct ic_sector_record *rec);
bool ic_read_may_hold(const struct ic_log *log, const struct ic_reader *who,
		      u64 first, u64 last, const struct ic_sector_record *rec);
int ic_read_take_failed(const struct ic_log *log, const struct ic_reader *who,
			u64 sector, const u8 *head,
			struct ic_sector_record *rec);

#endif /* IC_READ_RECORD_H */
