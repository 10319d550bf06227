/*-------------------------------------------------------------------------
 *
 * timeofday.c
 *	  A time of day that a test sets, for programs that are started with this in LD_PRELOAD.
 *
 * The file that PGQ_TIMEOFDAY names holds one 64-bit number, the seconds from the machine's time to that of the programs.
 * It is mapped: what is written there holds at once, in a server and in all the processes that it
 * has made.  The clocks that nobody sets stay what they are.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/timeofday.c
 *
 *-------------------------------------------------------------------------
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *offset;
static int	(*real_clock_gettime) (clockid_t clock, struct timespec *now);

static void __attribute__((constructor))
start(void)
{
	const char *path = getenv("PGQ_TIMEOFDAY");
	int			fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	void	   *map = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*offset), PROT_READ, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
	{
		fprintf(stderr, "timeofday: PGQ_TIMEOFDAY names no file that could be mapped\n");
		_exit(1);
	}
	close(fd);
	offset = map;
}

int
clock_gettime(clockid_t clock, struct timespec *now)
{
	int			rc;

	/* it may be called before start() is */
	if (real_clock_gettime == NULL)
		*(void **) &real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
	rc = real_clock_gettime(clock, now);
	if (rc == 0 && offset != NULL && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		now->tv_sec += *offset;
	return rc;
}

int
gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	struct timespec time;

	(void) zone;
	if (clock_gettime(CLOCK_REALTIME, &time) != 0)
		return -1;
	now->tv_sec = time.tv_sec;
	now->tv_usec = time.tv_nsec / 1000;
	return 0;
}

time_t
time(time_t *now)
{
	struct timespec time;

	clock_gettime(CLOCK_REALTIME, &time);
	if (now != NULL)
		*now = time.tv_sec;
	return time.tv_sec;
}
