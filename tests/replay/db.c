// SPDX-License-Identifier: GPL-2.0-only
/*
 * replay: a SQLite database. Each step is a transaction that replaces or
 * deletes some rows and counts itself; what it does follows from its number.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sqlite3.h>

#include "replay.h"

#define BLOB_MAX	3000

/* The change that transaction @n makes: so many rows, each replaced or not */
struct change {
	unsigned int count;
	struct {
		unsigned int id;
		bool delete;
	} row[5];
};

static void change_of(const struct task *t, unsigned int n, struct change *c)
{
	uint64_t state = opt.seed * 7919 + ((uint64_t)t->index << 32) + n;

	c->count = 1 + below(&state, 5);
	for (unsigned int i = 0; i < c->count; i++) {
		c->row[i].id = below(&state, ROWS);
		c->row[i].delete = below(&state, 6) == 0;
	}
}

/* What row @id holds after transaction @n wrote it; returns its length */
static int blob_of(const struct task *t, unsigned int id, unsigned int n,
		   uint8_t *blob)
{
	uint64_t state = opt.seed ^ ((uint64_t)t->index << 56) ^
			 ((uint64_t)id << 32) ^ n;
	int len = 1 + below(&state, BLOB_MAX - 8);

	for (int i = 0; i < len; i += 8) {
		uint64_t word = rnd(&state);

		memcpy(blob + i, &word, 8);
	}
	return len;
}

/**
 * db_apply() - the next transaction
 * @m: model; starts as zeros
 */
void db_apply(struct db_model *m)
{
	struct change c;

	change_of(m->task, ++m->done, &c);
	for (unsigned int i = 0; i < c.count; i++)
		m->row[c.row[i].id] = c.row[i].delete ? 0 : m->done;
}

static void sql(const struct task *t, sqlite3 *db, const char *text)
{
	char *why = NULL;

	if (sqlite3_exec(db, text, NULL, NULL, &why) != SQLITE_OK)
		die("%s: %s: %s", t->path, text, why ? why : "?");
}

static sqlite3_stmt *prepare(const struct task *t, sqlite3 *db,
			     const char *text)
{
	sqlite3_stmt *s;

	if (sqlite3_prepare_v2(db, text, -1, &s, NULL) != SQLITE_OK)
		die("%s: %s: %s", t->path, text, sqlite3_errmsg(db));
	return s;
}

static void step(const struct task *t, sqlite3 *db, sqlite3_stmt *s)
{
	if (sqlite3_step(s) != SQLITE_DONE)
		die("%s: %s", t->path, sqlite3_errmsg(db));
	sqlite3_reset(s);
}

/* A rollback journal that is deleted needs EXTRA to make that durable. */
static void set_mode(const struct task *t, sqlite3 *db)
{
	char text[80];

	snprintf(text, sizeof(text), "PRAGMA journal_mode=%s;", t->mode);
	sql(t, db, text);
	sql(t, db, strcmp(t->mode, "delete") ? "PRAGMA synchronous=FULL;" :
					       "PRAGMA synchronous=EXTRA;");
	sql(t, db, "PRAGMA wal_autocheckpoint=40;");
}

static void transaction(const struct task *t, sqlite3 *db, unsigned int n,
			sqlite3_stmt *replace, sqlite3_stmt *delete)
{
	static uint8_t blob[BLOB_MAX];
	struct change c;
	char text[64];

	change_of(t, n, &c);
	sql(t, db, "BEGIN IMMEDIATE;");
	for (unsigned int i = 0; i < c.count; i++) {
		sqlite3_stmt *s = c.row[i].delete ? delete : replace;

		sqlite3_bind_int(s, 1, c.row[i].id);
		if (!c.row[i].delete) {
			int len = blob_of(t, c.row[i].id, n, blob);

			sqlite3_bind_int(s, 2, n);
			sqlite3_bind_blob(s, 3, blob, len, SQLITE_STATIC);
		}
		step(t, db, s);
	}
	snprintf(text, sizeof(text), "UPDATE done SET n=%u;", n);
	sql(t, db, text);
	sql(t, db, "COMMIT;");
}

/**
 * db_load() - do the transactions
 * @t: task
 * @mnt: where the file system is
 */
void db_load(const struct task *t, const char *mnt)
{
	sqlite3_stmt *replace, *delete;
	char path[256];
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/%s", mnt, t->path);
	if (sqlite3_open(path, &db) != SQLITE_OK)
		die("%s: %s", path, sqlite3_errmsg(db));
	set_mode(t, db);
	sql(t, db, "BEGIN; CREATE TABLE done (n INT); INSERT INTO done VALUES (0);"
		   "CREATE TABLE t (id INTEGER PRIMARY KEY, n INT, data BLOB);"
		   "CREATE INDEX i ON t (n); COMMIT;");
	mark(t->index, 0);
	replace = prepare(t, db, "REPLACE INTO t VALUES (?, ?, ?);");
	delete = prepare(t, db, "DELETE FROM t WHERE id = ?;");
	for (unsigned int n = 1; n <= t->steps; n++) {
		transaction(t, db, n, replace, delete);
		mark(t->index, n);
	}
	sqlite3_finalize(replace);
	sqlite3_finalize(delete);
	if (sqlite3_close(db) != SQLITE_OK)
		die("%s: close: %s", path, sqlite3_errmsg(db));
}

/* One number or word that a query gives, into @out */
static bool query(sqlite3 *db, const char *text, char *out, size_t size)
{
	const unsigned char *got;
	sqlite3_stmt *s;
	bool ok = false;

	if (sqlite3_prepare_v2(db, text, -1, &s, NULL) != SQLITE_OK)
		return false;
	if (sqlite3_step(s) == SQLITE_ROW) {
		got = sqlite3_column_text(s, 0);
		snprintf(out, size, "%s", got ? (const char *)got : "");
		ok = true;
	}
	sqlite3_finalize(s);
	return ok;
}

static bool rows_fit(const struct db_model *m, sqlite3 *db, char *why,
		     size_t size)
{
	uint8_t blob[BLOB_MAX];
	unsigned int id = 0, want;
	sqlite3_stmt *s;
	int ret;

	if (sqlite3_prepare_v2(db, "SELECT id, n, data FROM t ORDER BY id;", -1,
			       &s, NULL) != SQLITE_OK) {
		snprintf(why, size, "%s", sqlite3_errmsg(db));
		return false;
	}
	for (;;) {
		ret = sqlite3_step(s);
		want = ret == SQLITE_ROW ? (unsigned int)
		       sqlite3_column_int(s, 0) : ROWS;
		if (ret != SQLITE_ROW && ret != SQLITE_DONE) {
			snprintf(why, size, "%s", sqlite3_errmsg(db));
			break;
		}
		while (id < want && id < ROWS && !m->row[id])
			id++;
		if (id != want) {
			snprintf(why, size, "row %u is missing, or %u too many",
				 id, want);
			ret = SQLITE_ERROR;
			break;
		}
		if (ret == SQLITE_DONE)
			break;
		if ((unsigned int)sqlite3_column_int(s, 1) != m->row[id] ||
		    sqlite3_column_bytes(s, 2) !=
		    blob_of(m->task, id, m->row[id], blob) ||
		    memcmp(sqlite3_column_blob(s, 2), blob,
			   sqlite3_column_bytes(s, 2))) {
			snprintf(why, size,
				 "row %u isn't as transaction %u wrote it", id,
				 m->row[id]);
			ret = SQLITE_ERROR;
			break;
		}
		id++;
	}
	sqlite3_finalize(s);
	return ret == SQLITE_DONE;
}

/**
 * db_verify() - compare a database with what it may hold
 * @m: after the last transaction known to be committed
 * @mnt: where it is mounted
 * @why: buffer for a message
 * @size: of it
 *
 * The next transaction may be there or not, whole or not at all.
 *
 * Return: NULL, or a message.
 */
const char *db_verify(const struct db_model *m, const char *mnt, char *why,
		      size_t size)
{
	struct db_model copy = *m;
	char path[256], got[128], what[200] = "";
	const char *bad = why;
	sqlite3 *db;
	unsigned int n;

	snprintf(path, sizeof(path), "%s/%s", mnt, m->task->path);
	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) !=
	    SQLITE_OK ||
	    !query(db, "PRAGMA integrity_check;", got, sizeof(got))) {
		snprintf(why, size, "%s: %s", path, sqlite3_errmsg(db));
		goto out;
	}
	if (strcmp(got, "ok")) {
		snprintf(why, size, "%s: integrity_check: %s", path, got);
		goto out;
	}
	if (!query(db, "SELECT n FROM done;", got, sizeof(got))) {
		snprintf(why, size, "%s: %s", path, sqlite3_errmsg(db));
		goto out;
	}
	n = atoi(got);
	if (n != m->done && n != m->done + 1) {
		snprintf(why, size,
			 "%s: transaction %u is the last, %u was committed",
			 path, n, m->done);
		goto out;
	}
	if (n != m->done)
		db_apply(&copy);
	if (rows_fit(&copy, db, what, sizeof(what)))
		bad = NULL;
	else
		snprintf(why, size, "%s: %s", path, what);
out:
	sqlite3_close(db);
	return bad;
}
