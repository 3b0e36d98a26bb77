/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the fuzzers share.
 *
 * An input is not what is on the disk but what to put there: the harness seals
 * it under a key it knows, so that the code behind the tag checks is reached.
 */
#ifndef IC_FUZZ_H
#define IC_FUZZ_H

#include <json-c/json.h>

#include "cmd/cmd.h"

/**
 * struct input - the fuzzer's bytes, taken from the front
 * @p: next byte
 * @n: bytes left; beyond them everything is zero
 */
struct input {
	const u8	*p;
	size_t		n;
};

void take(struct input *in, void *out, size_t n);
u8 take_u8(struct input *in);
u16 take_u16(struct input *in);
u32 take_u32(struct input *in);
u64 take_u64(struct input *in);

/* Say what does not hold, and end the run: the input is kept. */
void fuzz_bug(const char *file, int line, const char *what)
	__attribute__((noreturn));

#define DIE_IF(cond)	do { if (cond) fuzz_bug(__FILE__, __LINE__, #cond); } \
			while (0)

/* Count how often an input got somewhere; printed at the end of the run. */
struct fuzz_count {
	const char		*what;
	unsigned long		n;
	struct fuzz_count	*next;
};

void fuzz_reached(struct fuzz_count *count);

#define REACHED(text)							\
	do {								\
		static struct fuzz_count fuzz_count_ = { .what = (text) }; \
		fuzz_reached(&fuzz_count_);				\
	} while (0)

/**
 * struct image - a file in memory
 * @path: for those who want to open it
 */
struct image {
	int	fd;
	char	path[32];
};

void image_new(struct image *img);
void image_clear(struct image *img, u64 bytes);
void image_resize(struct image *img, u64 bytes);
void image_put(struct image *img, u64 offset, const void *buf, size_t n);

extern const u8 fuzz_vk[IC_KEY_SIZE];
const char *fuzz_vk_path(void);
struct ic_meta_key *fuzz_key(const u8 uuid[IC_UUID_SIZE], const char *label);

int fuzz_tool(int (*cmd)(int argc, char **argv), bool json,
	      const char *const *args);
struct json_object *fuzz_json(int (*cmd)(int argc, char **argv),
			      const char *const *args, int *ret);
u64 fuzz_number(struct json_object *json, const char *path);
void check_geometry(const struct ic_params *p);

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#endif /* IC_FUZZ_H */
