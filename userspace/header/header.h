/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The volume key and what opens it: passphrases, LUKS2 headers, the options of
 * the commands that need them.
 */
#ifndef IC_HEADER_H
#define IC_HEADER_H

#include "disk/disk.h"

/*
 * passphrase.c: from the terminal, the standard input or a key file, as
 * cryptsetup reads them.
 */

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

/*
 * luks.c: LUKS2 headers whose "volume key" is one of our keys and whose one data
 * segment lies beyond any device: cryptsetup manages their key slots, but
 * can't activate them.
 *
 * Every function here says itself what is wrong (fail()), and returns 0 or
 * an exit code: EX_NOVOLUME if there is no header of ours, EX_AUTH if there is
 * one but the passphrase or the key isn't right or the header isn't to be
 * trusted.
 */

#define LUKS_VOLUME		"inocrypt"	/* subsystem of a volume's */
#define LUKS_MASTER_KEY		"inocrypt-key"	/* and of a master key's */

#define LUKS_LABEL_SIZE		48		/* with its NUL */
#define LUKS_VOLUME_BYTES	(16 * 1024 * 1024)	/* header and key slots */
#define LUKS_MASTER_KEY_BYTES	(1024 * 1024)
/* Each copy of what names the key slots; an empty GPT takes 17 KiB. */
#define LUKS_METADATA_BYTES	(32 * 1024)

/**
 * struct luks_pbkdf - what makes guessing passphrases slow
 * @type: "argon2id", "argon2i" or "pbkdf2"; NULL: argon2id
 * @iterations: not measured, but these; 0: measured
 * @memory_kib: at most; 0: libcryptsetup's default
 * @threads: at most; 0: libcryptsetup's default
 * @time_ms: to measure for; 0: libcryptsetup's default
 */
struct luks_pbkdf {
	const char	*type;
	u32		iterations, memory_kib, threads, time_ms;
};

/* Options for a struct luks_pbkdf, as a child of a command's parser. */
extern const struct argp luks_pbkdf_argp;

/**
 * struct luks_info - what a header says of itself
 * @uuid: UUID
 * @label: empty if it has none
 * @slots: number of key slots in use
 * @tokens: number of tokens
 * @slot: the key slot that was opened, -1 if none was
 */
struct luks_info {
	u8		uuid[IC_UUID_SIZE];
	char		label[LUKS_LABEL_SIZE];
	unsigned int	slots, tokens;
	int		slot;
};

int luks_check_pbkdf(const struct luks_pbkdf *pbkdf);

/* @path: a device or a file; "/proc/self/fd/N" for one that is open already. */
int luks_create(const char *path, const char *uuid, const char *label,
		const char *subsystem, const struct passphrase *p,
		const u8 key[IC_KEY_SIZE], const struct luks_pbkdf *pbkdf);
int luks_info(const char *path, const char *subsystem, struct luks_info *info);
int luks_unlock(const char *path, const char *subsystem,
		const struct passphrase *p, struct secret *out,
		struct luks_info *info);
int luks_unlock_token(const char *path, const char *subsystem,
		      struct secret *out, struct luks_info *info);
int luks_change_passphrase(const char *path, const char *subsystem,
			   const struct passphrase *old,
			   const struct passphrase *new,
			   const struct luks_pbkdf *pbkdf);
int luks_add_passphrase(const char *path, const char *subsystem,
			const struct passphrase *old,
			const struct passphrase *new,
			const struct luks_pbkdf *pbkdf);
int luks_set_label(const char *path, const char *subsystem, const char *label);

/* volume_key.c: where a command gets the volume key from. */

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

/**
 * struct volume_source - what a command needs to read a volume that isn't open
 * @sidecar: device of the integrity metadata, NULL if that is on the same one
 * @key: where its key comes from
 */
struct volume_source {
	const char			*sidecar;
	struct volume_key_source	key;
};

/* Options for a struct volume_source, likewise. */
extern const struct argp volume_argp;

int volume_key_get(struct secret *vk, const struct volume_key_source *source,
		   struct volume *v);
int volume_key_from_header(struct secret *vk, const char *path,
			   const struct passphrase_source *pass,
			   const struct luks_info *info);
int volume_header_write(struct area_dev *dev, int header);

#endif /* IC_HEADER_H */
