/*-------------------------------------------------------------------------
 *
 * members.c
 *	  The members of the cluster, as the state machine records them.
 *
 * Members are not versioned: an item holds what the last entry about it said.
 * Applying entries again leads to the same, so they need no more than that
 * after a crash, or when a state is streamed that is older than they are.
 *
 * Of a member that was removed a trace stays, for ever: some twenty bytes.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/members.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "store/pbmem.h"
#include "store/store_int.h"

/* The batch's edit of a member, made if there is none; the list is in order */
static MemberEdit *
find_edit(Store *store, uint64 id)
{
	MemoryContext old_context;
	MemberEdit *edit;
	ListCell   *cell;
	int			position = 0;

	foreach(cell, store->member_edits)
	{
		edit = lfirst(cell);
		if (edit->id == id)
			return edit;
		if (edit->id > id)
			break;
		position++;
	}

	old_context = MemoryContextSwitchTo(store->edit_context);
	edit = palloc0(sizeof(MemberEdit));
	edit->id = id;
	store->member_edits = list_insert_nth(store->member_edits, position, edit);
	MemoryContextSwitchTo(old_context);
	store->nchanges++;
	return edit;
}

/* Record a member with the batch, in place of what was known of it */
void
store_record_member(Store *store, const Quorum__Member *member)
{
	MemberEdit *edit = find_edit(store, member->id);
	MemoryContext old_context = MemoryContextSwitchTo(store->edit_context);
	size_t		len;

	edit->data = pb_pack(&member->base, &len);
	edit->len = len;
	edit->removed = member->removed;
	MemoryContextSwitchTo(old_context);
}

/*
 * A member is no more, with the batch.  Its id is never used again, so something
 * must know that it was: who comes back under it is told.
 */
void
store_drop_member(Store *store, uint64 id, uint64 change)
{
	Quorum__Member trace = QUORUM__MEMBER__INIT;

	trace.id = id;
	trace.removed = true;
	trace.change = change;
	store_record_member(store, &trace);
}

/* Does the caller look for this one? */
typedef bool (*MemberTest) (const Quorum__Member *member, uint64 arg);

/*
 * The records from this id on that pass the test, of type Quorum__Member *, by id, in
 * the current context; the first of them alone, if only_first.
 */
static List *
scan_members(Relation tree, uint64 from, bool only_first, MemberTest test, uint64 arg)
{
	TreeScan   *scan = tree_scan_begin(tree, TREE_MAIN);
	List	   *members = NIL;
	TreeKey		seek_key;
	TreeItem	item;

	number_tree_key(&seek_key, SPACE_MEMBER, from, 0);
	tree_seek(scan, &seek_key);
	while (tree_next(scan, &item) && item.key.space == SPACE_MEMBER)
	{
		Quorum__Member *member;

		if (item.value == NULL && !tree_scan_value(scan, &item))
			continue;
		member = (Quorum__Member *)
			pb_unpack(&quorum__member__descriptor, item.value, item.value_len);
		if (member == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("damaged member in the key-value store")));
		if (test(member, arg))
			members = lappend(members, member);
		if (only_first && (members != NIL || member->id > from))
			break;
	}
	tree_scan_end(scan);
	return members;
}

static bool
is_present(const Quorum__Member *member, uint64 arg)
{
	return !member->removed;
}

static bool
has_id(const Quorum__Member *member, uint64 id)
{
	return member->id == id;
}

static bool
has_change(const Quorum__Member *member, uint64 change)
{
	return member->change == change;
}

/* Is there such a member, as of the command at hand? */
bool
store_member_exists(Store *store, uint64 id)
{
	const Quorum__Member *record;
	ListCell   *cell;

	foreach(cell, store->member_edits)
	{
		const MemberEdit *edit = lfirst(cell);

		if (edit->id == id)
			return !edit->removed;
	}
	record = store_find_member(store->view.tree, id);
	return record != NULL && !record->removed;
}

/*
 * store_read_members
 *		All members, of type Quorum__Member *, by id, in the current context.
 */
List *
store_read_members(Relation tree)
{
	return scan_members(tree, 0, false, is_present, 0);
}

Quorum__Member *
store_find_member(Relation tree, uint64 id)
{
	List	   *found = scan_members(tree, id, true, has_id, id);

	return found != NIL ? linitial(found) : NULL;
}

Quorum__Member *
store_find_member_change(Relation tree, uint64 change)
{
	List	   *found = change == 0 ? NIL : scan_members(tree, 0, false, has_change, change);

	return found != NIL ? linitial(found) : NULL;
}
