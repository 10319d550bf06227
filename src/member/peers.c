/*-------------------------------------------------------------------------
 *
 * peers.c
 *	  Connections to the other members: libpq, and batches as copy data.
 *
 * A link connects as any client does and calls quorum.raft_stream(), which puts
 * it into COPY mode; from then on every batch of messages is one piece of copy
 * data.  Nothing is answered: whatever comes in on such a link is an error,
 * and its end.  What the peer does not read stays in its socket, then in ours, then
 * in libpq's buffer, up to a limit.
 *
 * Messages may be lost here at any time (link down, too much waiting): the
 * core expects that of a network.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/peers.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "libpq-fe.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#include "../clock.h"
#include "../settings.h"
#include "address.h"
#include "worker.h"
#include "../compat.h"

#define CONNECT_TIMEOUT_MS		5000
#define RETRY_MIN_MS			50
#define RETRY_MAX_MS			2000
#define RETRY_REFUSED_MS		5000	/* after the peer said no */
#define RETRY_NOT_YET_MS		300		/* after it said that it is about to join */
#define RETRY_JOIN_MS			2000	/* after it said that we may not join */
#define MAX_BYTES_WAITING		((uint64) 64 * 1024 * 1024)
#define BLOCKED_TIMEOUT_MS		10000
#define SETTLED_MS				2000	/* not refused for so long: the peer takes what we send */

/* A batch goes out when it has so much: a peer takes batches of several of it. */
#define BATCH_BYTES				((size_t) 1024 * 1024)

typedef enum LinkState
{
	LINK_DOWN,
	LINK_CONNECTING,
	LINK_ENTERING,				/* has called, is not in COPY mode yet */
	LINK_READY
} LinkState;

struct Link
{
	Peer	   *peer;
	LinkKind	kind;
	LinkState	state;
	PGconn	   *conn;
	PostgresPollingStatusType polling;
	ClockTime	since;			/* not ready: when begun; blocked: since when */
	ClockTime	retry_at;
	int			retry_ms;
	ClockTime	ready_at;		/* ready: since when */
	bool		wanted;			/* LINK_STATE is opened on demand */
	bool		blocked;		/* output waits for the socket */
	uint64		bytes_waiting;	/* put into libpq's buffer since it was last empty */
	bool		has_input;		/* the wait set says so */
	char	   *last_error;		/* to log each failure once */

	pgsocket	socket;			/* as last put into the wait set */
	int			event_pos;		/* -1: not in it */
	uint32		event_mask;

	/* collected during the turn, sent by peers_flush() */
	Quorum__PeerBatch batch;
	size_t		messages_size;
	size_t		forwards_size;
	size_t		refused_size;
	size_t		questions_size;
	size_t		answers_size;
	size_t		batch_bytes;	/* payload in it, about */
};

static bool events_stale = true;

/* ---------- set-up ---------- */

static Link *
link_create(Peer *peer, LinkKind kind)
{
	Link	   *link = MemoryContextAllocZero(worker->context, sizeof(Link));

	link->peer = peer;
	link->kind = kind;
	link->state = LINK_DOWN;
	link->retry_ms = RETRY_MIN_MS;
	link->wanted = kind != LINK_STATE;
	link->socket = PGINVALID_SOCKET;
	link->event_pos = -1;
	quorum__peer_batch__init(&link->batch);
	return link;
}

static void
link_forget_batch(Link *link)
{
	/* the arrays live in the turn's context */
	quorum__peer_batch__init(&link->batch);
	link->messages_size = link->forwards_size = link->refused_size = 0;
	link->questions_size = link->answers_size = 0;
	link->batch_bytes = 0;
}

/*
 * libpq's last message on one line; palloc'd.
 */
static char *
link_message(Link *link)
{
	char	   *message = pchomp(PQerrorMessage(link->conn));
	char	   *c;

	for (c = message; *c; c++)
		if (*c == '\n' || *c == '\t')
			*c = ' ';
	return message;
}

/*
 * Close a link.  why (may be NULL) is logged unless it is what was logged last.
 */
static void
link_close(Link *link, const char *why)
{
	bool		was_ready = link->state == LINK_READY;

	if (why != NULL && (link->last_error == NULL || strcmp(link->last_error, why) != 0))
	{
		ereport(LOG,
				(errmsg("could not talk to member \"%s\": %s", link->peer->name, why)));
		if (link->last_error)
			pfree(link->last_error);
		link->last_error = MemoryContextStrdup(worker->context, why);
	}
	if (why != NULL)
		stats_add_peer(link->peer->id, PEER_STAT_FAILURES, 1);
	if (link->conn != NULL)
	{
		PQfinish(link->conn);
		link->conn = NULL;
	}
	link->state = LINK_DOWN;
	link->blocked = false;
	link->bytes_waiting = 0;
	link->has_input = false;
	link->socket = PGINVALID_SOCKET;
	link->event_pos = -1;
	events_stale = true;

	/* back off, with jitter so that members do not knock in step */
	link->retry_at = clock_plus_ms(clock_now(), link->retry_ms / 2 +
								   pg_prng_uint64_range(&pg_global_prng_state, 0, link->retry_ms));
	link->retry_ms = Max(Min(link->retry_ms * 2, RETRY_MAX_MS), Min(link->retry_ms, RETRY_REFUSED_MS));

	if (was_ready && worker->raft != NULL && link->kind == LINK_BULK)
		(void) raft_report_unreachable(worker->raft, link->peer->id);
	if (link->kind == LINK_STATE)
		catchup_peer_lost(link->peer->id);
}

static void
link_free(Link *link)
{
	if (link->conn != NULL)
		PQfinish(link->conn);
	if (link->last_error != NULL)
		pfree(link->last_error);
	pfree(link);
}

/*
 * The parameters of a connection: one more.
 */
static void
add_parameter(PeerConnection *params, const char *keyword, const char *value)
{
	params->keywords[params->n] = keyword;
	params->values[params->n++] = value;
}

/*
 * peers_connection() -- the parameters of a connection to a member, from its conninfo or
 * address.  False if that is invalid.  Options are to be freed by PQconninfoFree(), not
 * before the parameters have been used.  Any process.
 */
bool
peers_connection(const char *conninfo, PeerConnection *params)
{
	PQconninfoOption *opt;
	bool		have_dbname = false;
	char	   *parse_error = NULL;

	memset(params, 0, sizeof(*params));
	if (address_is_url(conninfo))
		conninfo = address_from_url(conninfo);
	params->options = conninfo == NULL ? NULL : PQconninfoParse(conninfo, &parse_error);
	if (params->options == NULL)
	{
		if (parse_error)
			PQfreemem(parse_error);
		return false;
	}
	for (opt = params->options; opt->keyword != NULL && params->n < 48; opt++)
	{
		if (opt->val == NULL || strcmp(opt->keyword, "options") == 0 ||
			strcmp(opt->keyword, "application_name") == 0)
			continue;
		if (strcmp(opt->keyword, "dbname") == 0)
			have_dbname = true;
		if (strcmp(opt->keyword, "host") == 0)
			params->host = opt->val;
		if (strcmp(opt->keyword, "hostaddr") == 0)
			params->have_address = true;
		add_parameter(params, opt->keyword, opt->val);
	}
	if (!have_dbname)
		add_parameter(params, "dbname", setting_database);
	add_parameter(params, "application_name", psprintf("pg_quorum/%s", setting_member_name));
	add_parameter(params, "options",
				  "-c statement_timeout=0 -c lock_timeout=0 -c idle_session_timeout=0"
				  " -c idle_in_transaction_session_timeout=0 -c client_min_messages=error -c jit=off");
	add_parameter(params, "client_encoding", "UTF8");
	add_parameter(params, "keepalives", "1");
	add_parameter(params, "keepalives_idle", "5");
	add_parameter(params, "keepalives_interval", "2");
	add_parameter(params, "keepalives_count", "3");
	add_parameter(params, "tcp_user_timeout", "10000");
	return true;
}

/*
 * Begin to connect.  Nothing of the conninfo may get into a log line: it can
 * hold a password.
 */
static void
link_connect(Link *link)
{
	PeerConnection params;
	char		address[64];

	if (!peers_connection(link->peer->conninfo, &params))
	{
		link_close(link, "invalid conninfo");
		link->retry_ms = RETRY_MAX_MS;
		return;
	}
	if (params.host != NULL && !params.have_address && !resolve_is_address(params.host))
	{
		/* the name stays, for certificates; libpq connects to the address */
		if (!resolve_lookup(params.host, address, sizeof(address)))
		{
			PQconninfoFree(params.options);
			link->retry_at = clock_plus_ms(clock_now(), RETRY_MIN_MS);
			return;
		}
		add_parameter(&params, "hostaddr", address);
	}

	link->conn = PQconnectStartParams(params.keywords, params.values, 0);
	PQconninfoFree(params.options);
	link->since = clock_now();
	if (link->conn == NULL || PQstatus(link->conn) == CONNECTION_BAD)
	{
		link_close(link, link->conn ? link_message(link) : "out of memory");
		return;
	}
	link->state = LINK_CONNECTING;
	link->polling = PGRES_POLLING_WRITING;
	events_stale = true;
}

/*
 * Hand libpq's output to the kernel, as far as that takes it.
 */
static void
link_flush(Link *link)
{
	int			rc = PQflush(link->conn);

	if (rc < 0)
	{
		link_close(link, link_message(link));
		return;
	}
	if (rc == 0)
		link->bytes_waiting = 0;
	else if (!link->blocked)
		link->since = clock_now();
	link->blocked = rc == 1;
}

/*
 * The connection stands: ask for COPY mode.
 */
static void
link_established(Link *link, ClockTime now)
{
	if (PQsetnonblocking(link->conn, 1) != 0 ||
		PQsendQuery(link->conn, "CALL quorum.raft_stream()") != 1)
	{
		link_close(link, link_message(link));
		return;
	}
	link->state = LINK_ENTERING;
	link->since = now;
	events_stale = true;
	link_flush(link);
}

/* ---------- answers ---------- */

/*
 * The peer has ended the stream, or refused it: note why.
 */
static void
link_refused(Link *link, const PGresult *res)
{
	const char *sqlstate = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	char	   *why = pchomp(message ? message : PQresultErrorMessage(res));
	int			retry_ms = 0;

	if (why[0] == '\0')
		why = "connection closed";
	if (sqlstate == NULL)
		sqlstate = "";
	if (strcmp(sqlstate, "55000") == 0)
		link->retry_ms = RETRY_REFUSED_MS;
	else if (strcmp(sqlstate, PEER_TWIN) == 0)
		worker_set_role(MEMBER_QUARANTINED,
						"Another instance bears this member's identity: this one is a copy, or was restored from one.");
	else if (strcmp(sqlstate, PEER_REMOVED) == 0)
	{
		worker_set_role(MEMBER_QUARANTINED, MEMBER_REASON_REMOVED);
		retry_ms = RETRY_REFUSED_MS;
	}
	else if (strcmp(sqlstate, PEER_NOT_YET) == 0)
		retry_ms = RETRY_NOT_YET_MS;
	else if (strcmp(sqlstate, PEER_NOT_ADMITTED) == 0)
	{
		membership_not_admitted(why, PQresultErrorField(res, PG_DIAG_MESSAGE_DETAIL));
		retry_ms = RETRY_JOIN_MS;
	}
	/* what is said in another way is not logged here */
	link_close(link, retry_ms == 0 ? why : NULL);
	if (retry_ms > 0)
		link->retry_at = clock_plus_ms(clock_now(), retry_ms);
}

/*
 * Read the answer to the call.
 */
static void
link_enter(Link *link)
{
	PGresult   *res;

	if (PQconsumeInput(link->conn) != 1)
	{
		link_close(link, link_message(link));
		return;
	}
	if (PQisBusy(link->conn))
		return;
	res = PQgetResult(link->conn);
	if (PQresultStatus(res) != PGRES_COPY_IN)
	{
		link_refused(link, res);
		PQclear(res);
		return;
	}
	PQclear(res);
	link->state = LINK_READY;
	link->ready_at = clock_now();
	stats_add_peer(link->peer->id, PEER_STAT_CONNECTS, 1);
	link->retry_ms = RETRY_MIN_MS;
}

/*
 * Something came in on a link in COPY mode: that is its end.  libpq does not
 * look at an error before the copy is over.
 */
static void
link_ended(Link *link)
{
	PGresult   *res;

	(void) PQputCopyEnd(link->conn, NULL);
	if (PQconsumeInput(link->conn) != 1)
	{
		link_close(link, link_message(link));
		return;
	}
	if (PQisBusy(link->conn))
	{
		/* no whole message: it is not worth waiting for the rest */
		link_close(link, "connection closed");
		return;
	}
	res = PQgetResult(link->conn);
	link_refused(link, res);
	PQclear(res);
}

static void
link_poll(Link *link, ClockTime now)
{
	switch (link->state)
	{
		case LINK_DOWN:
			if (link->wanted && now >= link->retry_at)
				link_connect(link);
			break;

		case LINK_CONNECTING:
			link->polling = PQconnectPoll(link->conn);
			if (link->polling == PGRES_POLLING_OK)
				link_established(link, now);
			else if (link->polling == PGRES_POLLING_FAILED)
				link_close(link, link_message(link));
			else if (clock_exceeds(link->since, now, CONNECT_TIMEOUT_MS))
				link_close(link, "connection timed out");
			break;

		case LINK_ENTERING:
			if (link->blocked)
				link_flush(link);
			if (link->state == LINK_ENTERING)
				link_enter(link);
			if (link->state == LINK_ENTERING &&
				clock_exceeds(link->since, now, CONNECT_TIMEOUT_MS))
				link_close(link, "no answer in time");
			break;

		case LINK_READY:
			if (link->has_input)
			{
				link->has_input = false;
				link_ended(link);
				break;
			}
			if (link->last_error != NULL &&
				clock_exceeds(link->ready_at, now, SETTLED_MS))
			{
				pfree(link->last_error);
				link->last_error = NULL;
				ereport(LOG,
						(errmsg("talking to member \"%s\" again", link->peer->name)));
			}
			if (link->blocked)
			{
				link_flush(link);
				if (link->state == LINK_READY && link->blocked &&
					clock_exceeds(link->since, now, BLOCKED_TIMEOUT_MS))
					link_close(link, "nothing was taken in time");
			}
			break;
	}
}

/*
 * peers_poll() -- advance every link as far as it goes without waiting.
 */
void
peers_poll(void)
{
	ClockTime	now = clock_now();
	int			i;
	int			k;

	for (i = 0; i < worker->npeers; i++)
		for (k = 0; k < LINK_COUNT; k++)
			link_poll(worker->peers[i].links[k], now);
}

/*
 * peers_came_back() -- a member has opened a connection to this one, so it is to be had again:
 * do not wait for the end of the pauses between attempts.
 *
 * Only its new and accepted connections count.  A member that refuses this one while its own are
 * accepted is not called more often for that.
 */
void
peers_came_back(uint64 id)
{
	Peer	   *peer = peers_find(id);
	int			k;

	for (k = 0; peer != NULL && k < LINK_COUNT; k++)
	{
		Link	   *link = peer->links[k];

		link->retry_ms = Min(link->retry_ms, RETRY_MIN_MS);
		if (link->state == LINK_DOWN)
			link->retry_at = Min(link->retry_at, clock_now());
	}
}

/* ---------- sending ---------- */

static void link_send_batch(Link *link);

static bool
link_can_send(Link *link)
{
	return link->state == LINK_READY && link->bytes_waiting < MAX_BYTES_WAITING;
}

/*
 * Append to a growing array of pointers in the turn's context.
 */
static void *
grow_array(void *array, size_t n, size_t *size, size_t element)
{
	if (n < *size)
		return array;
	*size = Max(*size * 2, 16);
	return array == NULL ? palloc(*size * element) : repalloc(array, *size * element);
}

static Link *
link_for(Peer *peer, LinkKind kind)
{
	Link	   *link = peer->links[kind];

	if (!link_can_send(link) && kind == LINK_EXPRESS)
		link = peer->links[LINK_BULK];
	return link_can_send(link) ? link : NULL;
}

/*
 * Queue a core message for the link it belongs on; dropped if that is down.
 */
void
peers_queue_message(Peer *peer, Quorum__PeerMessage *message)
{
	bool		bulk = message->type == RAFT_MSG_APP || message->type == RAFT_MSG_PROP;
	Link	   *link = link_for(peer, bulk ? LINK_BULK : LINK_EXPRESS);
	size_t		i;

	if (link == NULL)
		return;
	link->batch.messages = grow_array(link->batch.messages, link->batch.n_messages,
									  &link->messages_size, sizeof(void *));
	link->batch.messages[link->batch.n_messages++] = message;
	for (i = 0; i < message->n_entries; i++)
		link->batch_bytes += message->entries[i]->data.len;
	if (link->batch_bytes >= BATCH_BYTES)
		link_send_batch(link);
}

/*
 * Queue a command for the leader; false if the link is down.  command must
 * live until peers_flush().
 */
bool
peers_queue_forward(Peer *peer, uint64 term, uint64 request, const char *command, uint32 len)
{
	Link	   *link = link_for(peer, LINK_BULK);
	Quorum__Forward *forward;

	if (link == NULL)
		return false;
	forward = palloc(sizeof(*forward));
	quorum__forward__init(forward);
	forward->term = term;
	forward->request = request;
	forward->command.data = (uint8_t *) command;
	forward->command.len = len;
	link->batch.forwards = grow_array(link->batch.forwards, link->batch.n_forwards,
									  &link->forwards_size, sizeof(void *));
	link->batch.forwards[link->batch.n_forwards++] = forward;
	link->batch_bytes += len;
	if (link->batch_bytes >= BATCH_BYTES)
		link_send_batch(link);
	return true;
}

/*
 * Tell a follower that its command was not proposed and can be tried again.
 */
void
peers_queue_refusal(Peer *peer, const Quorum__Forward *forward)
{
	Link	   *link = link_for(peer, LINK_EXPRESS);
	Quorum__Refusal *refusal;

	if (link == NULL)
		return;
	refusal = palloc(sizeof(*refusal));
	quorum__refusal__init(refusal);
	refusal->request = forward->request;
	refusal->term = forward->term;
	link->batch.refused = grow_array(link->batch.refused, link->batch.n_refused,
									 &link->refused_size, sizeof(void *));
	link->batch.refused[link->batch.n_refused++] = refusal;
}

/*
 * Queue a question for the leader; false if the link is down.  It must live
 * until peers_flush().
 */
bool
peers_queue_question(Peer *peer, Quorum__Question *question)
{
	Link	   *link = link_for(peer, LINK_EXPRESS);

	if (link == NULL)
		return false;
	link->batch.questions = grow_array(link->batch.questions, link->batch.n_questions,
									   &link->questions_size, sizeof(void *));
	link->batch.questions[link->batch.n_questions++] = question;
	link->batch_bytes += question->payload.len;
	if (link->batch_bytes >= BATCH_BYTES)
		link_send_batch(link);
	return true;
}

/*
 * Answer a member's question; if the link is down it will ask again.
 */
void
peers_queue_answer(Peer *peer, Quorum__Answer *answer)
{
	Link	   *link = link_for(peer, LINK_EXPRESS);

	if (link == NULL)
		return;
	link->batch.answers = grow_array(link->batch.answers, link->batch.n_answers,
									 &link->answers_size, sizeof(void *));
	link->batch.answers[link->batch.n_answers++] = answer;
	link->batch_bytes += answer->payload.len;
	if (link->batch_bytes >= BATCH_BYTES)
		link_send_batch(link);
}

/*
 * Send one batch to a member.
 */
static void
link_put_to(Link *link, uint64 to, Quorum__PeerBatch *batch)
{
	size_t		size = quorum__peer_batch__get_packed_size(batch);
	char	   *bytes = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(PeerHead) + size);
	PeerHead   *head = (PeerHead *) bytes;

	head->magic = PEER_MAGIC;
	head->version = PEER_VERSION;
	head->cluster_id = worker->meta.cluster_id;
	head->from = worker->meta.member_id;
	head->to = to;
	head->incarnation = worker->meta.incarnation;
	head->nonce = worker->nonce;
	quorum__peer_batch__pack(batch, (uint8_t *) bytes + sizeof(PeerHead));

	if (PQputCopyData(link->conn, bytes, sizeof(PeerHead) + size) == 1)
	{
		stats_add(STAT_MESSAGES_SENT, batch->n_messages);
		stats_add(STAT_BYTES_SENT, sizeof(PeerHead) + size);
		stats_add_peer(link->peer->id, PEER_STAT_MESSAGES_SENT, batch->n_messages);
		stats_add_peer(link->peer->id, PEER_STAT_BYTES_SENT, sizeof(PeerHead) + size);
		link->bytes_waiting += sizeof(PeerHead) + size;
		link_flush(link);
	}
	else
		link_close(link, link_message(link));
	pfree(bytes);
}

static void
link_put(Link *link, Quorum__PeerBatch *batch)
{
	link_put_to(link, link->peer->id, batch);
}

/*
 * Send what has been collected for a link.  If the link is down by now, commands
 * in it are known not to have left and can be tried again.
 */
static void
link_send_batch(Link *link)
{
	size_t		i;

	if (link->state == LINK_READY)
	{
		if (link->kind == LINK_EXPRESS)
			staleness_attach(link->peer, &link->batch);
		link_put(link, &link->batch);
	}
	else
		for (i = 0; i < link->batch.n_forwards; i++)
			requests_refused(link->batch.forwards[i]->request, link->batch.forwards[i]->term);
	link_forget_batch(link);
}

/*
 * peers_flush() -- one batch a link with all that was queued since the last.
 */
void
peers_flush(void)
{
	int			i;
	int			k;

	for (i = 0; i < worker->npeers; i++)
	{
		for (k = 0; k < LINK_COUNT; k++)
		{
			Link	   *link = worker->peers[i].links[k];

			if (link->batch.n_messages > 0 || link->batch.n_forwards > 0 ||
				link->batch.n_refused > 0 || link->batch.report != NULL ||
				link->batch.n_questions > 0 || link->batch.n_answers > 0 ||
				link->batch.n_members > 0 || link->batch.removed)
				link_send_batch(link);
		}
	}
}

/*
 * Send a piece of the state on the link for it, opening the link if need be;
 * false if it cannot go now.
 */
bool
peers_send_state(Peer *peer, Quorum__PeerBatch *batch)
{
	Link	   *link = peer->links[LINK_STATE];

	link->wanted = true;
	if (link->state != LINK_READY || link->blocked)
		return false;
	link_put(link, batch);
	return link->state == LINK_READY;
}

/*
 * Ask a member to be taken in.  It is addressed as 0: what id bears this
 * address by now is not known here.
 */
bool
peers_send_join(Peer *peer, Quorum__JoinRequest *join)
{
	Link	   *link = peer->links[LINK_STATE];
	Quorum__PeerBatch batch;

	link->wanted = true;
	if (link->state != LINK_READY || link->blocked)
		return false;
	quorum__peer_batch__init(&batch);
	batch.join = join;
	link_put_to(link, 0, &batch);
	return link->state == LINK_READY;
}

/*
 * Tell an instance which member it is from now on; addressed as above.
 */
void
peers_send_welcome(Peer *peer, Quorum__Welcome *welcome)
{
	Link	   *link = peer->links[LINK_STATE];
	Quorum__PeerBatch batch;

	link->wanted = true;
	if (link->state != LINK_READY || link->blocked)
		return;
	quorum__peer_batch__init(&batch);
	batch.welcome = welcome;
	link_put_to(link, 0, &batch);
}

/*
 * Tell a member who is who, as of a configuration entry.  members must live
 * until peers_flush().
 */
void
peers_queue_members(Peer *peer, Quorum__Member **members, int n, uint64 index)
{
	Link	   *link = link_for(peer, LINK_EXPRESS);

	if (link == NULL)
		return;
	link->batch.members = members;
	link->batch.n_members = n;
	link->batch.members_index = index;
}

/*
 * Tell a member that it is none any more.
 */
void
peers_queue_removed(Peer *peer)
{
	Link	   *link = link_for(peer, LINK_EXPRESS);

	if (link != NULL)
		link->batch.removed = true;
}

void
peers_send_report(Peer *peer, Quorum__StateReport *report)
{
	Link	   *link = link_for(peer, LINK_EXPRESS);

	if (link != NULL)
		link->batch.report = report;
}

bool
peers_connected(Peer *peer)
{
	return peer->links[LINK_EXPRESS]->state == LINK_READY ||
		peer->links[LINK_BULK]->state == LINK_READY;
}

/*
 * Since when is a member connected?  CLOCK_NEVER: it is not.
 */
ClockTime
peers_connected_since(Peer *peer)
{
	Link	   *link = peer->links[LINK_EXPRESS];

	return link->state == LINK_READY ? link->ready_at : CLOCK_NEVER;
}

/* ---------- the set of peers ---------- */

Peer *
peers_find(uint64 id)
{
	int			i;

	for (i = 0; i < worker->npeers; i++)
		if (worker->peers[i].id == id)
			return &worker->peers[i];
	return NULL;
}

static void
peer_set(Peer *peer, const Quorum__Member *member)
{
	if (peer->conninfo == NULL || strcmp(peer->conninfo, member->conninfo) != 0)
	{
		int			k;

		if (peer->conninfo != NULL)
			pfree(peer->conninfo);
		peer->conninfo = MemoryContextStrdup(worker->context, member->conninfo);
		for (k = 0; k < LINK_COUNT; k++)
			if (peer->links[k]->state != LINK_DOWN)
				link_close(peer->links[k], NULL);
	}
	if (peer->name == NULL || strcmp(peer->name, member->name) != 0)
	{
		if (peer->name != NULL)
			pfree(peer->name);
		peer->name = MemoryContextStrdup(worker->context, member->name);
	}
	peer->is_learner = member->is_learner;
	peer->promote = member->promote;
	peer->awaited = member->awaited;
	/* nobody is there yet, or somebody else at the same address */
	peer->links[LINK_EXPRESS]->wanted = peer->links[LINK_BULK]->wanted = !member->awaited;
}

/*
 * peers_reload() -- follow the members recorded in the store, or what a leader said of
 * them if that is newer (or, before anything is known, those of
 * pg_quorum.initial_cluster but for this one).  In a turn.
 */
void
peers_reload(void)
{
	List	   *members = NIL;
	ListCell   *lc;

	if (worker->hint != NIL &&
		worker->hint_index > store_meta(worker->store)->configuration_index)
		members = worker->hint;
	else
		members = store_read_members(worker->tree_rel);
	if (members == NIL)
	{
		foreach(lc, identity_initial_members())
		{
			Quorum__Member *member = lfirst(lc);

			if (strcmp(member->name, setting_member_name) != 0)
				members = lappend(members, member);
		}
	}
	peers_set(members);
}

/*
 * peers_set() -- replace the set of peers.  Links of those that stay are kept.
 */
void
peers_set(List *members)
{
	Peer	   *old = worker->peers;
	int			nold = worker->npeers;
	ListCell   *lc;
	int			i;
	int			k;

	worker->peers = MemoryContextAllocZero(worker->context,
										   sizeof(Peer) * Max(list_length(members), 1));
	worker->npeers = 0;
	foreach(lc, members)
	{
		Quorum__Member *member = lfirst(lc);
		Peer	   *peer;

		if (member->id == worker->meta.member_id || member->conninfo[0] == '\0')
			continue;
		peer = &worker->peers[worker->npeers++];
		for (i = 0; i < nold; i++)
		{
			if (old[i].id == member->id)
			{
				*peer = old[i];
				old[i].id = 0;
			}
		}
		if (peer->id == 0)
		{
			peer->id = member->id;
			for (k = 0; k < LINK_COUNT; k++)
				peer->links[k] = link_create(peer, k);
		}
		for (k = 0; k < LINK_COUNT; k++)
			peer->links[k]->peer = peer;
		peer_set(peer, member);
	}
	for (i = 0; i < nold; i++)
	{
		if (old[i].id == 0)
			continue;
		for (k = 0; k < LINK_COUNT; k++)
		{
			link_close(old[i].links[k], NULL);
			if (old[i].links[k]->last_error != NULL)
				pfree(old[i].links[k]->last_error);
			pfree(old[i].links[k]);
		}
		pfree(old[i].name);
		pfree(old[i].conninfo);
	}
	if (old != NULL)
		pfree(old);
	events_stale = true;
}

/*
 * peers_shutdown() -- close all links and have no peers.
 */
void
peers_shutdown(void)
{
	Peer	   *peers = worker->peers;
	int			n = worker->npeers;
	int			i;
	int			k;

	worker->peers = NULL;
	worker->npeers = 0;
	for (i = 0; i < n; i++)
	{
		for (k = 0; k < LINK_COUNT; k++)
			link_free(peers[i].links[k]);
		pfree(peers[i].name);
		pfree(peers[i].conninfo);
	}
	if (peers != NULL)
		pfree(peers);
	events_stale = true;
}

/* ---------- waiting ---------- */

static uint32
link_events(Link *link)
{
	if (link->state == LINK_CONNECTING)
		return link->polling == PGRES_POLLING_READING ? WL_SOCKET_READABLE : WL_SOCKET_WRITEABLE;
	if (link->blocked)
		return WL_SOCKET_READABLE | WL_SOCKET_WRITEABLE;
	return WL_SOCKET_READABLE;
}

/*
 * Has a socket come, gone or changed since the wait set was built?  libpq may
 * change it at any step of connecting.
 */
bool
peers_events_stale(void)
{
	int			i;
	int			k;

	if (events_stale)
		return true;
	for (i = 0; i < worker->npeers; i++)
	{
		for (k = 0; k < LINK_COUNT; k++)
		{
			Link	   *link = worker->peers[i].links[k];
			pgsocket	socket = link->conn ? PQsocket(link->conn) : PGINVALID_SOCKET;

			if (socket != link->socket || (socket != PGINVALID_SOCKET && link->event_pos < 0))
				return true;
		}
	}
	return false;
}

/*
 * Put every open socket into a fresh wait set.
 */
int
peers_add_events(WaitEventSet *set)
{
	int			n = 0;
	int			i;
	int			k;

	for (i = 0; i < worker->npeers; i++)
	{
		for (k = 0; k < LINK_COUNT; k++)
		{
			Link	   *link = worker->peers[i].links[k];

			link->socket = link->conn ? PQsocket(link->conn) : PGINVALID_SOCKET;
			link->event_pos = -1;
			if (link->socket == PGINVALID_SOCKET)
				continue;
			link->event_mask = link_events(link);
			link->event_pos = AddWaitEventToSet(set, link->event_mask, link->socket, NULL, link);
			n++;
		}
	}
	events_stale = false;
	return n;
}

/*
 * A socket of the wait set has something to say; peers_poll() looks at it.
 */
void
peers_event(void *link_ptr, uint32 events)
{
	Link	   *link = link_ptr;

	if ((events & WL_SOCKET_READABLE) && link->state == LINK_READY)
		link->has_input = true;
}

/*
 * Adjust what is waited for on each socket.
 */
void
peers_prepare_wait(WaitEventSet *set)
{
	int			i;
	int			k;

	for (i = 0; i < worker->npeers; i++)
	{
		for (k = 0; k < LINK_COUNT; k++)
		{
			Link	   *link = worker->peers[i].links[k];
			uint32		mask;

			if (link->event_pos < 0)
				continue;
			mask = link_events(link);
			if (mask != link->event_mask)
			{
				link->event_mask = mask;
				ModifyWaitEvent(set, link->event_pos, mask, NULL);
			}
		}
	}
}
