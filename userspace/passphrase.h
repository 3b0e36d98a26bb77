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

/**
 * struct passphrase_source - where a command gets its passphrase from
 * @key_file: NULL: the terminal or one line of the standard input; "-": all
 *	of the standard input
 * @offset: bytes to skip in it
 * @size: bytes to read, 0: all
 * @tries: at the terminal; 0: 3
 */
struct passphrase_source {
	const char	*key_file;
	u64		offset, size;
	unsigned int	tries;
};

/* Options for a struct passphrase_source, as a child of a command's parser. */
extern const struct argp passphrase_argp;

int passphrase_get(struct passphrase *p, const char *key_file,
		   const char *prompt, bool verify, u64 offset, u64 size);
int passphrase_set(struct passphrase *p, const void *data, size_t len);
void passphrase_wipe(struct passphrase *p);
bool passphrase_interactive(const char *key_file);
unsigned int passphrase_tries(const struct passphrase_source *source);

#endif /* IC_PASSPHRASE_H */
