// SPDX-License-Identifier: GPL-2.0-only
/*
 * Small parsers, random numbers and secrets.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/base.h"

/**
 * errno_code() - the exit code that fits an errno
 * @err: positive
 */
int errno_code(int err)
{
	switch (err) {
	case EBUSY:
	case EAGAIN:	/* a lease, or a lock */
		return EX_BUSY;
	case EIO:
	case EILSEQ:
		return EX_IO;
	case EBADMSG:
	case EKEYREJECTED:
		return EX_AUTH;
	case ENOKEY:
		return EX_NOKEY;
	case ENOENT:
	case ENXIO:
	case ENODEV:
	case ENODATA:
		return EX_NOVOLUME;
	default:
		return EX_FAIL;
	}
}

static bool is_option(const char *s)
{
	static const char chars[] = "abcdefghijklmnopqrstuvwxyz-?";

	return strchr("=", s[strspn(s, chars)]);
}

/**
 * parse_command() - parse one command's arguments with argp
 * @argp: the command's
 * @argc: as main()
 * @argv: as main(); argv[0] is the command's name
 * @input: handed to the parser
 *
 * Return: 0; wrong arguments end the program.
 */
int parse_command(const struct argp *argp, int argc, char **argv, void *input)
{
	char name[64];

	snprintf(name, sizeof(name), "inocrypt %s", argv[0]);
	argv[0] = name;
	/* getopt shows an option that it doesn't know as it is. */
	for (int i = 1; i < argc && strcmp(argv[i], "--"); i++)
		if (argv[i][0] == '-' && argv[i][1] == '-' &&
		    !is_option(argv[i] + 2))
			exit(fail(EX_USAGE, "there is no option %s", argv[i]));
	return argp_parse(argp, argc, argv, 0, NULL, input) ? EX_USAGE : 0;
}

/**
 * parse_u64() - a plain decimal number
 * @s: string
 * @out: receives it
 *
 * Return: true if @s is nothing but a number that fits.
 */
bool parse_u64(const char *s, u64 *out)
{
	char *end;

	if (!isdigit((unsigned char)*s))
		return false;
	errno = 0;
	*out = strtoull(s, &end, 10);
	return !errno && !*end;
}

/**
 * parse_size() - a number of bytes, with an optional suffix K, M, G or T
 * @s: string
 * @out: receives bytes
 *
 * Return: true if it is one.
 */
bool parse_size(const char *s, u64 *out)
{
	static const char suffixes[] = "KMGT";
	const char *at;
	u64 n;
	char *end;
	int shift = 0;

	if (!isdigit((unsigned char)*s))
		return false;
	errno = 0;
	n = strtoull(s, &end, 10);
	if (errno)
		return false;
	if (*end) {
		at = strchr(suffixes, toupper((unsigned char)*end));
		if (!at)
			return false;
		shift = 10 * (int)(at - suffixes + 1);
		end++;
		if (!strcmp(end, "iB") || !strcmp(end, "B"))
			end += strlen(end);
	}
	if (*end || n > UINT64_MAX >> shift)
		return false;
	*out = n << shift;
	return true;
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/**
 * parse_hex() - exactly @n bytes in hexadecimal
 * @s: string
 * @out: receives @n bytes
 * @n: bytes
 *
 * Return: true if @s is that and nothing more.
 */
bool parse_hex(const char *s, u8 *out, size_t n)
{
	if (strlen(s) != 2 * n)
		return false;
	for (; n; n--, s += 2) {
		int hi = nibble(s[0]), lo = nibble(s[1]);

		if (hi < 0 || lo < 0)
			return false;
		*out++ = hi << 4 | lo;
	}
	return true;
}

/**
 * hex() - bytes as hexadecimal digits
 * @in: bytes
 * @n: how many
 * @out: receives 2 * @n digits and a NUL
 */
void hex(const u8 *in, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (; n; n--, in++) {
		*out++ = digits[*in >> 4];
		*out++ = digits[*in & 15];
	}
	*out = 0;
}

/**
 * uuid_format() - a UUID in its usual form
 * @uuid: 16 bytes
 * @out: receives 36 characters and a NUL
 */
void uuid_format(const u8 uuid[IC_UUID_SIZE], char out[UUID_STR_SIZE])
{
	char digits[2 * IC_UUID_SIZE + 1];

	hex(uuid, IC_UUID_SIZE, digits);
	snprintf(out, UUID_STR_SIZE, "%.8s-%.4s-%.4s-%.4s-%.12s", digits,
		 digits + 8, digits + 12, digits + 16, digits + 20);
}

/**
 * uuid_parse_any() - a UUID with or without its dashes
 * @s: string
 * @uuid: receives 16 bytes
 *
 * Return: true if it is one.
 */
bool uuid_parse_any(const char *s, u8 uuid[IC_UUID_SIZE])
{
	char digits[2 * IC_UUID_SIZE + 1] = { 0 };
	size_t n = 0;

	if (strlen(s) == UUID_STR_SIZE - 1) {
		for (size_t i = 0; s[i]; i++) {
			bool dash = i == 8 || i == 13 || i == 18 || i == 23;

			if (dash != (s[i] == '-'))
				return false;
			if (!dash)
				digits[n++] = s[i];
		}
		digits[n] = 0;
		s = digits;
	}
	return parse_hex(s, uuid, IC_UUID_SIZE);
}

/**
 * random_bytes() - from the kernel's generator, once it is seeded
 * @buf: to fill
 * @n: bytes, at most 256
 *
 * Return: 0 or an exit code.
 */
int random_bytes(void *buf, size_t n)
{
	ssize_t got;

	do {
		got = getrandom(buf, n, 0);
	} while (got < 0 && errno == EINTR);
	if (got != (ssize_t)n)
		return fail(EX_FAIL, "no random numbers from the kernel: %s",
			    strerror(errno));
	return 0;
}

/* How deep calls of the libraries go that handle keys. */
#define STACK_WIPE	(64 * 1024)

static __attribute__((noinline)) void wipe_below(void)
{
	u8 dead[STACK_WIPE];

	explicit_bzero(dead, sizeof(dead));
}

/**
 * stack_wipe() - forget what functions that have returned left behind
 *
 * Libraries wipe their variables, but keys stay in vector registers, and lazy
 * binding of the next function saves those on the stack.
 */
void stack_wipe(void)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx"))
		__asm__ volatile("vzeroall" : : : "xmm0", "xmm1", "xmm2",
				 "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
				 "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",
				 "xmm14", "xmm15");
#endif
	wipe_below();
}

/**
 * secret_wipe() - forget a key
 * @s: zeroed by its declaration, or read
 */
void secret_wipe(struct secret *s)
{
	explicit_bzero(s->key, sizeof(s->key));
	stack_wipe();
	if (s->locked)
		munlock(s, sizeof(*s));
	s->locked = false;
}

/**
 * secret_read() - read a key of exactly 32 bytes
 * @s: receives it
 * @path: a file, or "-" for the standard input
 *
 * Return: 0 or an exit code.
 */
int secret_read(struct secret *s, const char *path)
{
	bool from_stdin = !strcmp(path, "-");
	size_t have = 0;
	ssize_t n;
	u8 more;
	int fd;

	fd = from_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fail(errno == ENOENT ? EX_USAGE : EX_FAIL,
			    "key file %s: %s", path, strerror(errno));
	/* If memory can't be locked the key may get into the swap. */
	s->locked = !mlock(s, sizeof(*s));
	do {
		n = read(fd, s->key + have, sizeof(s->key) - have);
		if (n > 0)
			have += n;
	} while ((n < 0 && errno == EINTR) ||
		 (n > 0 && have < sizeof(s->key)));
	if (n > 0)
		n = read(fd, &more, 1);
	if (!from_stdin)
		close(fd);
	if (n < 0) {
		int err = errno;

		secret_wipe(s);
		return fail(EX_FAIL, "key file %s: %s", path, strerror(err));
	}
	if (n || have < sizeof(s->key)) {
		secret_wipe(s);
		return fail(EX_USAGE,
			    "key file %s holds %s than %d bytes; make one with: (umask 077; head -c %d /dev/urandom > FILE)",
			    path, n ? "more" : "less", IC_KEY_SIZE,
			    IC_KEY_SIZE);
	}
	return 0;
}
