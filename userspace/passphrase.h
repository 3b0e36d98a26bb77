/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Passphrases: from the terminal, the standard input or a key file, as
 * cryptsetup reads them.
 */
#ifndef IC_PASSPHRASE_H
#define IC_PASSPHRASE_H

#include "inocrypt.h"

/**
 * struct passphrase - any bytes that open a key slot
 * @data: in memory that isn't swapped out; not terminated by a NUL
 * @len: bytes
 */
struct passphrase {
	char	*data;
	size_t	len;
};

int passphrase_get(struct passphrase *p, const char *key_file,
		   const char *prompt, bool verify, u64 offset, u64 size);
int passphrase_set(struct passphrase *p, const void *data, size_t len);
void passphrase_wipe(struct passphrase *p);
bool passphrase_interactive(const char *key_file);

#endif /* IC_PASSPHRASE_H */
