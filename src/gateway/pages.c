/*-------------------------------------------------------------------------
 *
 * pages.c
 *	  /version, /health, /livez, /readyz, /metrics.
 *
 * /health is etcd's older page, of JSON; the other two are lists of checks, each of which has a page
 * of its own below them.  Only one check has to wait: that of a linearizable read, which is answered
 * when a barrier has been passed, or not in time.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/pages.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "gateway/call.h"
#include "gateway/errors.h"
#include "gateway/health.h"
#include "gateway/metrics.h"
#include "gateway/pages.h"
#include "gateway/version.h"
#include "member/calls.h"
#include "settings.h"
#include "store/store.h"

#define TYPE_TEXT			"text/plain; charset=utf-8"
#define TYPE_JSON			"application/json"
#define TYPE_METRICS		"text/plain; version=0.0.4; charset=utf-8"

/* So long at most a check waits for a quorum */
#define BARRIER_MS			5000

#define HTTP_OK				200
#define HTTP_UNAVAILABLE	503

typedef enum CheckKind
{
	CHECK_DATA_CORRUPTION,
	CHECK_SERIALIZABLE_READ,
	CHECK_LINEARIZABLE_READ,
	CHECK_NON_LEARNER,
	CHECK_COUNT
} CheckKind;

static const char *const check_names[CHECK_COUNT] = {
	"data_corruption", "serializable_read", "linearizable_read", "non_learner"
};

/* What the pages ask for, as bits of CheckKind */
#define LIVEZ_CHECKS		(1 << CHECK_SERIALIZABLE_READ)
#define READYZ_CHECKS		((1 << CHECK_COUNT) - 1)

typedef struct PageState
{
	MemberCall *barrier;		/* NULL: nothing is waited for */
	bool		is_json;		/* /health */
	int			checks;			/* bits */
	int			excluded;
	const char *failures[CHECK_COUNT];	/* NULL: passed */
} PageState;

/* ----------------------------------------------------------------
 *	Paths and queries
 * ----------------------------------------------------------------
 */

/* The checks of a page of checks, 0 if it is none */
static int
checks_of_path(const char *path)
{
	int			all = strncmp(path, "/livez", 6) == 0 ? LIVEZ_CHECKS :
		strncmp(path, "/readyz", 7) == 0 ? READYZ_CHECKS : 0;
	const char *rest = path + (all == LIVEZ_CHECKS ? 6 : 7);
	int			i;

	if (all == 0 || *rest == '\0')
		return all;
	if (*rest != '/')
		return 0;
	for (i = 0; i < CHECK_COUNT; i++)
	{
		if (strcmp(rest + 1, check_names[i]) == 0)
			return all & (1 << i);
	}
	return 0;
}

bool
page_exists(const char *path)
{
	return strcmp(path, "/version") == 0 || strcmp(path, "/health") == 0 ||
		strcmp(path, "/metrics") == 0 || checks_of_path(path) != 0;
}

/*
 * Is there name=value in a query; or name with any value or none, if value is NULL?  A name may occur
 * more than once.
 */
static bool
query_has(const char *query, const char *name, const char *value)
{
	size_t		name_len = strlen(name);

	while (*query != '\0')
	{
		size_t		len = strcspn(query, "&");

		if (len >= name_len && strncmp(query, name, name_len) == 0)
		{
			if (value == NULL && (len == name_len || query[name_len] == '='))
				return true;
			if (value != NULL && len == name_len + 1 + strlen(value) && query[name_len] == '=' &&
				strncmp(query + name_len + 1, value, strlen(value)) == 0)
				return true;
		}
		query += len;
		query += *query == '&';
	}
	return false;
}

/* ----------------------------------------------------------------
 *	Answers
 * ----------------------------------------------------------------
 *
 * Made without allocating anything, since the answer of the member comes where nothing may raise.
 */

#define ANSWER_BYTES		2048

static void
reply_health(PageRequest *request, const char *reason)
{
	char		body[ANSWER_BYTES];
	bool		well = reason == NULL;

	if (well)
		metrics_health_passed++;
	else
		metrics_health_failed++;
	snprintf(body, sizeof(body), "{\"health\":\"%s\",\"reason\":\"%s\"}",
			 well ? "true" : "false", well ? "" : reason);
	page_reply(request, well ? HTTP_OK : HTTP_UNAVAILABLE, TYPE_JSON, body, strlen(body));
}

/* A page of checks: one line for each if something is wrong, or if asked for */
static void
reply_checks(PageRequest *request)
{
	const PageState *state = request->state;
	char		body[ANSWER_BYTES];
	size_t		len = 0;
	bool		well = true;
	int			i;

	for (i = 0; i < CHECK_COUNT; i++)
	{
		int			bit = 1 << i;

		if ((state->checks & bit) == 0)
			continue;
		if ((state->excluded & bit) != 0)
			len += snprintf(body + len, sizeof(body) - len, "[+]%s excluded: ok\n", check_names[i]);
		else if (state->failures[i] == NULL)
			len += snprintf(body + len, sizeof(body) - len, "[+]%s ok\n", check_names[i]);
		else
		{
			well = false;
			len += snprintf(body + len, sizeof(body) - len, "[-]%s failed: %s\n",
							check_names[i], state->failures[i]);
		}
	}
	if (well && !query_has(request->query, "verbose", NULL))
		len = 0;
	if (well)
		len += snprintf(body + len, sizeof(body) - len, "ok\n");
	page_reply(request, well ? HTTP_OK : HTTP_UNAVAILABLE, TYPE_TEXT, body, len);
}

static void
reply_state(PageRequest *request)
{
	const PageState *state = request->state;

	if (!state->is_json)
		reply_checks(request);
	else if (state->failures[CHECK_LINEARIZABLE_READ] != NULL)
	{
		char		reason[256];

		snprintf(reason, sizeof(reason), "RANGE ERROR:%s", state->failures[CHECK_LINEARIZABLE_READ]);
		reply_health(request, reason);
	}
	else
		reply_health(request, NULL);
}

/* ----------------------------------------------------------------
 *	Checks
 * ----------------------------------------------------------------
 */

/* Can a key be read from this member's own state?  NULL, or etcd's text of why not */
static const char *
try_read(void)
{
	StoreRangeInfo info;
	Mvccpb__KeyValue *kv;
	StoreError	error;

	if (call_store() == NULL || !health_is_serving())
		return error_timeout.text;
	error = store_get(call_store(), NULL, "health", strlen("health"), 0, &kv, &info);
	return error == STORE_OK ? NULL : errors_of_store(error)->text;
}

static bool
alarm_is_on(int kind)
{
	return call_store() != NULL && store_alarm_active(store_read_meta(call_store()), kind);
}

/* MemberCallDone */
static void
barrier_passed(MemberCallOutcome outcome, Quorum__Result *result,
			   const char *answer, uint32 answer_len, void *arg)
{
	PageRequest *request = arg;
	PageState  *state = request->state;

	state->barrier = NULL;
	if (outcome != MEMBER_CALL_DONE)
		state->failures[CHECK_LINEARIZABLE_READ] = errors_of_outcome(outcome)->text;
	reply_state(request);
}

static void
begin_barrier(PageRequest *request)
{
	((PageState *) request->state)->barrier =
		member_call_read(Min(setting_request_timeout, BARRIER_MS), barrier_passed, request);
}

static PageState *
new_state(PageRequest *request)
{
	request->state = MemoryContextAllocZero(request->context, sizeof(PageState));
	return request->state;
}

static void
get_checks(PageRequest *request, int checks)
{
	PageState  *state = new_state(request);
	int			i;

	state->checks = checks;
	for (i = 0; i < CHECK_COUNT; i++)
	{
		if (query_has(request->query, "exclude", check_names[i]))
			state->excluded |= 1 << i;
	}
	checks &= ~state->excluded;
	if ((checks & (1 << CHECK_DATA_CORRUPTION)) && alarm_is_on(ETCDSERVERPB__ALARM_TYPE__CORRUPT))
		state->failures[CHECK_DATA_CORRUPTION] = "alarm activated: CORRUPT";
	if (checks & (1 << CHECK_SERIALIZABLE_READ))
		state->failures[CHECK_SERIALIZABLE_READ] = try_read();
	if ((checks & (1 << CHECK_NON_LEARNER)) && member_is_learner())
		state->failures[CHECK_NON_LEARNER] = "not supported for learner";
	if (checks & (1 << CHECK_LINEARIZABLE_READ))
		begin_barrier(request);
	else
		reply_state(request);
}

static void
get_health(PageRequest *request)
{
	bool		serializable = query_has(request->query, "serializable", "true");
	MemberStatus status;
	const char *failure;

	new_state(request)->is_json = true;
	if (!query_has(request->query, "exclude", "NOSPACE") &&
		alarm_is_on(ETCDSERVERPB__ALARM_TYPE__NOSPACE))
	{
		reply_health(request, "ALARM NOSPACE");
		return;
	}
	if (!query_has(request->query, "exclude", "CORRUPT") &&
		alarm_is_on(ETCDSERVERPB__ALARM_TYPE__CORRUPT))
	{
		reply_health(request, "ALARM CORRUPT");
		return;
	}
	member_get_status(&status);
	if (!serializable && status.leader_id == 0)
	{
		reply_health(request, "RAFT NO LEADER");
		return;
	}
	if (!serializable)
	{
		begin_barrier(request);
		return;
	}
	failure = try_read();
	reply_health(request, failure != NULL ? psprintf("RANGE ERROR:%s", failure) : NULL);
}

/* ----------------------------------------------------------------
 *	The pages
 * ----------------------------------------------------------------
 */

void
page_get(PageRequest *request)
{
	static const char version[] = "{\"etcdserver\":\"" GATEWAY_VERSION "\",\"etcdcluster\":\""
		GATEWAY_VERSION "\",\"storage\":\"" GATEWAY_VERSION "\"}";
	char	   *text;

	if (strcmp(request->path, "/version") == 0)
		page_reply(request, HTTP_OK, TYPE_JSON, version, strlen(version));
	else if (strcmp(request->path, "/metrics") == 0)
	{
		text = metrics_text();
		page_reply(request, HTTP_OK, TYPE_METRICS, text, strlen(text));
	}
	else if (strcmp(request->path, "/health") == 0)
		get_health(request);
	else
		get_checks(request, checks_of_path(request->path));
}

void
page_ended(PageRequest *request)
{
	PageState  *state = request->state;

	if (state != NULL && state->barrier != NULL)
	{
		member_call_abandon(state->barrier);
		state->barrier = NULL;
	}
}
