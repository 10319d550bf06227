/*-------------------------------------------------------------------------
 *
 * publish.c
 *	  Letting the cluster know under which URLs this member's gateway is reached.
 *
 * The URLs are in the record of the member, which every member has: clients ask any of them for the
 * list.  Now and then it is looked whether the record says what the setting says; if not,
 * the leader is asked to change it.  As the record is what decides, this needs no memory:
 * what was lost is asked again, what is there already is never asked for, and a cluster at rest
 * writes nothing.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/publish.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "clock.h"
#include "gateway/call.h"
#include "gateway/publish.h"
#include "member/calls.h"
#include "settings.h"
#include "store/pbmem.h"
#include "store/store.h"

/* How often the record is looked at; while it is wrong, and once it was right */
#define LOOK_SOON_MS		250
#define LOOK_LATER_MS		5000

/* As the leader accepts them */
#define URLS_MAX			16

static MemberCall *pending;
static ClockTime look_at = 0;

/* The URLs of the setting, palloc'd; returns how many */
static size_t
wanted_urls(char **urls)
{
	const char *text = setting_advertise_client_urls[0] != '\0' ?
		setting_advertise_client_urls : setting_listen_client_urls;
	size_t		n = 0;

	while (n < URLS_MAX)
	{
		size_t		len;

		text += strspn(text, ", \t\r\n");
		if (*text == '\0')
			break;
		len = strcspn(text, ", \t\r\n");
		urls[n++] = pnstrdup(text, len);
		text += len;
	}
	return n;
}

static bool
is_published(const Quorum__Member *record, char *const *urls, size_t n)
{
	size_t		i;

	if (record->n_client_urls != n)
		return false;
	for (i = 0; i < n; i++)
	{
		if (strcmp(record->client_urls[i], urls[i]) != 0)
			return false;
	}
	return true;
}

/* MemberCallDone: whatever came of it, the next look at the record tells */
static void
answered(MemberCallOutcome outcome, Quorum__Result *result,
		 const char *answer, uint32 answer_len, void *arg)
{
	pending = NULL;
	look_at = clock_plus_ms(gateway_now, outcome == MEMBER_CALL_DONE ? LOOK_SOON_MS : LOOK_LATER_MS);
}

static void
ask_leader(uint64 id, char **urls, size_t n)
{
	Quorum__MemberRequest request = QUORUM__MEMBER_REQUEST__INIT;
	char	   *question;
	uint32		len;

	request.kind = QUORUM__MEMBER_REQUEST__KIND__PUBLISH;
	request.id = id;
	request.client_urls = urls;
	request.n_client_urls = n;
	question = member_change_pack(&request, &len);
	pending = member_call_ask_leader(QUESTION_MEMBER_CHANGE, question, len, -1, answered, NULL);
}

long
publish_turn(void)
{
	char	   *urls[URLS_MAX];
	Quorum__Member *record;
	MemberStatus status;
	size_t		n;

	if (pending != NULL)
		return LOOK_LATER_MS;	/* woken by the answer */
	if (gateway_now < look_at)
		return (look_at - gateway_now) / 1000 + 1;

	look_at = clock_plus_ms(gateway_now, LOOK_LATER_MS);
	member_get_status(&status);
	record = store_find_member(call_store(), status.member_id);
	if (record == NULL || record->removed)
		return LOOK_LATER_MS;	/* not a member yet, or any more */
	n = wanted_urls(urls);
	if (is_published(record, urls, n))
		return LOOK_LATER_MS;
	if (status.leader_id != 0)
		ask_leader(status.member_id, urls, n);
	else
		look_at = clock_plus_ms(gateway_now, LOOK_SOON_MS);
	return LOOK_SOON_MS;
}

void
publish_reload(void)
{
	look_at = 0;
}
