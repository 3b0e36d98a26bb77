// SPDX-License-Identifier: GPL-2.0-only
/*
 * dbload - COUNT transactions on a SQLite database that is made first, each of
 * which replaces rows and is durable when it returns.
 * libs: -lsqlite3
 *
 *	dbload wal|delete COUNT DATABASE
 *
 * Prints the seconds that the transactions took.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sqlite3.h>

#define ROWS		2000
#define CHANGED		3	/* rows by each transaction */
#define BLOB		400

static sqlite3 *db;

static void sql(const char *text)
{
	char *why = NULL;

	if (sqlite3_exec(db, text, NULL, NULL, &why) != SQLITE_OK)
		errx(1, "%s: %s", text, why ? why : "?");
}

static void put(sqlite3_stmt *s, unsigned int id, unsigned int n)
{
	char blob[BLOB];

	memset(blob, n, sizeof(blob));
	sqlite3_bind_int(s, 1, id);
	sqlite3_bind_int(s, 2, n);
	sqlite3_bind_blob(s, 3, blob, sizeof(blob), SQLITE_TRANSIENT);
	if (sqlite3_step(s) != SQLITE_DONE)
		errx(1, "%s", sqlite3_errmsg(db));
	sqlite3_reset(s);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	unsigned int count = argc == 4 ? strtoul(argv[2], NULL, 0) : 0, x = 1;
	sqlite3_stmt *s;
	char mode[64];
	double t;

	if (!count || (strcmp(argv[1], "wal") && strcmp(argv[1], "delete")))
		errx(2, "usage: dbload wal|delete COUNT DATABASE");
	if (sqlite3_open(argv[3], &db) != SQLITE_OK)
		errx(1, "%s: %s", argv[3], sqlite3_errmsg(db));
	snprintf(mode, sizeof(mode), "PRAGMA journal_mode=%s;", argv[1]);
	sql(mode);
	sql("PRAGMA synchronous=FULL;");
	sql("CREATE TABLE t (id INTEGER PRIMARY KEY, n INT, data BLOB); BEGIN;");
	if (sqlite3_prepare_v2(db, "REPLACE INTO t VALUES (?, ?, ?);", -1, &s, NULL))
		errx(1, "%s", sqlite3_errmsg(db));
	for (unsigned int i = 0; i < ROWS; i++)
		put(s, i, 0);
	sql("COMMIT;");
	t = now();
	for (unsigned int n = 1; n <= count; n++) {
		sql("BEGIN IMMEDIATE;");
		for (unsigned int i = 0; i < CHANGED; i++) {
			x = x * 1664525 + 1013904223;
			put(s, (x >> 8) % ROWS, n);
		}
		sql("COMMIT;");
	}
	printf("%.3f\n", now() - t);
	sqlite3_finalize(s);
	if (sqlite3_close(db) != SQLITE_OK)
		errx(1, "close: %s", sqlite3_errmsg(db));
	return 0;
}
