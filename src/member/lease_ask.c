/*-------------------------------------------------------------------------
 *
 * lease_ask.c
 *	  Backends ask the leader about leases.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/lease_ask.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "../settings.h"
#include "lease_wire.h"

/*
 * Ask about n leases, not more than go into one question; the answer has
 * so many words for each.
 */
static char *
ask_about(QuestionKind kind, const int64 *ids, int n, int words)
{
	char	   *question = palloc(n * sizeof(int64));
	char	   *answer;
	uint32		len;
	int			i;

	for (i = 0; i < n; i++)
		lease_put_word(question, i, ids[i]);
	answer = member_ask_leader(kind, question, n * sizeof(int64), -1, &len);
	pfree(question);
	if (len != (uint32) n * words * sizeof(int64))
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("could not decode the leader's answer")));
	return answer;
}

void
member_lease_keepalive_many(const int64 *ids, int n, int64 *ttls)
{
	while (n > 0)
	{
		int			part = Min(n, LEASES_PER_QUESTION);
		char	   *answer = ask_about(QUESTION_LEASE_KEEPALIVE, ids, part, 1);
		int			i;

		for (i = 0; i < part; i++)
			ttls[i] = lease_get_word(answer, i);
		pfree(answer);
		ids += part;
		ttls += part;
		n -= part;
	}
}

int64
member_lease_keepalive(int64 id)
{
	int64		ttl;

	member_lease_keepalive_many(&id, 1, &ttl);
	return ttl;
}

void
member_lease_ttl_many(const int64 *ids, int n, MemberLeaseTime *times)
{
	while (n > 0)
	{
		int			part = Min(n, LEASES_PER_QUESTION);
		char	   *answer = ask_about(QUESTION_LEASE_TTL, ids, part, 2);
		int			i;

		for (i = 0; i < part; i++)
		{
			times[i].remaining_ms = lease_get_word(answer, 2 * i);
			times[i].granted = lease_get_word(answer, 2 * i + 1);
		}
		pfree(answer);
		ids += part;
		times += part;
		n -= part;
	}
}

bool
member_lease_ttl(int64 id, int64 *remaining_ms, int64 *granted_s)
{
	MemberLeaseTime time;

	member_lease_ttl_many(&id, 1, &time);
	*remaining_ms = time.remaining_ms;
	*granted_s = time.granted;
	return time.remaining_ms >= 0;
}

int64
member_min_lease_ttl(void)
{
	return ((int64) setting_election_timeout * 3 / 2 + 999) / 1000;
}
