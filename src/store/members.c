/*-------------------------------------------------------------------------
 *
 * members.c
 *	  The members of the cluster, as the state machine records them.
 *
 * Members are not versioned: an item holds what the last entry about it said.
 * Applying entries again leads to the same, so they need no more than that
 * after a crash, or when a state is streamed that is older than they are.
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
	MemoryContextSwitchTo(old_context);
}

/* Forget a member with the batch */
void
store_drop_member(Store *store, uint64 id)
{
	MemberEdit *edit = find_edit(store, id);

	edit->data = NULL;
	edit->len = 0;
}

/* Is there such a member, as of the command at hand? */
bool
store_member_exists(Store *store, uint64 id)
{
	TreeKey		tree_key;
	TreeItem	item;
	ListCell   *cell;

	foreach(cell, store->member_edits)
	{
		const MemberEdit *edit = lfirst(cell);

		if (edit->id == id)
			return edit->data != NULL;
	}
	number_tree_key(&tree_key, SPACE_MEMBER, id, 0);
	return tree_lookup(store->view.tree, TREE_MAIN, &tree_key, false, &item) &&
		tree_key_compare(&item.key, &tree_key) == 0;
}

/*
 * store_read_members
 *		All members, of type Quorum__Member *, by id, in the current context.
 */
List *
store_read_members(Relation tree)
{
	TreeScan   *scan = tree_scan_begin(tree, TREE_MAIN);
	List	   *members = NIL;
	TreeKey		seek_key;
	TreeItem	item;

	number_tree_key(&seek_key, SPACE_MEMBER, 0, 0);
	tree_seek(scan, &seek_key);
	while (tree_next(scan, &item) && item.key.space == SPACE_MEMBER)
	{
		ProtobufCMessage *member;

		if (item.value == NULL && !tree_scan_value(scan, &item))
			continue;
		member = pb_unpack(&quorum__member__descriptor, item.value, item.value_len);
		if (member == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("damaged member in the key-value store")));
		members = lappend(members, member);
	}
	tree_scan_end(scan);
	return members;
}
