/*-------------------------------------------------------------------------
 *
 * overlay.h
 *	  The versions that a batch has made and not yet written to the tree.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/store/overlay.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_STORE_OVERLAY_H
#define PGQ_STORE_OVERLAY_H

#include "store/encoding.h"

typedef struct OverlayVersion
{
	struct OverlayVersion *older;	/* of the same key, in this overlay */
	KeyVersion	version;
	const char *index_value;	/* as the tree keeps them */
	uint32		index_value_len;
	const char *tree_value;
	uint32		tree_value_len;
} OverlayVersion;

typedef struct OverlayKey
{
	const char *key;
	uint32		key_len;
	OverlayVersion *newest;
} OverlayKey;

typedef struct Overlay
{
	MemoryContext context;		/* the versions; reset with the overlay */
	MemoryContext table_context;
	struct slots_hash *table;	/* by key */

	OverlayKey **keys;			/* the first nsorted of them in key order */
	int			nkeys;
	int			nsorted;
	int			max_keys;

	OverlayVersion **versions;	/* in the order they were made */
	int			nversions;
	int			max_versions;
	bool		unordered;		/* not in the order of their revisions */

	Size		bytes;			/* about how much memory the versions take */
} Overlay;

extern Overlay *overlay_create(void);
extern void overlay_reset(Overlay *overlay);
extern void overlay_add(Overlay *overlay, const KeyVersion *version);
extern const OverlayKey *overlay_find(Overlay *overlay, const char *key, uint32 key_len);
extern const OverlayVersion *overlay_version_at(const OverlayKey *key, int64 revision);
extern void overlay_sort(Overlay *overlay);
extern void overlay_sort_versions(Overlay *overlay);
extern int	overlay_seek(Overlay *overlay, const char *key, uint32 key_len);

#endif							/* PGQ_STORE_OVERLAY_H */
