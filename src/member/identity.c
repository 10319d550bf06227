/*-------------------------------------------------------------------------
 *
 * identity.c
 *	  Who this member is, and whether it still is.
 *
 * Raft lets a member forget nothing it has promised.  PostgreSQL lets an
 * instance go back in time or exist twice: restored backups, promoted
 * standbys, pg_rewind, copies.  The log's meta page says with which system
 * identifier and timeline the member last ran; the fence file
 * says that the data directory is not a copy; and the incarnation, one more at
 * every start, lets peers refuse whoever comes second.  On any
 * mismatch the member is quarantined: it neither votes nor appends.
 *
 * Two ways lead out, both asked for by a person.  Rejoin: this
 * data is given up and a member with a new id takes the old one's place (a
 * member that has forgotten promises must not vote under the id that
 * made them).  New cluster: this data becomes a cluster of one with new ids.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/identity.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "miscadmin.h"
#include "storage/ipc.h"

#include "../settings.h"
#include "fence.h"
#include "worker.h"

/*
 * A number from two texts, never 0: the first bytes of SHA-256.
 */
uint64
identity_hash(const char *a, const char *b)
{
	pg_cryptohash_ctx *ctx = pg_cryptohash_create(PG_SHA256);
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	uint64		number = 0;
	int			i;

	if (pg_cryptohash_init(ctx) < 0 ||
		pg_cryptohash_update(ctx, (const uint8 *) a, strlen(a) + 1) < 0 ||
		pg_cryptohash_update(ctx, (const uint8 *) b, strlen(b) + 1) < 0 ||
		pg_cryptohash_final(ctx, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not compute a member id: %s", pg_cryptohash_error(ctx));
	pg_cryptohash_free(ctx);
	for (i = 0; i < 8; i++)
		number = (number << 8) | digest[i];
	return number == 0 ? 1 : number;
}

static uint64
random_number(void)
{
	uint64		number;

	do
	{
		if (!pg_strong_random(&number, sizeof(number)))
			elog(ERROR, "could not generate a random number");
	} while (number == 0);
	return number;
}

static int
member_by_name(const ListCell *a, const ListCell *b)
{
	return strcmp(((Quorum__Member *) lfirst(a))->name, ((Quorum__Member *) lfirst(b))->name);
}

static Quorum__Member *
make_member(const char *name, const char *conninfo)
{
	Quorum__Member *member = palloc(sizeof(*member));

	quorum__member__init(member);
	member->id = identity_hash(setting_initial_cluster_token, name);
	member->name = pstrdup(name);
	member->conninfo = pstrdup(conninfo);
	return member;
}

/*
 * The members of pg_quorum.initial_cluster, sorted by name, palloc'd; this one
 * alone where the setting is empty.
 */
List *
identity_initial_members(void)
{
	List	   *members = NIL;
	char	   *text = pstrdup(setting_initial_cluster);
	char	   *next;

	for (; text != NULL; text = next)
	{
		char	   *equals;

		next = strchr(text, ';');
		if (next != NULL)
			*next++ = '\0';
		while (*text == ' ' || *text == '\n' || *text == '\t')
			text++;
		if (*text == '\0')
			continue;
		equals = strchr(text, '=');
		if (equals == NULL)
			continue;			/* the setting's check has seen to it */
		*equals = '\0';
		members = lappend(members, make_member(text, equals + 1));
	}
	if (members == NIL)
		members = list_make1(make_member(setting_member_name, ""));
	list_sort(members, member_by_name);
	return members;
}

uint64
identity_own_id(void)
{
	return identity_hash(setting_initial_cluster_token, setting_member_name);
}

/*
 * What an instance shows to those whom it asks to be taken in: a hash of the
 * cluster's token.
 */
uint64
identity_token(void)
{
	return identity_hash(setting_initial_cluster_token, "token");
}

static uint64
cluster_id_of(List *members)
{
	char	   *names = "";
	ListCell   *lc;

	foreach(lc, members)
		names = psprintf("%s%s;", names, ((Quorum__Member *) lfirst(lc))->name);
	return identity_hash(setting_initial_cluster_token, names);
}

static void
stamp_instance(MemberMeta *meta)
{
	meta->format = MEMBER_META_FORMAT;
	meta->system_identifier = GetSystemIdentifier();
	meta->timeline = GetWALInsertionTimeLine();
}

void
identity_write_meta(void)
{
	XLogRecPtr	lsn = logring_write_meta(worker->log_rel, &worker->meta, sizeof(MemberMeta));

	XLogFlush(lsn);
}

/*
 * Stop taking part, and say why.  The reason is kept, so that a restart cannot
 * forget it.
 */
void
identity_quarantine(const char *reason)
{
	if (strcmp(worker->meta.reason, reason) != 0)
	{
		strlcpy(worker->meta.reason, reason, sizeof(worker->meta.reason));
		identity_write_meta();
	}
	if (strcmp(reason, MEMBER_REASON_REMOVED) == 0)
		ereport(LOG,
				(errmsg("this member was removed from the cluster: it neither votes nor appends"),
				 errhint("To have it back, add it with quorum.member_add() on a member, and call quorum.rejoin() here.")));
	else
		ereport(LOG,
				(errmsg("member is quarantined: it neither votes nor appends"),
				 errdetail("%s", reason),
				 errhint("Call quorum.rejoin() to join again as a fresh member, or quorum.new_cluster() to found a new cluster from this data.")));
	worker->role = MEMBER_QUARANTINED;
}

/*
 * First start: become one of the founders.  All of them begin with the same
 * state, index 1 of term 1 with the same configuration, so nothing has to be
 * agreed upon.
 */
static void
found(void)
{
	List	   *members = identity_initial_members();
	int			n = list_length(members);
	Quorum__Member **array = palloc(sizeof(Quorum__Member *) * n);
	Quorum__Configuration conf;
	uint64	   *ids = palloc(sizeof(uint64) * n);
	bool		present = false;
	ListCell   *lc;
	int			i = 0;
	int			j;

	foreach(lc, members)
	{
		Quorum__Member *member = lfirst(lc);

		if (strcmp(member->name, setting_member_name) == 0)
			present = true;
		/* the core wants ascending ids */
		for (j = i; j > 0 && ids[j - 1] > member->id; j--)
			ids[j] = ids[j - 1];
		ids[j] = member->id;
		array[i++] = member;
	}
	if (!present)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("member name \"%s\" is not in pg_quorum.initial_cluster", setting_member_name),
				 errhint("Set pg_quorum.member_name to one of the names there.")));

	memset(&worker->meta, 0, sizeof(MemberMeta));
	stamp_instance(&worker->meta);
	worker->meta.cluster_id = cluster_id_of(members);
	worker->meta.member_id = identity_own_id();
	worker->meta.fence = random_number();
	worker->meta.term = 1;

	quorum__configuration__init(&conf);
	conf.n_voters = n;
	conf.voters = ids;

	/* the log last: only when it is there has the member been founded */
	fence_create(worker->meta.fence);
	if (!store_is_formatted(worker->tree_rel))
		store_format(worker->tree_rel, 1, 1, &conf, array, n);
	logring_format(worker->log_rel, 1, 1, &worker->meta, sizeof(MemberMeta));

	/*
	 * To the end of what was written here, not to the position of the next
	 * record: between two pages that is behind a header which nobody has
	 * written yet, and to flush so far is an error.
	 */
	XLogFlush(XactLastRecEnd);
	ereport(LOG,
			(errmsg("member \"%s\" founded, id %016llx, cluster %016llx of %d",
					setting_member_name, (unsigned long long) worker->meta.member_id,
					(unsigned long long) worker->meta.cluster_id, n)));
}

/*
 * First start of an instance that was added to a cluster: it knows neither that
 * cluster's id nor its own, and asks under a random number (membership.c).
 */
static void
await_place(void)
{
	Quorum__Configuration nobody;

	memset(&worker->meta, 0, sizeof(MemberMeta));
	stamp_instance(&worker->meta);
	worker->meta.member_id = random_number();
	worker->meta.fence = random_number();
	worker->meta.joining = true;

	quorum__configuration__init(&nobody);
	fence_create(worker->meta.fence);
	if (!store_is_formatted(worker->tree_rel))
		store_format(worker->tree_rel, 0, 0, &nobody, NULL, 0);
	logring_format(worker->log_rel, 0, 0, &worker->meta, sizeof(MemberMeta));
	XLogFlush(XactLastRecEnd);
	ereport(LOG,
			(errmsg("instance asks to join a cluster as member \"%s\"", setting_member_name)));
}

/*
 * identity_take_place() -- we are let in, under this id.  In a turn; the worker
 * starts over after it.
 */
void
identity_take_place(uint64 cluster_id, uint64 member_id)
{
	worker->meta.cluster_id = cluster_id;
	worker->meta.member_id = member_id;
	identity_write_meta();
	ereport(LOG,
			(errmsg("member \"%s\" is let into cluster %016llx, id %016llx",
					setting_member_name, (unsigned long long) cluster_id,
					(unsigned long long) member_id)));
	worker->start_over = START_OVER_SAME;
}

/*
 * Finish what quorum.new_cluster() began: the store as it is, a log that begins
 * after it, and a configuration of this member alone.  Repeatable.
 */
static void
found_from_data(void)
{
	Quorum__Member *self = make_member(setting_member_name, "");
	Quorum__Configuration conf;
	Quorum__MemberChange change;
	List	   *members = store_read_members(worker->tree_rel);
	Store	   *store = store_open(worker->tree_rel);
	uint64		index = store_meta(store)->applied_index;
	uint64		term = store_meta(store)->applied_term;
	ListCell   *lc;

	self->id = worker->meta.member_id;
	quorum__configuration__init(&conf);
	conf.n_voters = 1;
	conf.voters = &self->id;

	quorum__member_change__init(&change);
	change.n_record = 1;
	change.record = &self;
	change.steps = palloc(sizeof(void *) * Max(list_length(members), 1));
	foreach(lc, members)
	{
		Quorum__Member *member = lfirst(lc);
		Quorum__MemberChange__Step *step = palloc(sizeof(*step));

		if (member->id == self->id)
			continue;
		quorum__member_change__step__init(step);
		step->kind = QUORUM__MEMBER_CHANGE__STEP__KIND__REMOVE;
		step->id = member->id;
		change.steps[change.n_steps++] = step;
	}
	store_begin(store, worker->tree_rel, NULL, NULL);
	store_apply_configuration(store, index, term, &conf, &change);
	(void) store_commit(store);
	store_close(store);

	stamp_instance(&worker->meta);
	worker->meta.founding = false;
	worker->meta.reason[0] = '\0';
	worker->meta.term = Max(worker->meta.term, term);
	worker->meta.vote = 0;
	fence_create(worker->meta.fence);
	logring_format(worker->log_rel, index, term, &worker->meta, sizeof(MemberMeta));
	XLogFlush(XactLastRecEnd);
	ereport(LOG,
			(errmsg("new cluster %016llx of member \"%s\" founded from existing data",
					(unsigned long long) worker->meta.cluster_id, setting_member_name)));
}

/*
 * Why this instance is not the one that last ran as this member; NULL if it is.
 */
static const char *
mismatch(void)
{
	MemberMeta *meta = &worker->meta;

	if (meta->reason[0] != '\0')
		return pstrdup(meta->reason);
	if (meta->system_identifier != GetSystemIdentifier())
		return "The database system identifier is not the one this member ran with: the data was moved into another server.";
	if (meta->timeline != (uint32) GetWALInsertionTimeLine())
		return psprintf("The timeline is %u, this member last ran on %u: the server was restored, rewound or promoted.",
						(unsigned) GetWALInsertionTimeLine(), meta->timeline);
	return fence_check(meta->fence);
}

/*
 * identity_start() -- find out who we are, in a turn.  Sets worker->meta, and
 * worker->role to MEMBER_QUARANTINED where we must not take part.
 */
void
identity_start(void)
{
	const char *why;

	worker->nonce = random_number();
	if (!logring_is_formatted(worker->log_rel))
	{
		if (setting_initial_cluster_state == CLUSTER_EXISTING)
			await_place();
		else
			found();
	}
	else if (logring_read_meta(worker->log_rel, &worker->meta, sizeof(MemberMeta)) != sizeof(MemberMeta) ||
			 worker->meta.format != MEMBER_META_FORMAT)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("relation \"quorum.raft_log\" has a member state of another version")));

	if (worker->meta.founding)
		found_from_data();

	why = mismatch();
	if (why == NULL && !enableFsync && !setting_allow_fsync_off)
	{
		/* not kept: turning fsync on is enough to go on, nothing was written without it */
		strlcpy(worker->meta.reason, "fsync is off: acknowledged writes and votes could be lost.",
				sizeof(worker->meta.reason));
		ereport(LOG,
				(errmsg("member does not take part while fsync is off"),
				 errhint("Set fsync = on, or pg_quorum.allow_fsync_off = on if data may be lost.")));
		worker->role = MEMBER_QUARANTINED;
		return;
	}
	if (why != NULL)
	{
		identity_quarantine(why);
		return;
	}
	worker->meta.incarnation++;
	identity_write_meta();
}

/*
 * identity_begin_rejoin() -- give up this data and identity, and be a new
 * member that asks to be taken in.  In a turn; the worker starts over after it.
 */
void
identity_begin_rejoin(void)
{
	MemberMeta	meta;
	Quorum__StoreMeta empty;

	memset(&meta, 0, sizeof(meta));
	stamp_instance(&meta);
	meta.cluster_id = worker->meta.cluster_id;
	meta.replaces = worker->meta.member_id;
	meta.member_id = random_number();
	meta.incarnation = worker->meta.incarnation;
	meta.fence = random_number();
	meta.joining = true;

	quorum__store_meta__init(&empty);
	empty.format = 1;
	empty.revision = 1;
	empty.compacted_revision = -1;
	empty.compact_done_revision = -1;

	/* an old fence fits neither the old nor the new state: quarantined still */
	fence_create(meta.fence);
	pg_atomic_fetch_add_u32(&member_shared->store_generation, 1);
	XLogFlush(store_reset(worker->tree_rel, &empty, worker->log_rel, &meta, sizeof(MemberMeta)));
	ereport(LOG,
			(errmsg("member \"%s\" gives up id %016llx and asks to join as %016llx",
					setting_member_name, (unsigned long long) meta.replaces,
					(unsigned long long) meta.member_id)));
	worker->start_over = START_OVER_OTHER;
}

/*
 * identity_begin_new_cluster() -- let the next start make a cluster of this
 * data.  In a turn; the worker starts over after it.
 */
void
identity_begin_new_cluster(void)
{
	worker->meta.founding = true;
	worker->meta.cluster_id = random_number();
	worker->meta.member_id = random_number();
	worker->meta.fence = random_number();
	worker->meta.joining = false;
	identity_write_meta();
	worker->start_over = START_OVER_OTHER;
}
