/*-------------------------------------------------------------------------
 *
 * etcd_import.c
 *	  import_from_etcd(): a live etcd's keys, leases, users and roles.
 *
 * What etcd tells is made into chunks of a copy and goes the way of import(): out of
 * sight until the last of it has come, so an import that fails leaves nothing.
 *
 * The keys are those of one revision, read in pages at that revision.  Leases, users and
 * roles have no revisions in etcd.  A lease that a key of the revision has was there
 * at that moment, so it is among those that were listed before it or after it, unless
 * it was granted and ended in between; then the copy is refused, and can be tried
 * again.  A lease that ended meanwhile gets the shortest time to live, and takes its
 * keys with it as it did there.  Users come without their passwords, which etcd does not tell.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/sql/etcd_import.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid_d.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "clock.h"
#include "sql/etcd_client.h"
#include "sql/import.h"
#include "sql/sql.h"
#include "store/pbmem.h"

#include "compat.h"

/* Keys asked for at first, and at most; a page is to have about so many bytes */
#define PAGE_KEYS_FIRST		100
#define PAGE_KEYS_MOST		10000
#define PAGE_BYTES			(1024 * 1024)

/* A chunk is closed when it has so many bytes, or leases */
#define CHUNK_BYTES			(256 * 1024)
#define CHUNK_LEASES		4096

/* How often the client is told how far it has come */
#define PROGRESS_MS			5000

typedef struct LeaseEntry
{
	int64		id;
	int64		ttl;
} LeaseEntry;

typedef struct EtcdCopy
{
	EtcdClient *client;
	ImportRun  *run;
	uint64		copy;			/* its number */
	uint64		next_chunk;
	bool		auth_enabled;
	HTAB	   *leases;			/* LeaseEntry */
	int64		revision;
	uint64		keys;
	uint64		keys_done;
	ClockTime	told_at;
	MemoryContext page_context; /* of an answer and what is made of it */
} EtcdCopy;

#define CALL(copy, path, request, response) \
	((void *) etcd_client_call((copy)->client, path, &(request).base, &(response)))

/* ---------- chunks ---------- */

/* Send the chunk */
static void
send_chunk(EtcdCopy *copy, Quorum__CopyChunk *chunk)
{
	bool		trailer = chunk->trailer != NULL;
	MemoryContext old_context = MemoryContextSwitchTo(copy->run->chunk_context);
	uint32		len;
	char	   *bytes;

	chunk->copy = copy->copy;
	chunk->number = copy->next_chunk++;
	if (trailer)
	{
		chunk->trailer->digest.data = (uint8_t *) copy->run->digest;
		chunk->trailer->digest.len = sizeof(copy->run->digest);
	}
	bytes = copy_pack(chunk, &len);
	MemoryContextSwitchTo(old_context);
	import_take(copy->run, bytes, len);
}

static void
send_header(EtcdCopy *copy, uint64 cluster_id)
{
	Quorum__CopyChunk chunk = QUORUM__COPY_CHUNK__INIT;
	Quorum__CopyHeader header = QUORUM__COPY_HEADER__INIT;

	header.cluster_id = cluster_id;
	header.revision = copy->revision;
	header.keys = copy->keys;
	header.auth_enabled = copy->auth_enabled;
	header.version = "etcd";
	chunk.header = &header;
	send_chunk(copy, &chunk);
}

static void
send_trailer(EtcdCopy *copy)
{
	Quorum__CopyChunk chunk = QUORUM__COPY_CHUNK__INIT;
	Quorum__CopyTrailer trailer = QUORUM__COPY_TRAILER__INIT;

	trailer.keys = copy->run->state.keys;
	trailer.leases = copy->run->state.leases;
	chunk.trailer = &trailer;
	send_chunk(copy, &chunk);
}

/* ---------- users and roles ---------- */

static void
send_auth(EtcdCopy *copy, Quorum__CopyAuth__Kind kind, const char *name, const ProtobufCMessage *value)
{
	Quorum__CopyChunk chunk = QUORUM__COPY_CHUNK__INIT;
	Quorum__CopyAuth auth = QUORUM__COPY_AUTH__INIT;
	Quorum__CopyAuth *list = &auth;

	auth.kind = kind;
	auth.name.data = (uint8_t *) unconstify(char *, name);
	auth.name.len = strlen(name);
	auth.value.data = (uint8_t *) pb_pack(value, &auth.value.len);
	chunk.n_auth = 1;
	chunk.auth = &list;
	send_chunk(copy, &chunk);
}

static void
copy_role(EtcdCopy *copy, char *name)
{
	Etcdserverpb__AuthRoleGetRequest request = ETCDSERVERPB__AUTH_ROLE_GET_REQUEST__INIT;
	Etcdserverpb__AuthRoleGetResponse *response;
	Authpb__Role role = AUTHPB__ROLE__INIT;

	role.name.data = (uint8_t *) name;
	role.name.len = strlen(name);
	/* of root etcd makes up a permission for everything, which we need not be told */
	if (strcmp(name, STORE_ROOT) != 0)
	{
		request.role = name;
		response = CALL(copy, "/auth/role/get", request, etcdserverpb__auth_role_get_response__descriptor);
		role.n_keypermission = response->n_perm;
		role.keypermission = response->perm;
	}
	send_auth(copy, QUORUM__COPY_AUTH__KIND__ROLE, name, &role.base);
}

static void
copy_user(EtcdCopy *copy, char *name)
{
	Etcdserverpb__AuthUserGetRequest request = ETCDSERVERPB__AUTH_USER_GET_REQUEST__INIT;
	Etcdserverpb__AuthUserGetResponse *response;
	Authpb__User user = AUTHPB__USER__INIT;

	request.name = name;
	response = CALL(copy, "/auth/user/get", request, etcdserverpb__auth_user_get_response__descriptor);
	user.name.data = (uint8_t *) name;
	user.name.len = strlen(name);
	user.n_roles = response->n_roles;
	user.roles = response->roles;
	send_auth(copy, QUORUM__COPY_AUTH__KIND__USER, name, &user.base);
}

static void
copy_auth(EtcdCopy *copy)
{
	Etcdserverpb__AuthRoleListRequest role_request = ETCDSERVERPB__AUTH_ROLE_LIST_REQUEST__INIT;
	Etcdserverpb__AuthUserListRequest user_request = ETCDSERVERPB__AUTH_USER_LIST_REQUEST__INIT;
	Etcdserverpb__AuthRoleListResponse *roles;
	Etcdserverpb__AuthUserListResponse *users;
	size_t		i;

	roles = CALL(copy, "/auth/role/list", role_request, etcdserverpb__auth_role_list_response__descriptor);
	for (i = 0; i < roles->n_roles; i++)
		copy_role(copy, roles->roles[i]);
	users = CALL(copy, "/auth/user/list", user_request, etcdserverpb__auth_user_list_response__descriptor);
	for (i = 0; i < users->n_users; i++)
		copy_user(copy, users->users[i]);
	if (users->n_users > 0)
		ereport(NOTICE,
				(errmsg("users are copied without their passwords"),
				 errdetail("etcd does not tell them."),
				 errhint("Set them with quorum.user_change_password().")));
}

/* ---------- leases ---------- */

static void
list_leases(EtcdCopy *copy)
{
	Etcdserverpb__LeaseLeasesRequest request = ETCDSERVERPB__LEASE_LEASES_REQUEST__INIT;
	Etcdserverpb__LeaseLeasesResponse *response;
	size_t		i;

	response = CALL(copy, "/lease/leases", request, etcdserverpb__lease_leases_response__descriptor);
	for (i = 0; i < response->n_leases; i++)
	{
		bool		found;
		LeaseEntry *entry = hash_search(copy->leases, &response->leases[i]->id, HASH_ENTER, &found);

		if (!found)
			entry->ttl = 0;
	}
}

/* How long the leases live that have been listed */
static void
ask_ttls(EtcdCopy *copy)
{
	HASH_SEQ_STATUS scan;
	LeaseEntry *entry;

	hash_seq_init(&scan, copy->leases);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		Etcdserverpb__LeaseTimeToLiveRequest request = ETCDSERVERPB__LEASE_TIME_TO_LIVE_REQUEST__INIT;
		Etcdserverpb__LeaseTimeToLiveResponse *response;
		MemoryContext old_context = MemoryContextSwitchTo(copy->page_context);

		request.id = entry->id;
		response = CALL(copy, "/lease/timetolive", request,
						etcdserverpb__lease_time_to_live_response__descriptor);
		entry->ttl = Min(Max(response->ttl < 0 ? 1 : response->grantedttl, 1), STORE_MAX_LEASE_TTL);
		MemoryContextSwitchTo(old_context);
		MemoryContextReset(copy->page_context);
	}
}

static void
send_leases(EtcdCopy *copy)
{
	Quorum__CopyLease *leases = palloc(CHUNK_LEASES * sizeof(Quorum__CopyLease));
	Quorum__CopyLease **list = palloc(CHUNK_LEASES * sizeof(Quorum__CopyLease *));
	Quorum__CopyChunk chunk = QUORUM__COPY_CHUNK__INIT;
	HASH_SEQ_STATUS scan;
	LeaseEntry *entry;

	chunk.leases = list;
	hash_seq_init(&scan, copy->leases);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		Quorum__CopyLease *lease = &leases[chunk.n_leases];

		quorum__copy_lease__init(lease);
		lease->id = entry->id;
		lease->ttl = entry->ttl;
		list[chunk.n_leases++] = lease;
		if (chunk.n_leases == CHUNK_LEASES)
		{
			send_chunk(copy, &chunk);
			chunk.n_leases = 0;
		}
	}
	if (chunk.n_leases > 0)
		send_chunk(copy, &chunk);
	pfree(leases);
	pfree(list);
}

/* ---------- keys ---------- */

/* Everything, and at one revision; count alone finds out which */
static void
find_revision(EtcdCopy *copy, uint64 *cluster_id)
{
	Etcdserverpb__RangeRequest request = ETCDSERVERPB__RANGE_REQUEST__INIT;
	Etcdserverpb__RangeResponse *response;
	char		zero = '\0';

	request.key.data = request.range_end.data = (uint8_t *) &zero;
	request.key.len = request.range_end.len = 1;
	request.count_only = true;
	response = CALL(copy, "/kv/range", request, etcdserverpb__range_response__descriptor);
	if (response->header == NULL || response->header->revision < 1 || response->count < 0)
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("the endpoint did not answer as an etcd does")));
	copy->revision = response->header->revision;
	copy->keys = (uint64) response->count;
	*cluster_id = response->header->cluster_id;
}

static void
tell_progress(EtcdCopy *copy)
{
	ClockTime	now = clock_now();

	if (!clock_exceeds(copy->told_at, now, PROGRESS_MS))
		return;
	copy->told_at = now;
	ereport(NOTICE,
			(errmsg("copied %llu of %llu keys at revision %lld",
					(unsigned long long) copy->keys_done, (unsigned long long) copy->keys,
					(long long) copy->revision)));
}

/* Send the keys of a page, in chunks; returns how many bytes they have */
static Size
send_page(EtcdCopy *copy, const Etcdserverpb__RangeResponse *page)
{
	Quorum__CopyKey *keys = palloc(page->n_kvs * sizeof(Quorum__CopyKey));
	Quorum__CopyKey **list = palloc(page->n_kvs * sizeof(Quorum__CopyKey *));
	Size		total = 0;
	size_t		i = 0;

	while (i < page->n_kvs)
	{
		Quorum__CopyChunk chunk = QUORUM__COPY_CHUNK__INIT;
		Size		bytes = 0;

		chunk.keys = &list[i];
		for (; i < page->n_kvs && bytes < CHUNK_BYTES; i++)
		{
			const Mvccpb__KeyValue *kv = page->kvs[i];
			Quorum__CopyKey *key = &keys[i];

			if (kv->key.len > STORE_MAX_KEY_BYTES)
				ereport(ERROR,
						(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						 errmsg("a key of the etcd is too long"),
						 errdetail("It has %zu bytes, the limit is %d.", kv->key.len, STORE_MAX_KEY_BYTES)));
			if (kv->lease != 0 && hash_search(copy->leases, &kv->lease, HASH_FIND, NULL) == NULL)
				ereport(ERROR,
						(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						 errmsg("a lease came and went in the etcd while it was copied"),
						 errhint("Import again.")));
			quorum__copy_key__init(key);
			key->key = kv->key;
			key->value = kv->value;
			key->create_revision = kv->create_revision;
			key->mod_revision = kv->mod_revision;
			key->version = kv->version;
			key->lease = kv->lease;
			list[i] = key;
			chunk.n_keys++;
			bytes += kv->key.len + kv->value.len + 64;
		}
		send_chunk(copy, &chunk);
		total += bytes;
	}
	copy->keys_done += page->n_kvs;
	return total;
}

static void
copy_keys(EtcdCopy *copy)
{
	int64		limit = PAGE_KEYS_FIRST;
	char		from[STORE_MAX_KEY_BYTES + 1] = {'\0'};
	size_t		from_len = 1;	/* no key is smaller than one zero byte */
	char		zero = '\0';
	bool		more = copy->keys > 0;

	while (more)
	{
		Etcdserverpb__RangeRequest request = ETCDSERVERPB__RANGE_REQUEST__INIT;
		Etcdserverpb__RangeResponse *page;
		MemoryContext old_context = MemoryContextSwitchTo(copy->page_context);
		Size		bytes;

		request.key.data = (uint8_t *) from;
		request.key.len = from_len;
		request.range_end.data = (uint8_t *) &zero;
		request.range_end.len = 1;
		request.limit = limit;
		request.revision = copy->revision;
		page = CALL(copy, "/kv/range", request, etcdserverpb__range_response__descriptor);
		more = page->more && page->n_kvs > 0;
		bytes = send_page(copy, page);
		if (more)
		{
			const Mvccpb__KeyValue *last = page->kvs[page->n_kvs - 1];

			/* what comes next is not smaller than the last key and a zero byte */
			memcpy(from, last->key.data, last->key.len);
			from[last->key.len] = '\0';
			from_len = last->key.len + 1;
			limit = Max(Min((int64) (PAGE_BYTES / Max(bytes / page->n_kvs, 1)),
							Min(limit * 4, PAGE_KEYS_MOST)), 1);
		}
		MemoryContextSwitchTo(old_context);
		MemoryContextReset(copy->page_context);
		tell_progress(copy);
		CHECK_FOR_INTERRUPTS();
	}
}

/* ---------- all of it ---------- */

static void
run_copy(EtcdCopy *copy)
{
	uint64		cluster_id;

	list_leases(copy);
	find_revision(copy, &cluster_id);
	list_leases(copy);
	ask_ttls(copy);

	copy->run->state.revision = copy->revision;
	import_check(copy->run);
	import_start(copy->run);
	PG_TRY();
	{
		send_header(copy, cluster_id);
		copy_auth(copy);
		send_leases(copy);
		copy_keys(copy);
		send_trailer(copy);
	}
	PG_CATCH();
	{
		import_discard_detached(copy->run->import);
		PG_RE_THROW();
	}
	PG_END_TRY();
}

static char *
arg_text(FunctionCallInfo fcinfo, int argno)
{
	return PG_ARGISNULL(argno) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(argno));
}

/* A path on this server: who may name one may read files anyway */
static char *
arg_file(FunctionCallInfo fcinfo, int argno)
{
	if (PG_ARGISNULL(argno))
		return NULL;
	if (!has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to read files of the server"),
				 errhint("Only roles with privileges of the role pg_read_server_files may name certificates.")));
	return arg_text(fcinfo, argno);
}

/*
 * import_from_etcd(endpoint, username, password, revision, replace, ca_file, cert_file, key_file)
 */
PG_FUNCTION_INFO_V1(quorum_import_from_etcd);
Datum
quorum_import_from_etcd(PG_FUNCTION_ARGS)
{
	EtcdCopy   *copy = palloc0(sizeof(EtcdCopy));
	EtcdEndpoint endpoint;
	HASHCTL		ctl;
	char	   *user = arg_text(fcinfo, 1);
	char	   *password = arg_text(fcinfo, 2);

	if (password != NULL)
		sql_hide_statement("SELECT quorum.import_from_etcd(...)");
	sql_require_writable("import_from_etcd");
	sql_require_argument(fcinfo, 0, "endpoint");
	if (password != NULL && user == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a password needs a username")));
	endpoint.url = arg_text(fcinfo, 0);
	endpoint.ca_file = arg_file(fcinfo, 5);
	endpoint.cert_file = arg_file(fcinfo, 6);
	endpoint.key_file = arg_file(fcinfo, 7);
	copy->run = import_create(fcinfo, 3);

	if (!pg_strong_random(&copy->copy, sizeof(copy->copy)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate a random number")));
	copy->copy |= 1;			/* not 0 */
	copy->page_context = AllocSetContextCreate(CurrentMemoryContext, "quorum etcd page",
											   ALLOCSET_DEFAULT_SIZES);
	memset(&ctl, 0, sizeof(ctl));
	ctl.keysize = sizeof(int64);
	ctl.entrysize = sizeof(LeaseEntry);
	ctl.hcxt = CurrentMemoryContext;
	copy->leases = hash_create("quorum etcd leases", 1024, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	copy->told_at = clock_now();

	copy->client = etcd_client_open(&endpoint);
	if (user != NULL)
		copy->auth_enabled = etcd_client_login(copy->client, user, password != NULL ? password : "");
	run_copy(copy);
	PG_RETURN_INT64(copy->run->result);
}
