// SPDX-License-Identifier: GPL-2.0-only
/*
 * mapwrite - write a page to a file from a mapping of another file or device, which has to
 * be read for that while the file's lock is held; and fsync it.
 *
 * usage: mapwrite FILE SOURCE
 */
#include <err.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int fd, source;
	void *map;

	if (argc != 3)
		errx(2, "usage: mapwrite FILE SOURCE");
	fd = open(argv[1], O_WRONLY);
	source = open(argv[2], O_RDONLY);
	if (fd < 0 || source < 0)
		err(1, "%s", fd < 0 ? argv[1] : argv[2]);
	map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, source, 0);
	if (map == MAP_FAILED)
		err(1, "mmap");
	if (write(fd, map, 4096) != 4096)
		err(1, "write");
	if (fsync(fd))
		err(1, "fsync");
	return 0;
}
