/*-------------------------------------------------------------------------
 *
 * tree_model.c
 *	  Random operations on the B+tree, beside a plain sorted array.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/storage/tree_model.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "test_util.h"
#include "../../src/compat.h"

PG_FUNCTION_INFO_V1(test_tree_model);

#define MAX_ITEMS		30000
#define MAX_BATCH		500

/* What keys and values are like */
typedef struct Profile
{
	const char *name;
	int			max_items;
	int			long_keys;		/* percent */
	int			long_values;	/* percent */
	uint32		max_value;
	int			sequential;		/* percent of batches with ascending keys */
} Profile;

static const Profile profiles[] = {
	{"mixed", 8000, 5, 3, 20000, 30},
	{"small", 30000, 0, 0, 200, 20},
	{"sequential", 30000, 0, 0, 300, 90},
	{"long keys", 1500, 70, 5, 9000, 20},
	{"long values", 600, 5, 40, 1024 * 1024, 20},
};

typedef struct ModelItem
{
	TreeKey		key;
	uint64		seed;			/* of the value's bytes */
	uint32		size;
} ModelItem;

typedef struct Model
{
	const Profile *profile;
	Random		random;
	Relation	rel;
	TreeId		tree;
	ModelItem  *items;
	int			count;
	uint64		sequence;
	uint64		host_seed;
	uint32		host_len;
	int64		changes;
	int64		lookups;
} Model;

/* The first item at or after a key */
static int
model_find(Model *model, const TreeKey *key, bool *found)
{
	int			low = 0;
	int			high = model->count;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (tree_key_compare(&model->items[middle].key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*found = low < model->count && tree_key_compare(&model->items[low].key, key) == 0;
	return low;
}

static void
model_remove(Model *model, int i)
{
	pfree(unconstify(char *, model->items[i].key.data));
	memmove(&model->items[i], &model->items[i + 1],
			(model->count - i - 1) * sizeof(ModelItem));
	model->count--;
}

static void
model_put(Model *model, const TreeKey *key, uint64 seed, uint32 size)
{
	bool		found;
	int			i = model_find(model, key, &found);

	if (!found)
	{
		char	   *data = palloc(key->len + 1);

		memmove(&model->items[i + 1], &model->items[i],
				(model->count - i) * sizeof(ModelItem));
		model->count++;
		memcpy(data, key->data, key->len);
		model->items[i].key = *key;
		model->items[i].key.data = data;
	}
	model->items[i].seed = seed;
	model->items[i].size = size;
}

/* ----------------------------------------------------------------
 *		Making up batches
 * ----------------------------------------------------------------
 */

static void
random_key(Model *model, TreeKey *key)
{
	Random	   *random = &model->random;
	uint32		len = random_below(random, 24);
	char	   *data;

	if (random_chance(random, model->profile->long_keys))
		len = random_below(random, TREE_MAX_KEY_BYTES + 1);
	if (random_chance(random, 1) && model->profile->long_keys > 0)
		len = TREE_MAX_KEY_BYTES;
	data = palloc(len + 1);
	/* few different bytes, so that keys have long prefixes in common */
	for (uint32 i = 0; i < len; i++)
		data[i] = (i < len - Min(len, 6)) ? 'a' : (char) random_below(random, 4) * 80;
	key->space = (uint8) random_below(random, 4);
	key->len = (uint16) len;
	key->data = data;
	key->major = random_chance(random, 30) ? 0 : random_below(random, 5000);
	key->minor = random_chance(random, 70) ? 0 : random_below(random, 3);
	if (random_chance(random, 1))
		key->major = PG_UINT64_MAX - random_below(random, 3);
}

static int
compare_changes(const void *a, const void *b)
{
	return tree_key_compare(&((const TreeChange *) a)->key, &((const TreeChange *) b)->key);
}

static int
sort_changes(TreeChange *changes, int n)
{
	int			kept = 0;

	qsort(changes, n, sizeof(TreeChange), compare_changes);
	for (int i = 0; i < n; i++)
	{
		if (kept == 0 || compare_changes(&changes[kept - 1], &changes[i]) != 0)
			changes[kept++] = changes[i];
	}
	return kept;
}

static void
random_value(Model *model, TreeChange *change, uint64 *seed)
{
	Random	   *random = &model->random;
	uint32		size = random_below(random, 200);
	char	   *value;

	if (random_chance(random, model->profile->long_values))
		size = random_below(random, model->profile->max_value + 1);
	else if (random_chance(random, 5))
		size = random_below(random, 2500);
	*seed = random_next(random);
	value = palloc(size + 1);
	fill_bytes(value, size, *seed);
	change->value = value;
	change->value_len = size;
}

/* Puts of random or ascending keys, among them some of keys that are there */
static int
batch_of_puts(Model *model, TreeChange *changes)
{
	Random	   *random = &model->random;
	int			n = 1 + random_below(random, random_chance(random, 30) ? MAX_BATCH : 20);
	bool		sequential = random_chance(random, model->profile->sequential);
	uint8		space = (uint8) random_below(random, 4);

	if (model->profile->long_values > 20)
		n = Min(n, 12);
	for (int i = 0; i < n; i++)
	{
		TreeKey    *key = &changes[i].key;

		if (sequential)
		{
			key->space = space;
			key->len = 0;
			key->data = "";
			key->major = ++model->sequence;
			key->minor = random_below(random, 2);
		}
		else if (model->count > 0 && random_chance(random, 20))
			*key = model->items[random_below(random, model->count)].key;
		else
			random_key(model, key);
		changes[i].remove = false;
	}
	return sort_changes(changes, n);
}

/* Removals, of neighbours or of keys here and there, some not even there */
static int
batch_of_removals(Model *model, TreeChange *changes)
{
	Random	   *random = &model->random;
	int			n = 1 + random_below(random, MAX_BATCH - 1);
	int			at;

	if (model->count == 0)
		return 0;
	if (random_chance(random, 40))
		n = 1 + n / 30;
	if (random_chance(random, 60))
	{
		at = random_chance(random, 30) ? 0 : (int) random_below(random, model->count);
		n = Min(n, model->count - at);
		for (int i = 0; i < n; i++)
			changes[i].key = model->items[at + i].key;
	}
	else
	{
		for (int i = 0; i < n; i++)
		{
			if (random_chance(random, 90))
				changes[i].key = model->items[random_below(random, model->count)].key;
			else
				random_key(model, &changes[i].key);
		}
	}
	for (int i = 0; i < n; i++)
		changes[i].remove = true;
	return sort_changes(changes, n);
}

static void
apply_batch(Model *model)
{
	Random	   *random = &model->random;
	TreeChange *changes = palloc(MAX_BATCH * sizeof(TreeChange));
	uint64	   *seeds = palloc(MAX_BATCH * sizeof(uint64));
	char		host[TREE_MAX_META_BYTES];
	bool		with_host = random_chance(random, 50);
	bool		full = model->count + MAX_BATCH > model->profile->max_items;
	int			n;

	if (full || random_chance(random, 35))
		n = batch_of_removals(model, changes);
	else
		n = batch_of_puts(model, changes);
	for (int i = 0; i < n; i++)
	{
		if (!changes[i].remove && random_chance(random, 5))
			changes[i].remove = true;
		if (!changes[i].remove)
			random_value(model, &changes[i], &seeds[i]);
	}
	if (with_host)
	{
		model->host_seed = random_next(random);
		model->host_len = random_below(random, TREE_MAX_META_BYTES + 1);
		fill_bytes(host, model->host_len, model->host_seed);
	}

	tree_apply(model->rel, model->tree, changes, n, with_host ? host : NULL,
			   model->host_len);

	/* removals last: the keys of a batch may be those of the model */
	for (int i = 0; i < n; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(model->items));

		if (!changes[i].remove)
			model_put(model, &changes[i].key, seeds[i], changes[i].value_len);
		MemoryContextSwitchTo(old);
	}
	for (int i = n - 1; i >= 0; i--)
	{
		bool		found;
		int			at;

		if (!changes[i].remove)
			continue;
		at = model_find(model, &changes[i].key, &found);
		if (found)
			model_remove(model, at);
	}
	model->changes += n;
}

/* ----------------------------------------------------------------
 *		Comparing
 * ----------------------------------------------------------------
 */

static void
expect_item(Model *model, int i, const TreeItem *item)
{
	ModelItem  *expected = &model->items[i];

	if (tree_key_compare(&item->key, &expected->key) != 0)
		elog(ERROR, "found key %s where %s is expected",
			 show_key(&item->key), show_key(&expected->key));
	if (item->value_len != expected->size)
		elog(ERROR, "key %s has a value of %u bytes where %u are expected",
			 show_key(&item->key), item->value_len, expected->size);
	if (item->value != NULL && !bytes_are(item->value, item->value_len, expected->seed))
		elog(ERROR, "key %s has another value than expected", show_key(&item->key));
}

static void
compare_lookup(Model *model)
{
	TreeKey		key;
	TreeItem	item;
	bool		want_value = random_chance(&model->random, 80);
	bool		found;
	int			i;

	if (model->count > 0 && random_chance(&model->random, 50))
		key = model->items[random_below(&model->random, model->count)].key;
	else
		random_key(model, &key);
	i = model_find(model, &key, &found);
	found = tree_lookup(model->rel, model->tree, &key, want_value, &item);
	if (found != (i < model->count))
		elog(ERROR, "lookup of key %s: %d where %d is expected",
			 show_key(&key), found, i < model->count);
	if (found)
		expect_item(model, i, &item);
	if (found && want_value && item.value == NULL)
		elog(ERROR, "lookup of key %s has no value", show_key(&key));
	model->lookups++;
}

/* The beginning of a value, which may be all of it */
static void
expect_head(Model *model, int i, uint32 max_value, const TreeItem *item)
{
	ModelItem  *expected = &model->items[i];
	char	   *value = palloc(expected->size + 1);

	if (tree_key_compare(&item->key, &expected->key) != 0)
		elog(ERROR, "found key %s where %s is expected",
			 show_key(&item->key), show_key(&expected->key));
	fill_bytes(value, expected->size, expected->seed);
	if (item->value_len < Min(expected->size, max_value) ||
		item->value_len > expected->size ||
		memcmp(item->value, value, item->value_len) != 0)
		elog(ERROR, "key %s has another beginning of its value than expected",
			 show_key(&item->key));
}

static void
compare_heads(Model *model)
{
	TreeScan   *scan = tree_scan_begin(model->rel, model->tree);
	uint32		max_value = random_below(&model->random, 20000);
	TreeItem	item;
	int			i;

	if (model->count == 0)
		return;
	i = random_below(&model->random, model->count);
	if (!tree_lookup_head(model->rel, model->tree, &model->items[i].key, max_value, &item))
		elog(ERROR, "lookup of key %s finds nothing", show_key(&model->items[i].key));
	expect_head(model, i, max_value, &item);

	tree_seek(scan, &model->items[i].key);
	for (int last = Min(model->count, i + 20); i < last; i++)
	{
		if (!tree_next(scan, &item))
			elog(ERROR, "scan ends at item %d of %d", i, model->count);
		if (!tree_scan_head(scan, max_value, &item))
			elog(ERROR, "value of key %s has vanished", show_key(&item.key));
		expect_head(model, i, max_value, &item);
	}
	tree_scan_end(scan);
}

static void
compare_scan(Model *model, const TreeKey *from, int limit)
{
	TreeScan   *scan = tree_scan_begin(model->rel, model->tree);
	TreeItem	item;
	bool		found;
	int			i = 0;
	int			done = 0;

	if (from != NULL)
	{
		i = model_find(model, from, &found);
		tree_seek(scan, from);
	}
	for (; done < limit; done++, i++)
	{
		bool		more = tree_next(scan, &item);

		if (more != (i < model->count))
			elog(ERROR, "scan ends at item %d of %d", i, model->count);
		if (!more)
			break;
		if (item.value == NULL && !tree_scan_value(scan, &item))
			elog(ERROR, "value of key %s has vanished", show_key(&item.key));
		expect_item(model, i, &item);
	}
	tree_scan_end(scan);
}

static void
compare_all(Model *model)
{
	char		host[TREE_MAX_META_BYTES];

	compare_scan(model, NULL, MAX_ITEMS + 1);
	expect_no_findings(model->rel, STORAGE_TREE);
	if (tree_read_meta(model->rel, host, sizeof(host)) != model->host_len ||
		!bytes_are(host, model->host_len, model->host_seed))
		elog(ERROR, "the host's meta differs");
}

static void
install(Model *model)
{
	Relation	log = open_relation(STORAGE_LOG, RowExclusiveLock);
	uint64		base = random_below(&model->random, 1000000);
	char		host[TREE_MAX_META_BYTES];
	LogBounds	bounds;

	model->host_seed = random_next(&model->random);
	model->host_len = 100;
	fill_bytes(host, model->host_len, model->host_seed);
	storage_install(model->rel, host, model->host_len, log, base, 7, "log", 3);
	logring_read_bounds(log, &bounds);
	if (bounds.base_index != base || bounds.base_term != 7 || bounds.last_index != base)
		elog(ERROR, "the log is not empty after the switch");
	expect_no_findings(log, STORAGE_LOG);
	relation_close(log, RowExclusiveLock);
	model->tree = TREE_MAIN;
}

/*
 * The first half of the rounds builds an incoming tree; then it becomes the
 * main one, and the one before is taken apart beside the second half.
 */
Datum
test_tree_model(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(2));
	int			rounds = PG_GETARG_INT32(1);
	Model		model = {0};
	MemoryContext context;
	TreeStat	stat;

	for (int i = 0; i < (int) lengthof(profiles); i++)
	{
		if (strcmp(profiles[i].name, name) == 0)
			model.profile = &profiles[i];
	}
	if (model.profile == NULL)
		elog(ERROR, "there is no profile \"%s\"", name);
	model.random.state = (uint64) PG_GETARG_INT64(0);
	/* with odd seeds, splits of ascending keys leave room in half of the keyspaces */
	for (int space = 0; space < 256; space += 2)
		tree_reserve_room(space, model.random.state % 2 == 1 ? 15 : 0);
	model.rel = open_relation(STORAGE_TREE, ExclusiveLock);
	model.tree = TREE_INCOMING;
	model.items = palloc_extended((MAX_ITEMS + MAX_BATCH) * sizeof(ModelItem), MCXT_ALLOC_HUGE);
	context = AllocSetContextCreate(CurrentMemoryContext, "round", ALLOCSET_DEFAULT_SIZES);
	tree_discard_incoming(model.rel);
	tree_apply(model.rel, TREE_INCOMING, NULL, 0, "", 0);

	for (int round = 0; round < rounds; round++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		CHECK_FOR_INTERRUPTS();
		if (round == rounds / 2)
		{
			install(&model);
			compare_all(&model);
		}
		apply_batch(&model);
		for (int i = 0; i < 10; i++)
			compare_lookup(&model);
		compare_heads(&model);
		if (random_chance(&model.random, 20))
		{
			TreeKey		from;

			random_key(&model, &from);
			compare_scan(&model, &from, 200);
		}
		if (random_chance(&model.random, 20))
			tree_collect_garbage(model.rel, random_below(&model.random, 100));
		if (round % 16 == 15 || round == rounds - 1)
			compare_all(&model);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	tree_stat(model.rel, &stat);
	relation_close(model.rel, NoLock);
	PG_RETURN_TEXT_P(cstring_to_text(psprintf(
		INT64_FORMAT " changes, " INT64_FORMAT " lookups, %d items, height %d, %u pages, %u free",
		model.changes, model.lookups, model.count, stat.height, stat.pages, stat.free_pages)));
}
