/*-------------------------------------------------------------------------
 *
 * simulate.c
 *	  Command line of the cluster simulator.
 *
 *	simulate --seeds A-B --steps N		many runs, on all cores
 *	simulate --seed S --trace			one run, told line by line
 *	simulate --seeds A-B --break NAME	a known bug must be caught
 *
 * Workers are forked, take the next seeds from shared memory and leave their
 * results there, so that a core that crashes or hangs costs one run and is
 * reported with its seed like any other failure.
 *
 * The simulator exists twice: "simulate" has the production library in it,
 * "simulate_break" the one with switchable bugs, and the former replaces
 * itself by the latter when --break is given.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  raft/test/simulate.c
 *
 *-------------------------------------------------------------------------
 */
#define _GNU_SOURCE

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sim_world.h"

#define MAX_JOBS		64
#define MAX_FAILURES	64

/* Failures that are reported in full, and lines of trace with each. */
#define SHOWN_FAILURES	5
#define TRACE_LINES		40

/* Seeds that a worker takes at a time. */
#define BATCH			4

/* A run that takes longer than this hangs (seconds). */
#define PATIENCE		60

struct options
{
	uint64_t	first;
	uint64_t	last;
	uint64_t	steps;
	uint32_t	jobs;
	uint32_t	determinism;	/* every so many seeds run twice; 0 = none */
	int			bug;			/* -1 = none */
	bool		trace;
	bool		stats;
};

struct worker
{
	pid_t		pid;
	time_t		since;
	uint64_t	watched;
	_Atomic uint64_t seed;		/* being run; 0 = none */
	uint64_t	passed;
	uint64_t	failed;
	uint64_t	repeated;
	uint64_t	slowest;		/* most ticks that healing took */
	uint64_t	slowest_seed;
	uint64_t	counts[SIM_N_COUNTS];
};

struct found
{
	uint64_t	seed;
	struct sim_failure failure;
};

struct shared
{
	_Atomic uint64_t next;
	_Atomic uint64_t end;		/* seeds from here on are not run any more */
	_Atomic uint32_t n_found;
	struct found found[MAX_FAILURES];
	struct worker workers[MAX_JOBS];
};

static double
now_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}

/* ---------- known bugs ---------- */

#ifdef RAFT_BREAK
static const char *
break_name(int bug)
{
	return raft_break_name(bug);
}
#else

/* Become the program that has the bugs in it; it lies next to this one. */
static void
become_broken(char **argv)
{
	char		path[4096];
	ssize_t		n = readlink("/proc/self/exe", path, sizeof(path) - 16);

	if (n > 0)
	{
		memcpy(path + n, "_break", sizeof("_break"));
		execv(path, argv);
	}
	fprintf(stderr, "simulate: cannot run simulate_break: %s\n",
			strerror(errno));
	exit(2);
}

static const char *
break_name(int bug)
{
	(void) bug;
	return "?";
}
#endif

/* ---------- workers ---------- */

/*
 * A failure: remember it.  When a known bug is hunted, later seeds need not be
 * run; earlier ones are, so that the seed reported is the first one.
 */
static void
note_failure(struct shared *sh, const struct options *opt, uint64_t seed,
			 const struct sim_failure *failure)
{
	uint32_t	n = atomic_fetch_add(&sh->n_found, 1);

	if (n < MAX_FAILURES)
	{
		sh->found[n].seed = seed;
		sh->found[n].failure = *failure;
	}
	if (opt->bug >= 0)
	{
		uint64_t	end = atomic_load(&sh->end);

		while (seed < end &&
			   !atomic_compare_exchange_weak(&sh->end, &end, seed))
			;
	}
}

/* Run the seed again: everything must happen as it did before. */
static bool
run_again(struct sim_world *w, uint64_t seed, const struct options *opt)
{
	uint64_t	hash;
	uint64_t	step;

	w->hashing = true;
	if (!sim_run(w, seed, opt->steps))
	{
		w->hashing = false;
		return false;
	}
	hash = w->hash;
	step = w->step;
	if (!sim_run(w, seed, opt->steps))
	{
		w->hashing = false;
		return false;
	}
	w->hashing = false;
	if (w->hash == hash && w->step == step)
		return true;
	w->failure.step = w->step;
	snprintf(w->failure.invariant, sizeof(w->failure.invariant),
			 "a run can be repeated");
	snprintf(w->failure.text, sizeof(w->failure.text),
			 "digests %016llx and %016llx", (unsigned long long) hash,
			 (unsigned long long) w->hash);
	return false;
}

static void
run_seed(struct sim_world *w, struct shared *sh, struct worker *me,
		 const struct options *opt, uint64_t seed)
{
	bool		ok;

	atomic_store(&me->seed, seed);
	if (opt->determinism > 0 && seed % opt->determinism == 0)
	{
		ok = run_again(w, seed, opt);
		me->repeated++;
	}
	else
		ok = sim_run(w, seed, opt->steps);
	for (int i = 0; i < SIM_N_COUNTS; i++)
		me->counts[i] += w->counts[i];
	if (w->counts[SIM_COUNT_HEAL_TICKS] > me->slowest)
	{
		me->slowest = w->counts[SIM_COUNT_HEAL_TICKS];
		me->slowest_seed = seed;
	}
	if (!ok && opt->bug >= 0)
	{
		/* It counts as caught only where all is well without the bug. */
		struct sim_failure failure = w->failure;
		uint64_t	mask = w->break_mask;

		w->break_mask = 0;
		ok = !sim_run(w, seed, opt->steps);
		w->break_mask = mask;
		w->failure = failure;
	}
	if (ok)
		me->passed++;
	else
	{
		me->failed++;
		note_failure(sh, opt, seed, &w->failure);
	}
	atomic_store(&me->seed, 0);
}

static void
work(struct shared *sh, struct worker *me, const struct options *opt)
{
	struct sim_world *w = sim_world_new();

	if (opt->bug >= 0)
		w->break_mask = UINT64_C(1) << opt->bug;
	for (;;)
	{
		uint64_t	seed = atomic_fetch_add(&sh->next, BATCH);

		for (int i = 0; i < BATCH; i++, seed++)
		{
			if (seed >= atomic_load(&sh->end))
			{
				sim_world_free(w);
				return;
			}
			run_seed(w, sh, me, opt, seed);
		}
	}
}

static void
start_worker(struct shared *sh, struct worker *me, const struct options *opt)
{
	pid_t		pid;

	fflush(stdout);
	me->since = time(NULL);
	me->watched = 0;
	pid = fork();
	if (pid < 0)
	{
		perror("simulate: fork");
		exit(2);
	}
	if (pid == 0)
	{
		work(sh, me, opt);
		exit(0);
	}
	me->pid = pid;				/* shared: the child must not write here */
}

/* A worker died: blame the seed it was at and start another one. */
static void
worker_ended(struct shared *sh, struct worker *me, const struct options *opt,
			 int status)
{
	struct sim_failure failure;
	uint64_t	seed = atomic_load(&me->seed);

	me->pid = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	if (seed == 0)
	{
		fprintf(stderr, "simulate: a worker failed\n");
		exit(2);
	}
	memset(&failure, 0, sizeof(failure));
	snprintf(failure.invariant, sizeof(failure.invariant),
			 "the core does not crash or hang");
	if (WIFSIGNALED(status))
		snprintf(failure.text, sizeof(failure.text), "signal %d",
				 WTERMSIG(status));
	else
		snprintf(failure.text, sizeof(failure.text), "exit status %d",
				 WEXITSTATUS(status));
	me->failed++;
	note_failure(sh, opt, seed, &failure);
	atomic_store(&me->seed, 0);
	start_worker(sh, me, opt);
}

/* Let the workers run to the end. */
static void
supervise(struct shared *sh, const struct options *opt)
{
	for (uint32_t i = 0; i < opt->jobs; i++)
		start_worker(sh, &sh->workers[i], opt);
	for (;;)
	{
		const struct timespec nap = {0, 5 * 1000 * 1000};
		bool		any = false;

		for (uint32_t i = 0; i < opt->jobs; i++)
		{
			struct worker *me = &sh->workers[i];
			uint64_t	seed = atomic_load(&me->seed);
			int			status;

			if (me->pid == 0)
				continue;
			if (waitpid(me->pid, &status, WNOHANG) == me->pid)
				worker_ended(sh, me, opt, status);
			else if (seed != me->watched)
			{
				me->watched = seed;
				me->since = time(NULL);
			}
			else if (seed != 0 && time(NULL) - me->since > PATIENCE)
				kill(me->pid, SIGKILL);
			any |= me->pid != 0;
		}
		if (!any)
			return;
		nanosleep(&nap, NULL);
	}
}

/* ---------- reports ---------- */

struct ring
{
	char		lines[TRACE_LINES][400];
	uint64_t	n;
};

static void
keep_line(void *arg, const char *line)
{
	struct ring *ring = arg;

	snprintf(ring->lines[ring->n++ % TRACE_LINES], sizeof(ring->lines[0]),
			 "%s", line);
}

static void
print_line(void *arg, const char *line)
{
	(void) arg;
	puts(line);
}

/* Repeat a failed run in a process of its own and print its last lines. */
static void
print_trace(uint64_t seed, const struct options *opt)
{
	pid_t		pid;
	int			status;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
	{
		struct sim_world *w = sim_world_new();
		struct ring *ring = sim_grow(NULL, sizeof(*ring));

		memset(ring, 0, sizeof(*ring));
		alarm(PATIENCE);
		if (opt->bug >= 0)
			w->break_mask = UINT64_C(1) << opt->bug;
		w->trace = keep_line;
		w->trace_arg = ring;
		(void) sim_run(w, seed, opt->steps);
		for (uint64_t i = ring->n > TRACE_LINES ? ring->n - TRACE_LINES : 0;
			 i < ring->n; i++)
			puts(ring->lines[i % TRACE_LINES]);
		fflush(stdout);
		_exit(0);
	}
	if (pid > 0)
		(void) waitpid(pid, &status, 0);
}

static int
by_seed(const void *a, const void *b)
{
	const struct found *x = a;
	const struct found *y = b;

	return x->seed < y->seed ? -1 : x->seed > y->seed;
}

static void
print_failures(struct shared *sh, const struct options *opt)
{
	uint32_t	n = atomic_load(&sh->n_found);

	if (n > MAX_FAILURES)
		n = MAX_FAILURES;
	qsort(sh->found, n, sizeof(sh->found[0]), by_seed);
	for (uint32_t i = 0; i < n; i++)
	{
		const struct found *f = &sh->found[i];

		if (i < SHOWN_FAILURES)
		{
			printf("\n");
			print_trace(f->seed, opt);
		}
		printf("seed %llu, step %llu: violated: %s\n    %s\n",
			   (unsigned long long) f->seed,
			   (unsigned long long) f->failure.step, f->failure.invariant,
			   f->failure.text);
	}
	if (n > 0)
		printf("replay: simulate --seed %llu --steps %llu --trace\n",
			   (unsigned long long) sh->found[0].seed,
			   (unsigned long long) opt->steps);
}

static void
print_stats(struct shared *sh, const struct options *opt, uint64_t runs)
{
	uint64_t	slowest = 0;
	uint64_t	slowest_seed = 0;

	for (int c = 0; c < SIM_N_COUNTS; c++)
	{
		uint64_t	sum = 0;

		for (uint32_t i = 0; i < opt->jobs; i++)
			sum += sh->workers[i].counts[c];
		printf("  %-20s %12llu  %10.2f a run\n", sim_count_name(c),
			   (unsigned long long) sum,
			   runs ? (double) sum / (double) runs : 0);
	}
	for (uint32_t i = 0; i < opt->jobs; i++)
	{
		if (sh->workers[i].slowest > slowest)
		{
			slowest = sh->workers[i].slowest;
			slowest_seed = sh->workers[i].slowest_seed;
		}
	}
	printf("  slowest to heal: seed %llu, %llu ticks\n",
		   (unsigned long long) slowest_seed, (unsigned long long) slowest);
}

static int
run_many(const struct options *opt)
{
	struct shared *sh;
	double		start = now_seconds();
	double		seconds;
	uint64_t	passed = 0;
	uint64_t	failed = 0;
	uint64_t	repeated = 0;

	sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sh == MAP_FAILED)
	{
		perror("simulate: mmap");
		return 2;
	}
	atomic_store(&sh->next, opt->first);
	atomic_store(&sh->end, opt->last + 1);
	supervise(sh, opt);
	seconds = now_seconds() - start;
	for (uint32_t i = 0; i < opt->jobs; i++)
	{
		passed += sh->workers[i].passed;
		failed += sh->workers[i].failed;
		repeated += sh->workers[i].repeated;
	}
	print_failures(sh, opt);
	if (opt->stats)
		print_stats(sh, opt, passed + failed);
	printf("%llu seeds x %llu steps in %.1f s: %.0f seeds/s (%u jobs), "
		   "%llu repeated with equal digests\n",
		   (unsigned long long) (passed + failed),
		   (unsigned long long) opt->steps, seconds,
		   (double) (passed + failed) / (seconds > 0 ? seconds : 1),
		   opt->jobs, (unsigned long long) repeated);
	if (opt->bug >= 0)
	{
		if (failed > 0)
			printf("%s: caught by seed %llu (%s)\n",
				   break_name(opt->bug),
				   (unsigned long long) sh->found[0].seed,
				   sh->found[0].failure.invariant);
		else
			printf("%s: NOT caught\n", break_name(opt->bug));
	}
	printf("%llu passed, %llu failed\n", (unsigned long long) passed,
		   (unsigned long long) failed);
	return (opt->bug >= 0) == (failed > 0) ? 0 : 1;
}

static int
run_traced(const struct options *opt)
{
	struct sim_world *w = sim_world_new();
	bool		ok;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (opt->bug >= 0)
		w->break_mask = UINT64_C(1) << opt->bug;
	w->trace = print_line;
	ok = sim_run(w, opt->first, opt->steps);
	if (!ok)
		printf("seed %llu, step %llu: violated: %s\n    %s\n",
			   (unsigned long long) opt->first,
			   (unsigned long long) w->failure.step, w->failure.invariant,
			   w->failure.text);
	printf("%d passed, %d failed\n", ok ? 1 : 0, ok ? 0 : 1);
	sim_world_free(w);
	return (opt->bug >= 0) == !ok ? 0 : 1;
}

/* ---------- command line ---------- */

static void
usage(FILE *to)
{
	fprintf(to,
			"usage: simulate [--seeds A-B] [--steps N] [--jobs N]\n"
			"                [--check-determinism N] [--stats]\n"
			"                [--break NAME]\n"
			"       simulate --seed S [--steps N] [--break NAME] --trace\n"
			"       simulate --list-breaks\n"
			"\n"
			"  --seeds A-B            runs to do (default 1-1000)\n"
			"  --steps N              steps with faults in each (default 1500)\n"
			"  --jobs N               processes (default: one a core)\n"
			"  --check-determinism N  repeat every Nth seed and compare digests\n"
			"                         (default 64, 0 = never)\n"
			"  --stats                print what happened in the runs\n"
			"  --break NAME           switch a known bug on; succeed only if it\n"
			"                         is caught\n"
			"  --seed S --trace       one run, told line by line\n");
}

static uint64_t
number(const char *text, char **end)
{
	uint64_t	value;

	errno = 0;
	value = strtoull(text, end, 10);
	if (errno != 0 || *end == text || text[0] == '-')
	{
		fprintf(stderr, "simulate: not a number: \"%s\"\n", text);
		exit(2);
	}
	return value;
}

static uint64_t
whole_number(const char *text)
{
	char	   *end;
	uint64_t	value = number(text, &end);

	if (*end != '\0')
	{
		fprintf(stderr, "simulate: not a number: \"%s\"\n", text);
		exit(2);
	}
	return value;
}

static void
parse_seeds(struct options *opt, const char *text)
{
	char	   *end;

	opt->first = opt->last = number(text, &end);
	if (*end == '-')
		opt->last = whole_number(end + 1);
	else if (*end != '\0')
		opt->first = whole_number(text);
	if (opt->first == 0 || opt->last < opt->first)
	{
		fprintf(stderr, "simulate: seeds are A-B with 1 <= A <= B\n");
		exit(2);
	}
}

#ifdef RAFT_BREAK
static int
find_break(const char *name)
{
	for (int i = 0; break_name(i) != NULL; i++)
	{
		if (strcmp(break_name(i), name) == 0)
			return i;
	}
	fprintf(stderr, "simulate: no such bug: \"%s\" (see --list-breaks)\n",
			name);
	exit(2);
}
#endif

int
main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"seeds", required_argument, NULL, 's'},
		{"seed", required_argument, NULL, 's'},
		{"steps", required_argument, NULL, 'n'},
		{"jobs", required_argument, NULL, 'j'},
		{"check-determinism", required_argument, NULL, 'd'},
		{"break", required_argument, NULL, 'b'},
		{"list-breaks", no_argument, NULL, 'l'},
		{"trace", no_argument, NULL, 't'},
		{"stats", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0}
	};
	struct options opt = {1, 1000, 1500, 0, 64, -1, false, false};
	long		cores = sysconf(_SC_NPROCESSORS_ONLN);
	int			c;

	opt.jobs = cores > 0 ? (uint32_t) cores : 1;
	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1)
	{
		switch (c)
		{
			case 's':
				parse_seeds(&opt, optarg);
				break;
			case 'n':
				opt.steps = whole_number(optarg);
				break;
			case 'j':
				opt.jobs = (uint32_t) whole_number(optarg);
				break;
			case 'd':
				opt.determinism = (uint32_t) whole_number(optarg);
				break;
#ifndef RAFT_BREAK
			case 'b':
			case 'l':
				become_broken(argv);
				break;
#else
			case 'b':
				opt.bug = find_break(optarg);
				break;
			case 'l':
				for (int i = 0; break_name(i) != NULL; i++)
					puts(break_name(i));
				return 0;
#endif
			case 't':
				opt.trace = true;
				break;
			case 'v':
				opt.stats = true;
				break;
			case 'h':
				usage(stdout);
				return 0;
			default:
				usage(stderr);
				return 2;
		}
	}
	if (optind < argc)
	{
		usage(stderr);
		return 2;
	}
	if (opt.jobs < 1)
		opt.jobs = 1;
	if (opt.jobs > MAX_JOBS)
		opt.jobs = MAX_JOBS;
	if (opt.jobs > opt.last - opt.first + 1)
		opt.jobs = (uint32_t) (opt.last - opt.first + 1);
	if (opt.trace)
		return run_traced(&opt);
	return run_many(&opt);
}
