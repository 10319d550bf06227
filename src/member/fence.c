/*-------------------------------------------------------------------------
 *
 * fence.c
 *	  A file that a copy of the data directory cannot pass off as its own.
 *
 * A base backup, a file copy, a promoted standby and a rewound server all
 * carry the relation that says "I am member N", perhaps in an older state.
 * Each of them is made of new files, or has had this file's contents replaced
 * by another server's.  So the file pg_quorum.identity holds the number of its
 * own inode and the time of its own birth, and a random number that the log's meta
 * page must have too.
 *
 * What this cannot see is a snapshot of the whole block device taken back; that is
 * for the peers to notice (inbox.c).
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/fence.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/fd.h"

#include "fence.h"

#define FENCE_FILE		"pg_quorum.identity"
#define FENCE_TMP_FILE	"pg_quorum.identity.tmp"

/*
 * Inode and time of birth of a file; the latter 0 where the file system does not tell.
 */
static void
file_marks(const char *path, unsigned long long *inode, unsigned long long *birth)
{
	struct statx stx;

	if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_BTIME, &stx) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not stat file \"%s\": %m", path)));
	*inode = stx.stx_ino;
	*birth = (stx.stx_mask & STATX_BTIME) ?
		(unsigned long long) stx.stx_btime.tv_sec * 1000000000ULL + stx.stx_btime.tv_nsec : 0;
}

/*
 * fence_create() -- make the file anew for this number, durably.
 */
void
fence_create(uint64 fence)
{
	char		text[128];
	unsigned long long inode;
	unsigned long long birth;
	int			fd;
	int			len;

	/* rename keeps the inode and the birth of the file it renames */
	(void) unlink(FENCE_TMP_FILE);
	fd = OpenTransientFile(FENCE_TMP_FILE, O_CREAT | O_EXCL | O_RDWR | PG_BINARY);
	if (fd < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create file \"%s\": %m", FENCE_TMP_FILE)));
	file_marks(FENCE_TMP_FILE, &inode, &birth);
	len = snprintf(text, sizeof(text), "fence %016llx\ninode %llu\nbirth %llu\n",
				   (unsigned long long) fence, inode, birth);
	if (write(fd, text, len) != len)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", FENCE_TMP_FILE)));
	if (CloseTransientFile(fd) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not close file \"%s\": %m", FENCE_TMP_FILE)));
	(void) durable_rename(FENCE_TMP_FILE, FENCE_FILE, ERROR);
}

/*
 * fence_check() -- is the file there, its own and of this number?  Returns NULL if so,
 * else what is wrong with it.
 */
const char *
fence_check(uint64 fence)
{
	FILE	   *file;
	unsigned long long own_inode;
	unsigned long long own_birth;
	unsigned long long number;
	unsigned long long inode;
	unsigned long long birth;
	int			n;

	file = AllocateFile(FENCE_FILE, PG_BINARY_R);
	if (file == NULL)
		return "The file pg_quorum.identity is missing: this data directory is a copy, or was restored from one.";
	n = fscanf(file, "fence %llx\ninode %llu\nbirth %llu\n", &number, &inode, &birth);
	FreeFile(file);
	if (n != 3)
		return "The file pg_quorum.identity is damaged.";
	file_marks(FENCE_FILE, &own_inode, &own_birth);
	if (number != fence)
		return "The file pg_quorum.identity and the log belong to different members: this data directory was rewound or restored in part.";
	if (inode != own_inode || birth != own_birth)
		return "The file pg_quorum.identity is a copy: this data directory was copied or restored from a backup.";
	return NULL;
}
