/*-------------------------------------------------------------------------
 *
 * cluster.c
 *	  The Cluster service: who is a member, and changes of that.
 *
 * Changes are the leader's to make (src/member/reconfigure.c), which also decides who may ask for
 * them.  What differs from SQL is the form: a member is where etcd's URL says,
 * and is added without a name, which it brings along when it comes.  A conninfo says more than a
 * URL can: a member that is added or moved by a URL is otherwise reached as before, or as
 * this one is.
 *
 * As in etcd, the headers of this service say nothing of a revision.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/cluster.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "postmaster/postmaster.h"

#include "gateway/caller.h"
#include "gateway/errors.h"
#include "gateway/header.h"
#include "gateway/request.h"
#include "member/address.h"
#include "store/store.h"

/* A call that changes the membership */
typedef struct Change
{
	Request		request;
	uint64		removes;		/* the member that is to be removed; 0: another change */
	uint64		subject;		/* the member that was changed */
} Change;

/* ----------------------------------------------------------------
 *	Members as etcd shows them
 * ----------------------------------------------------------------
 */

/* Where a member is; of a cluster of one that nobody else need find, the port alone is known */
static char *
peer_url(const Quorum__Member *record, uint64 self)
{
	char	   *url = record->conninfo[0] != '\0' ? address_to_url(record->conninfo) : NULL;

	if (url == NULL && record->id == self)
		url = psprintf("http://localhost:%d", PostPortNumber);
	return url;
}

static Etcdserverpb__Member *
make_member(const Quorum__Member *record, uint64 self)
{
	Etcdserverpb__Member *member = palloc(sizeof(*member));
	char	   *url = peer_url(record, self);

	etcdserverpb__member__init(member);
	member->id = record->id;
	member->name = record->name;
	if (url != NULL)
	{
		member->peerurls = palloc(sizeof(char *));
		member->peerurls[0] = url;
		member->n_peerurls = 1;
	}
	member->clienturls = record->client_urls;
	member->n_clienturls = record->n_client_urls;
	member->islearner = record->is_learner;
	return member;
}

/* All members but one (0: none); and, if wanted, which of them is the subject (NULL if it is not
 * there) */
static Etcdserverpb__Member **
make_members(size_t *n, uint64 without, uint64 subject_id, Etcdserverpb__Member **subject)
{
	List	   *records = store_read_members(call_store());
	Etcdserverpb__Member **members = palloc((list_length(records) + 1) * sizeof(void *));
	uint64		cluster;
	uint64		self;
	uint64		term;
	ListCell   *lc;

	member_get_identity(&cluster, &self, &term);
	*n = 0;
	foreach(lc, records)
	{
		const Quorum__Member *record = lfirst(lc);

		if (record->id == without)
			continue;
		members[*n] = make_member(record, self);
		if (subject != NULL && record->id == subject_id)
			*subject = members[*n];
		(*n)++;
	}
	return members;
}

/* ----------------------------------------------------------------
 *	MemberList
 * ----------------------------------------------------------------
 */

static void
answer_list(Call *call)
{
	Etcdserverpb__MemberListResponse response = ETCDSERVERPB__MEMBER_LIST_RESPONSE__INIT;
	Etcdserverpb__ResponseHeader header;
	StoreError	error = caller_require_user(call);

	if (error != STORE_OK)
	{
		errors_finish(call, error);
		return;
	}
	response.members = make_members(&response.n_members, 0, 0, NULL);
	header_fill(&header, 0);
	response.header = &header;
	call_reply(call, &response.base);
}

static void
member_list(Call *call, const ProtobufCMessage *message)
{
	(void) request_new(call, sizeof(Change));
	if (((const Etcdserverpb__MemberListRequest *) message)->linearizable)
		request_barrier(call, answer_list);
	else
		answer_list(call);
}

/* ----------------------------------------------------------------
 *	Changes
 * ----------------------------------------------------------------
 */

/* The reply of each kind of change: all members as they are then */
static void
reply_changed(Call *call, void *arg)
{
	const Change *change = call->state;
	Etcdserverpb__ResponseHeader header;
	Etcdserverpb__Member *subject = NULL;
	size_t		n;
	Etcdserverpb__Member **members = make_members(&n, change->removes, change->subject, &subject);

	header_fill(&header, 0);
	if (call->method->response == &etcdserverpb__member_add_response__descriptor)
	{
		Etcdserverpb__MemberAddResponse response = ETCDSERVERPB__MEMBER_ADD_RESPONSE__INIT;

		response.header = &header;
		response.member = subject;
		response.members = members;
		response.n_members = n;
		call_reply(call, &response.base);
	}
	else if (call->method->response == &etcdserverpb__member_remove_response__descriptor)
	{
		Etcdserverpb__MemberRemoveResponse response = ETCDSERVERPB__MEMBER_REMOVE_RESPONSE__INIT;

		response.header = &header;
		response.members = members;
		response.n_members = n;
		call_reply(call, &response.base);
	}
	else if (call->method->response == &etcdserverpb__member_update_response__descriptor)
	{
		Etcdserverpb__MemberUpdateResponse response = ETCDSERVERPB__MEMBER_UPDATE_RESPONSE__INIT;

		response.header = &header;
		response.members = members;
		response.n_members = n;
		call_reply(call, &response.base);
	}
	else
	{
		Etcdserverpb__MemberPromoteResponse response = ETCDSERVERPB__MEMBER_PROMOTE_RESPONSE__INIT;

		response.header = &header;
		response.members = members;
		response.n_members = n;
		call_reply(call, &response.base);
	}
}

/* MemberCallDone: this member has followed, or will not; the change is made in any case */
static void
followed(MemberCallOutcome outcome, Quorum__Result *result,
		 const char *answer, uint32 answer_len, void *arg)
{
	Call	   *call = arg;

	((Change *) call->state)->request.pending = NULL;
	call_run_later(call, reply_changed, NULL);
}

/*
 * The leader has applied the change, or refused it.  The members are shown as this member knows
 * them, so it has to apply the change first; one that is no member any more never will.
 */
static void
changed(Call *call, const char *answer, uint32 len)
{
	Change	   *change = call->state;
	Quorum__Result *result;
	MemberStatus status;

	if (answer == NULL)
	{
		/* a member that removes itself may hear of that before it hears the answer */
		member_get_status(&status);
		if (change->removes != 0 && change->removes == status.member_id)
			call_run_later(call, reply_changed, NULL);
		else
			errors_finish_outcome(call, MEMBER_CALL_UNKNOWN);
		return;
	}
	result = member_change_unpack(answer, len);
	if (result == NULL)
		call_finish(call, GRPC_INTERNAL, "etcdserver: the leader's answer cannot be read");
	else if (result->error != STORE_OK)
		errors_finish(call, (StoreError) result->error);
	else
	{
		change->subject = (uint64) result->number;
		change->request.pending = member_call_read(-1, followed, call);
	}
}

/* Put a request to the leader on behalf of the caller */
static void
ask_for(Call *call, Quorum__MemberRequest *request)
{
	StoreCaller caller;
	StoreError	error = caller_of_call(call, &caller);
	Change	   *change;
	char	   *question;
	uint32		len;

	if (error != STORE_OK)
	{
		errors_finish(call, error);
		return;
	}
	change = request_new(call, sizeof(Change));
	if (request->kind == QUORUM__MEMBER_REQUEST__KIND__REMOVE)
		change->removes = request->id;
	request->user = unconstify(char *, caller.user);
	request->auth_revision = caller.auth_revision;
	question = member_change_pack(request, &len);
	request_ask_leader(call, QUESTION_MEMBER_CHANGE, question, len, changed);
}

/*
 * The one URL of a request, of the form that etcd demands: with a port, without a path.  NULL
 * if it is another; then the call has ended.
 */
static const char *
take_url(Call *call, char *const *urls, size_t n)
{
	const char *authority;
	const char *host_end;

	if (n == 1 && address_is_url(urls[0]) && member_conninfo_is_valid(urls[0]))
	{
		authority = strstr(urls[0], "://") + 3;
		host_end = strchr(authority, ']');
		if (strchr(authority, '/') == NULL &&
			strchr(host_end != NULL ? host_end : authority, ':') != NULL)
			return urls[0];
	}
	call_finish(call, GRPC_INVALID_ARGUMENT,
					   "etcdserver: given member URLs are invalid");
	return NULL;
}

/* How to reach a member there is: the conninfo of its record, else that of this member's */
static const char *
conninfo_known(uint64 id)
{
	Quorum__Member *record = store_find_member(call_store(), id);
	MemberStatus status;

	if (record == NULL || record->removed || record->conninfo[0] == '\0')
	{
		member_get_status(&status);
		record = store_find_member(call_store(), status.member_id);
	}
	return record != NULL ? record->conninfo : "";
}

/* What a conninfo becomes by a URL; the URL itself where there is nothing to keep */
static char *
moved(const char *conninfo, const char *url)
{
	char	   *result;

	if (conninfo[0] == '\0' || address_is_url(conninfo))
		return pstrdup(url);
	result = address_move(conninfo, url);
	return result != NULL && strlen(result) <= MEMBER_CONNINFO_LEN ? result : pstrdup(url);
}

static void
member_add(Call *call, const ProtobufCMessage *message)
{
	const Etcdserverpb__MemberAddRequest *wanted =
		(const Etcdserverpb__MemberAddRequest *) message;
	Quorum__MemberRequest request = QUORUM__MEMBER_REQUEST__INIT;
	const char *url = take_url(call, wanted->peerurls, wanted->n_peerurls);

	if (url == NULL)
		return;
	request.kind = QUORUM__MEMBER_REQUEST__KIND__ADD;
	request.conninfo = moved(conninfo_known(0), url);
	request.learner = wanted->islearner;
	ask_for(call, &request);
}

static void
member_update(Call *call, const ProtobufCMessage *message)
{
	const Etcdserverpb__MemberUpdateRequest *wanted =
		(const Etcdserverpb__MemberUpdateRequest *) message;
	Quorum__MemberRequest request = QUORUM__MEMBER_REQUEST__INIT;
	const char *url = take_url(call, wanted->peerurls, wanted->n_peerurls);

	if (url == NULL)
		return;
	request.kind = QUORUM__MEMBER_REQUEST__KIND__UPDATE;
	request.id = wanted->id;
	request.conninfo = moved(conninfo_known(wanted->id), url);
	ask_for(call, &request);
}

static void
member_remove(Call *call, const ProtobufCMessage *message)
{
	Quorum__MemberRequest request = QUORUM__MEMBER_REQUEST__INIT;

	request.kind = QUORUM__MEMBER_REQUEST__KIND__REMOVE;
	request.id = ((const Etcdserverpb__MemberRemoveRequest *) message)->id;
	ask_for(call, &request);
}

static void
member_promote(Call *call, const ProtobufCMessage *message)
{
	Quorum__MemberRequest request = QUORUM__MEMBER_REQUEST__INIT;

	request.kind = QUORUM__MEMBER_REQUEST__KIND__PROMOTE;
	request.id = ((const Etcdserverpb__MemberPromoteRequest *) message)->id;
	ask_for(call, &request);
}

#define CLUSTER_METHOD(name, json_path, message_name) \
	{ \
		.path = "/etcdserverpb.Cluster/" name, \
		.json_paths = {"/cluster/member/" json_path}, \
		.request = &etcdserverpb__##message_name##_request__descriptor, \
		.response = &etcdserverpb__##message_name##_response__descriptor, \
		.message = message_name, \
		.ended = request_ended \
	}

const Method cluster_methods[] = {
	CLUSTER_METHOD("MemberAdd", "add", member_add),
	CLUSTER_METHOD("MemberRemove", "remove", member_remove),
	CLUSTER_METHOD("MemberUpdate", "update", member_update),
	CLUSTER_METHOD("MemberList", "list", member_list),
	CLUSTER_METHOD("MemberPromote", "promote", member_promote),
	{.path = NULL}
};
