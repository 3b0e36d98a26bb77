/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The calls that change something: linked with --wrap for each "__real_" below,
 * see tests/unit/rotate-copy.sh.  pwrite64 and so on are for 64-bit offsets.
 */
#ifndef ROTATE_WRAPS_H
#define ROTATE_WRAPS_H

#include <sys/stat.h>
#include <sys/types.h>

int __real_mkdirat(int d, const char *n, mode_t m);
int __wrap_mkdirat(int d, const char *n, mode_t m);
int __real_unlinkat(int d, const char *n, int f);
int __wrap_unlinkat(int d, const char *n, int f);
int __real_linkat(int d, const char *n, int e, const char *o, int f);
int __wrap_linkat(int d, const char *n, int e, const char *o, int f);
int __real_symlinkat(const char *t, int d, const char *n);
int __wrap_symlinkat(const char *t, int d, const char *n);
int __real_mknodat(int d, const char *n, mode_t m, dev_t v);
int __wrap_mknodat(int d, const char *n, mode_t m, dev_t v);
int __real_renameat(int d, const char *n, int e, const char *o);
int __wrap_renameat(int d, const char *n, int e, const char *o);
int __real_renameat2(int d, const char *n, int e, const char *o, unsigned int f);
int __wrap_renameat2(int d, const char *n, int e, const char *o, unsigned int f);
int __real_fchownat(int d, const char *n, uid_t u, gid_t g, int f);
int __wrap_fchownat(int d, const char *n, uid_t u, gid_t g, int f);
int __real_chmod(const char *n, mode_t m);
int __wrap_chmod(const char *n, mode_t m);
int __real_setxattr(const char *p, const char *n, const void *v, size_t s,
		    int f);
int __wrap_setxattr(const char *p, const char *n, const void *v, size_t s,
		    int f);
int __real_utimensat(int d, const char *n, const struct timespec *t, int f);
int __wrap_utimensat(int d, const char *n, const struct timespec *t, int f);
ssize_t __real_write(int fd, const void *b, size_t n);
ssize_t __wrap_write(int fd, const void *b, size_t n);
ssize_t __real_pwrite64(int fd, const void *b, size_t n, off_t o);
ssize_t __wrap_pwrite64(int fd, const void *b, size_t n, off_t o);
int __real_ftruncate64(int fd, off_t n);
int __wrap_ftruncate64(int fd, off_t n);
int __real_syncfs(int fd);
int __wrap_syncfs(int fd);

#endif /* ROTATE_WRAPS_H */
