// SPDX-License-Identifier: GPL-2.0-only
/*
 * filler - fills a file system with files whose contents follow from a seed,
 * and checks them; one process instead of hundreds of dd and cmp.
 *
 *   filler fill DIR ROUND	files r<ROUND>-<i> until one does not fit; that
 *				one is removed again
 *   filler verify LIST		compare all files of the list
 *   filler rewrite LIST N	overwrite every Nth file in place, and fsync it
 *   filler delete LIST N	delete every Nth file
 *
 * fill, rewrite and delete print the list as it is then, one file a line:
 * path, seed, bytes.  Exit code: 0, 1 (wrong contents or an error), 2 (usage).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK	(64 * 1024)

static uint8_t buf[CHUNK], want[CHUNK];

static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
	x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
	return x ^ (x >> 31);
}

/* What a file of that seed holds at offset @off, a multiple of CHUNK */
static void contents(uint8_t *to, uint64_t seed, uint64_t off)
{
	uint64_t x = mix(seed * 0x9E3779B97F4A7C15ull + off + 1);

	for (size_t i = 0; i < CHUNK; i += 8) {
		x = x * 6364136223846793005ull + 1442695040888963407ull;
		memcpy(to + i, &x, 8);
	}
}

/* 0, or the errno of what failed */
static int write_file(const char *path, int flags, uint64_t seed, uint64_t len,
		      int sync)
{
	int fd = open(path, O_WRONLY | flags, 0644);
	int err = 0;

	if (fd < 0)
		return errno;
	for (uint64_t off = 0; off < len && !err; off += CHUNK) {
		size_t part = len - off < CHUNK ? len - off : CHUNK;

		contents(buf, seed, off);
		for (size_t done = 0; done < part;) {
			ssize_t n = write(fd, buf + done, part - done);

			if (n < 0) {
				err = errno;
				break;
			}
			done += (size_t)n;
		}
	}
	if (!err && sync && fsync(fd))
		err = errno;
	if (close(fd) && !err)
		err = errno;
	return err;
}

static int fill(const char *dir, uint64_t round)
{
	char path[512];

	for (uint64_t i = 1; i < 100000; i++) {
		uint64_t seed = round << 32 | i << 8;
		uint64_t r = mix(seed + 77);
		uint64_t len;
		int err;

		switch (i % 5) {
		case 0:
			len = 1 + r % 4096;
			break;
		case 1:
			len = 1 + r % 65536;
			break;
		case 2:
			len = 1 << 20;
			break;
		default:
			len = 300 * 1024 + r % (1500 * 1024);
			break;
		}
		snprintf(path, sizeof(path), "%s/r%" PRIu64 "-%" PRIu64, dir,
			 round, i);
		err = write_file(path, O_CREAT | O_EXCL, seed, len, 0);
		if (err == ENOSPC) {
			unlink(path);
			return 0;
		}
		if (err) {
			fprintf(stderr, "filler: %s: %s\n", path,
				strerror(err));
			return 1;
		}
		printf("%s %" PRIu64 " %" PRIu64 "\n", path, seed, len);
	}
	fprintf(stderr, "filler: never full\n");
	return 1;
}

static int verify(const char *path, uint64_t seed, uint64_t len)
{
	int fd = open(path, O_RDONLY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st)) {
		fprintf(stderr, "filler: %s: %s\n", path, strerror(errno));
		return 1;
	}
	if ((uint64_t)st.st_size != len) {
		fprintf(stderr, "filler: %s: %jd bytes, should be %" PRIu64
			"\n", path, (intmax_t)st.st_size, len);
		return 1;
	}
	for (uint64_t off = 0; off < len; off += CHUNK) {
		size_t part = len - off < CHUNK ? len - off : CHUNK;
		ssize_t n = pread(fd, buf, part, (off_t)off);

		if (n != (ssize_t)part) {
			fprintf(stderr, "filler: %s: read of %zu at %" PRIu64
				" gave %zd: %s\n", path, part, off, n,
				n < 0 ? strerror(errno) : "");
			return 1;
		}
		contents(want, seed, off);
		if (memcmp(buf, want, part)) {
			size_t i = 0;

			while (buf[i] == want[i])
				i++;
			fprintf(stderr, "filler: %s: offset %" PRIu64
				" is %02x, should be %02x\n", path, off + i,
				buf[i], want[i]);
			return 1;
		}
	}
	close(fd);
	return 0;
}

static int each(const char *list, const char *what, uint64_t every)
{
	FILE *f = fopen(list, "r");
	uint64_t seed, len, n = 0;
	char path[512];
	int bad = 0;

	if (!f) {
		perror(list);
		return 1;
	}
	while (fscanf(f, "%511s %" SCNu64 " %" SCNu64, path, &seed,
		      &len) == 3) {
		int err = 0;

		n++;
		if (!strcmp(what, "verify")) {
			bad |= verify(path, seed, len);
			continue;
		}
		if (n % every) {
			printf("%s %" PRIu64 " %" PRIu64 "\n", path, seed, len);
			continue;
		}
		if (!strcmp(what, "delete")) {
			err = unlink(path) ? errno : 0;
		} else {
			err = write_file(path, 0, ++seed, len, 1);
			printf("%s %" PRIu64 " %" PRIu64 "\n", path, seed, len);
		}
		if (err) {
			fprintf(stderr, "filler: %s %s: %s\n", what, path,
				strerror(err));
			bad = 1;
		}
	}
	fclose(f);
	if (!n) {
		fprintf(stderr, "filler: nothing in %s\n", list);
		bad = 1;
	}
	return bad;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "fill"))
		return fill(argv[2], strtoull(argv[3], NULL, 0));
	if (argc == 3 && !strcmp(argv[1], "verify"))
		return each(argv[2], argv[1], 1);
	if (argc == 4 && (!strcmp(argv[1], "rewrite") ||
			  !strcmp(argv[1], "delete")) && atoi(argv[3]) > 0)
		return each(argv[2], argv[1], strtoull(argv[3], NULL, 0));
	fprintf(stderr, "usage: filler fill DIR ROUND | verify LIST |"
		" rewrite LIST N | delete LIST N\n");
	return 2;
}
