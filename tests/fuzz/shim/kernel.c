// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the target's parsers call: written after drivers/md/dm-table.c, lib/
 * kstrtox.c and lib/vsprintf.c of 6.1, oddities included, as the point is
 * how the parsers do with them.
 */
#include "kernel.h"

#include <errno.h>
#include <stdio.h>

#include "fuzz.h"

void shim_log(const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
}

static char *skip_spaces(const char *s)
{
	while (isspace((unsigned char)*s))
		s++;
	return (char *)s;
}

int dm_split_args(int *argc, char ***argvp, char *input)
{
	char *start, *end = input, *out, **argv;
	unsigned int size = 8;

	*argc = 0;
	argv = calloc(size, sizeof(*argv));
	DIE_IF(!argv);
	for (;;) {
		start = skip_spaces(end);
		if (!*start)
			break;
		/* Takes backslashes away on the way. */
		end = start;
		out = start;
		while (*end) {
			if (*end == '\\' && *(end + 1)) {
				*out++ = *(end + 1);
				end += 2;
				continue;
			}
			if (isspace((unsigned char)*end))
				break;
			*out++ = *end++;
		}
		if ((unsigned int)*argc == size) {
			size *= 2;
			argv = realloc(argv, size * sizeof(*argv));
			DIE_IF(!argv);
		}
		if (*end)
			end++;
		*out = 0;
		argv[(*argc)++] = start;
	}
	/* As long as it has to be: what is beyond is found out. */
	*argvp = calloc(*argc, sizeof(*argv));
	DIE_IF(!*argvp);
	memcpy(*argvp, argv, *argc * sizeof(*argv));
	free(argv);
	return 0;
}

static int next_arg(const struct dm_arg *arg, struct dm_arg_set *as,
		    unsigned int *value, char **error, bool grouped)
{
	const char *s = dm_shift_arg(as);
	char dummy;

	if (!s || shim_sscanf(s, "%u%c", value, &dummy) != 1 ||
	    *value < arg->min || *value > arg->max ||
	    (grouped && as->argc < *value)) {
		*error = arg->error;
		return -EINVAL;
	}
	return 0;
}

int dm_read_arg(const struct dm_arg *arg, struct dm_arg_set *as,
		unsigned int *value, char **error)
{
	return next_arg(arg, as, value, error, false);
}

int dm_read_arg_group(const struct dm_arg *arg, struct dm_arg_set *as,
		      unsigned int *value, char **error)
{
	return next_arg(arg, as, value, error, true);
}

const char *dm_shift_arg(struct dm_arg_set *as)
{
	if (!as->argc)
		return NULL;
	as->argc--;
	return *as->argv++;
}

/* Digits, and whether they were too many; the number is wrong then. */
static const char *digits(const char *s, unsigned long long *n, bool *over)
{
	*n = 0;
	*over = false;
	for (; isdigit((unsigned char)*s); s++) {
		*over |= *n > (ULLONG_MAX - (*s - '0')) / 10;
		*n = *n * 10 + (*s - '0');
	}
	return s;
}

int kstrtoull(const char *s, unsigned int base, unsigned long long *res)
{
	unsigned long long n;
	const char *end;
	bool over;

	DIE_IF(base != 10);
	s += *s == '+';
	end = digits(s, &n, &over);
	if (over)
		return -ERANGE;
	if (end == s || (*end && strcmp(end, "\n")))
		return -EINVAL;
	*res = n;
	return 0;
}

int kstrtou64(const char *s, unsigned int base, u64 *res)
{
	unsigned long long n;
	int err = kstrtoull(s, base, &n);

	if (!err)
		*res = n;
	return err;
}

int kstrtou32(const char *s, unsigned int base, u32 *res)
{
	unsigned long long n;
	int err = kstrtoull(s, base, &n);

	if (err)
		return err;
	if (n > UINT32_MAX)
		return -ERANGE;
	*res = n;
	return 0;
}

int kstrtouint(const char *s, unsigned int base, unsigned int *res)
{
	return kstrtou32(s, base, res);
}

int hex2bin(u8 *dst, const char *src, size_t count)
{
	static const char digit[] = "0123456789abcdef";

	for (; count; count--, src += 2, dst++) {
		if (!isxdigit((unsigned char)src[0]) ||
		    !isxdigit((unsigned char)src[1]))
			return -EINVAL;
		*dst = (strchr(digit, tolower(src[0])) - digit) << 4 |
		       (strchr(digit, tolower(src[1])) - digit);
	}
	return 0;
}

/* %u, %lu, %llu and %c; a number that is too large wraps, as in the kernel. */
int shim_sscanf(const char *s, const char *fmt, ...)
{
	unsigned long long n;
	int found = 0, ls;
	va_list ap;
	bool over;

	va_start(ap, fmt);
	while (*fmt) {
		if (isspace((unsigned char)*fmt)) {
			fmt = skip_spaces(fmt);
			s = skip_spaces(s);
			continue;
		}
		if (*fmt != '%') {
			if (*fmt++ != *s++)
				break;
			continue;
		}
		for (ls = 0, fmt++; *fmt == 'l'; fmt++)
			ls++;
		if (!*s)
			break;
		if (*fmt == 'c') {
			*va_arg(ap, char *) = *s++;
		} else {
			DIE_IF(*fmt != 'u');
			s = skip_spaces(s);
			if (!isdigit((unsigned char)*s))
				break;
			s = digits(s, &n, &over);
			if (ls == 2)
				*va_arg(ap, unsigned long long *) = n;
			else if (ls)
				*va_arg(ap, unsigned long *) = n;
			else
				*va_arg(ap, unsigned int *) = n;
		}
		fmt++;
		found++;
	}
	va_end(ap);
	return found;
}

/* printf's conversions, %*phN and %pUb. */
int scnprintf(char *buf, size_t size, const char *fmt, ...)
{
	char text[2 * 64 + 1], conv[16];
	size_t len = 0, n;
	va_list ap;

	DIE_IF(!size);
	va_start(ap, fmt);
	for (; *fmt; fmt += n) {
		const char *s = text;

		if (*fmt != '%') {
			n = 1;
			text[0] = *fmt;
			text[1] = 0;
		} else if (!strncmp(fmt, "%*phN", 5)) {
			int bytes = va_arg(ap, int);

			n = 5;
			DIE_IF(bytes > 64);
			hex(va_arg(ap, const u8 *), bytes, text);
		} else if (!strncmp(fmt, "%pUb", 4)) {
			n = 4;
			uuid_format(va_arg(ap, const u8 *), text);
		} else {
			n = 1 + strspn(fmt + 1, "l") + 1;
			DIE_IF(n >= sizeof(conv));
			memcpy(conv, fmt, n);
			conv[n] = 0;
			switch (fmt[n - 1]) {
			case 's':
				s = va_arg(ap, const char *);
				break;
			case 'c':
				text[0] = va_arg(ap, int);
				text[1] = 0;
				break;
			case 'd':
			case 'u':
				snprintf(text, sizeof(text), "%llu", n > 2 ?
					 va_arg(ap, unsigned long long) :
					 va_arg(ap, unsigned int));
				break;
			default:
				DIE_IF("conversion unknown to the shim");
			}
		}
		for (; *s && len + 1 < size; s++)
			buf[len++] = *s;
	}
	buf[len] = 0;
	va_end(ap);
	return len;
}
