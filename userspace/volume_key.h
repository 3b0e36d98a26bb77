/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a command gets the volume key from.
 */
#ifndef IC_VOLUME_KEY_H
#define IC_VOLUME_KEY_H

#include "luks.h"
#include "volume.h"

/**
 * struct volume_key_source - the key itself, or what opens its header
 * @file: the key itself; NULL: it is in the volume's header
 * @pass: what opens the header
 */
struct volume_key_source {
	const char			*file;
	struct passphrase_source	pass;
};

/* Options for a struct volume_key_source, as a child of a command's parser. */
extern const struct argp volume_key_argp;

int volume_key_get(struct secret *vk, const struct volume_key_source *source,
		   struct volume *v);
int volume_key_from_header(struct secret *vk, const char *path,
			   const struct passphrase_source *pass,
			   const struct luks_info *info);
int volume_header_write(struct area_dev *dev, int header);

#endif /* IC_VOLUME_KEY_H */
