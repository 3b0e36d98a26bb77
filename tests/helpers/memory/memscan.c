// SPDX-License-Identifier: GPL-2.0-only
/*
 * memscan - is this in a dump of memory?
 * libs: -lcrypto
 *
 * usage: memscan PATTERNS DUMP
 *	  memscan --pages ADDRESS...
 *
 * PATTERNS has lines of
 *
 *	NAME key HEX		32 bytes: an AES-256 or HMAC-SHA256 key
 *	NAME bytes HEX		16 bytes
 *	NAME marker SEED KIB	what helper marker writes
 *
 * A key is looked for as its two halves, which every AES key schedule begins
 * with (and one for decryption ends with), and its quarters; as other round
 * keys, should a schedule have lost its beginning; as what HMAC makes of it, with
 * its pads and in the byte order of SHA-256's message words; and as the subkey
 * of GCM that it gives.  Of a marker any word counts.  All are found at any
 * address.
 *
 * Prints for each name how often it was found, as what, and where first; the second
 * form prints what the kernel it runs on uses these physical addresses for.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/aes.h>

#include "marker.h"

#define LEN		16	/* of a pattern, at most */
#define WORD		8	/* and at least */
#define FILTER_BITS	24
#define THREADS		2
#define SHOWN		4
#define NAMES		256

enum kind {
	HALF, QUARTER, SCHEDULE, DECRYPT, PAD, SWAPPED, SUBKEY, BYTES, MARKER, KINDS
};

static const char * const kind_name[KINDS] = {
	"halves", "quarters", "round keys", "decryption keys", "hmac pads", "swapped",
	"gcm subkeys", "bytes", "words",
};

struct pattern {
	uint8_t	bytes[LEN];
	uint8_t	len;
	uint16_t name;
	uint8_t	kind;
	bool	used;
};

struct found {
	unsigned long n[KINDS], all;
	uint64_t at[SHOWN];
};

static struct pattern *table;
static size_t table_bits = 12, patterns;
static uint64_t *filter;
static char *names[NAMES];
static unsigned int nr_names;
static struct found found[NAMES];
static pthread_mutex_t found_lock = PTHREAD_MUTEX_INITIALIZER; /* guards found */
static const uint8_t *mem;
static size_t mem_len;

static uint64_t load(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t hash(uint64_t v)
{
	v *= 0x9e3779b97f4a7c15ULL;
	return v ^ (v >> 32);
}

static void insert(const struct pattern *p)
{
	uint64_t h = hash(load(p->bytes));
	size_t i = h & ((1UL << table_bits) - 1);

	while (table[i].used)
		i = (i + 1) & ((1UL << table_bits) - 1);
	table[i] = *p;
	h &= (1UL << FILTER_BITS) - 1;
	filter[h / 64] |= 1ULL << (h % 64);
}

static void add(unsigned int name, enum kind kind, const uint8_t *bytes)
{
	struct pattern p = { .name = name, .kind = kind, .used = true };

	p.len = kind == QUARTER || kind == MARKER ? WORD : LEN;
	memcpy(p.bytes, bytes, p.len);
	if (++patterns * 2 > 1UL << table_bits) {
		struct pattern *old = table;
		size_t n = 1UL << table_bits;

		table = calloc(n * 2, sizeof(*table));
		if (!table)
			err(2, "patterns");
		table_bits++;
		for (size_t i = 0; i < n; i++)
			if (old[i].used)
				insert(&old[i]);
		free(old);
	}
	insert(&p);
}

/* The words as SHA-256 takes them. */
static void swap_words(uint8_t *to, const uint8_t *from)
{
	for (int i = 0; i < LEN; i++)
		to[i] = from[i ^ 3];
}

static void add_key(unsigned int name, const uint8_t *key)
{
	static const uint8_t pads[] = { 0x36, 0x5c };
	uint8_t b[32], swapped[LEN], zero[LEN] = { 0 };
	AES_KEY enc, dec;

	for (int half = 0; half < 32; half += LEN) {
		add(name, HALF, key + half);
		swap_words(swapped, key + half);
		add(name, SWAPPED, swapped);
	}
	for (int i = 0; i < 32; i += WORD)
		add(name, QUARTER, key + i);
	for (unsigned int i = 0; i < sizeof(pads); i++) {
		for (int j = 0; j < 32; j++)
			b[j] = key[j] ^ pads[i];
		for (int half = 0; half < 32; half += LEN) {
			add(name, PAD, b + half);
			swap_words(swapped, b + half);
			add(name, SWAPPED, swapped);
		}
	}
	/* Whatever the library keeps its words like, this is what is in memory. */
	AES_set_encrypt_key(key, 256, &enc);
	AES_encrypt(zero, b, &enc);
	add(name, SUBKEY, b);
	for (int i = 0; i < LEN; i++)
		swapped[i] = b[LEN - 1 - i];
	add(name, SUBKEY, swapped);
	AES_set_decrypt_key(key, 256, &dec);
	/* The first round keys are the key; where a library swaps them, undo it. */
	if (memcmp(enc.rd_key, key, LEN)) {
		for (int i = 0; i < 60; i++) {
			enc.rd_key[i] = __builtin_bswap32(enc.rd_key[i]);
			dec.rd_key[i] = __builtin_bswap32(dec.rd_key[i]);
		}
	}
	if (memcmp(enc.rd_key, key, LEN))
		errx(2, "libcrypto keeps AES keys in another way");
	for (int i = 2; i <= 14; i++)
		add(name, SCHEDULE, (uint8_t *)enc.rd_key + i * LEN);
	for (int i = 1; i <= 13; i++)
		add(name, DECRYPT, (uint8_t *)dec.rd_key + i * LEN);
}

static void unhex(const char *hex, uint8_t *to, int len)
{
	int n;

	for (int i = 0; i < len; i++)
		if (sscanf(hex + 2 * i, "%2hhx%n", &to[i], &n) != 1 || n != 2)
			errx(2, "%s is not %d bytes in hexadecimal", hex, len);
	if (hex[2 * len])
		errx(2, "%s is longer than %d bytes", hex, len);
}

static void add_line(char *line)
{
	char *name = strtok(line, "\n "), *type = strtok(NULL, "\n ");
	char *arg = strtok(NULL, "\n "), *kib = strtok(NULL, "\n ");
	uint8_t b[32];

	if (!name)
		return;
	if (nr_names == NAMES || !arg)
		errx(2, "pattern %s", name);
	names[nr_names] = strdup(name);
	if (!strcmp(type, "key")) {
		unhex(arg, b, 32);
		add_key(nr_names, b);
	} else if (!strcmp(type, "bytes")) {
		unhex(arg, b, LEN);
		add(nr_names, BYTES, b);
	} else if (!strcmp(type, "marker") && kib) {
		uint64_t seed = strtoull(arg, NULL, 0), w;
		uint64_t n = strtoull(kib, NULL, 0) * 128;

		for (uint64_t i = 0; i < n; i++) {
			w = marker_word(seed, i);
			add(nr_names, MARKER, (uint8_t *)&w);
		}
	} else {
		errx(2, "pattern %s: no type %s", name, type);
	}
	nr_names++;
}

static void hit(const struct pattern *p, uint64_t at)
{
	struct found *f = &found[p->name];

	pthread_mutex_lock(&found_lock);
	f->n[p->kind]++;
	if (f->all < SHOWN)
		f->at[f->all] = at;
	f->all++;
	pthread_mutex_unlock(&found_lock);
}

static void look(size_t at)
{
	uint64_t h = hash(load(mem + at));
	size_t i = h & ((1UL << table_bits) - 1);

	h &= (1UL << FILTER_BITS) - 1;
	if (!(filter[h / 64] & 1ULL << (h % 64)))
		return;
	for (; table[i].used; i = (i + 1) & ((1UL << table_bits) - 1))
		if (!memcmp(table[i].bytes, mem + at, table[i].len))
			hit(&table[i], at);
}

static void *scan(void *arg)
{
	size_t page, at, end, nr = (size_t)arg;

	for (page = nr * 4096; page < mem_len; page += 4096 * THREADS) {
		const uint8_t *p = mem + page;

		/* A pattern has more than zeros in its first bytes. */
		if (!load(p) && !memcmp(p, p + 8, 4096 - 8))
			continue;
		end = page + 4096;
		/* No key is so close to the end of memory that it matters. */
		if (end > mem_len - LEN)
			end = mem_len - LEN + 1;
		for (at = page; at < end; at++)
			look(at);
	}
	return NULL;
}

static void report(void)
{
	for (unsigned int i = 0; i < nr_names; i++) {
		const struct found *f = &found[i];
		const char *sep = " (";

		printf("%s %lu", names[i], f->all);
		for (int k = 0; k < KINDS; k++) {
			if (f->n[k]) {
				printf("%s%lu %s", sep, f->n[k], kind_name[k]);
				sep = ", ";
			}
		}
		if (f->all)
			printf(") at");
		for (unsigned long k = 0; k < f->all && k < SHOWN; k++)
			printf(" 0x%lx", f->at[k]);
		putchar('\n');
	}
}

/* Bits of /proc/kpageflags, linux/kernel-page-flags.h. */
static void pages(char **addr)
{
	static const char * const bit[] = {
		"locked", "error", "referenced", "uptodate", "dirty", "lru",
		"active", "slab", "writeback", "reclaim", "buddy", "mmap",
		"anon", "swapcache", "swapbacked", "compound head",
		"compound tail", "huge", "unevictable", "hwpoison", "nopage",
		"ksm", "thp", "offline", "zero page", "idle", "page table",
	};
	int fd = open("/proc/kpageflags", O_RDONLY);
	uint64_t flags;

	if (fd < 0)
		err(2, "/proc/kpageflags");
	for (; *addr; addr++) {
		uint64_t pa = strtoull(*addr, NULL, 0);

		if (pread(fd, &flags, 8, pa / 4096 * 8) != 8)
			err(2, "%s", *addr);
		printf("0x%lx:", pa);
		for (unsigned int i = 0; i < sizeof(bit) / sizeof(*bit); i++)
			if (flags & 1ULL << i)
				printf(" %s", bit[i]);
		printf("%s\n", flags ? "" : " none (reserved, or the kernel's own)");
	}
	close(fd);
}

int main(int argc, char **argv)
{
	pthread_t thread[THREADS];
	char line[4096];
	struct stat st;
	FILE *f;
	int fd;

	if (argc > 2 && !strcmp(argv[1], "--pages")) {
		pages(argv + 2);
		return 0;
	}
	if (argc != 3)
		errx(2, "usage: memscan PATTERNS DUMP | --pages ADDRESS...");
	table = calloc(1UL << table_bits, sizeof(*table));
	filter = calloc((1UL << FILTER_BITS) / 64, sizeof(*filter));
	f = fopen(argv[1], "r");
	if (!table || !filter || !f)
		err(2, "%s", argv[1]);
	while (fgets(line, sizeof(line), f))
		add_line(line);
	fclose(f);
	fd = open(argv[2], O_RDONLY);
	if (fd < 0 || fstat(fd, &st) || st.st_size < 4096 || st.st_size % 4096)
		err(2, "%s", argv[2]);
	mem_len = st.st_size;
	mem = mmap(NULL, mem_len, PROT_READ, MAP_PRIVATE, fd, 0);
	if (mem == MAP_FAILED)
		err(2, "%s", argv[2]);
	for (size_t i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, scan, (void *)i))
			errx(2, "no thread");
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	report();
	return 0;
}
