/*-------------------------------------------------------------------------
 *
 * writeback.c
 *	  Pages that the raft worker has written out of shared buffers go to the disk steadily.
 *
 * Left to itself, the kernel keeps them for half a minute and then writes what has come together as fast as
 * the disk takes it, with all flushes of WAL behind that.  PostgreSQL's own answer is backend_flush_after: the process
 * that wrote the pages tells the kernel to begin with them.  But the kernel may let that process wait until
 * other writes are through, page after page, and the raft worker must not wait: it would keep back what it
 * has to send and to flush.  So it asks the flusher, for a few pages at a time.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/writeback.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"

#include "worker.h"

/* So many pages are worth a call */
#define ASK_PAGES		16

/*
 * writeback_ask() -- the raft worker has written so many pages of the store.
 */
void
writeback_ask(int64 pages)
{
	static int64 written;

	written += pages;
	if (written < ASK_PAGES)
		return;
	written = 0;
	pg_atomic_fetch_add_u64(&member_shared->writeback_asked, 1);
	wake_procno(member_shared->flusher_procno);
}

/*
 * writeback_run() -- have the kernel begin to write the store's changed pages, if that has been asked for.  In the
 * flusher; it ends early when WAL is to be flushed, and is called again after that.
 *
 * What has become of the file meanwhile does not matter: one that is gone is not written, and one that
 * has another's name now is written somewhat sooner.  A call that fails is made up for by the next.
 */
void
writeback_run(void)
{
	static uint64 done;
	uint64		asked = pg_atomic_read_u64(&member_shared->writeback_asked);
	char		path[MAXPGPATH];
	int			segment;

	if (asked == done)
		return;
	SpinLockAcquire(&member_shared->mutex);
	strlcpy(path, member_shared->store_path, sizeof(path));
	SpinLockRelease(&member_shared->mutex);

	for (segment = 0;; segment++)
	{
		char		file[MAXPGPATH + 16];
		int			fd;

		CHECK_FOR_INTERRUPTS();
		if (flusher_wanted())
			return;
		if (segment == 0)
			strlcpy(file, path, sizeof(file));
		else
			snprintf(file, sizeof(file), "%s.%d", path, segment);
		fd = BasicOpenFile(file, O_RDONLY | PG_BINARY);
		if (fd < 0)
			break;
		pg_flush_data(fd, 0, 0);
		close(fd);
	}
	done = asked;
}
