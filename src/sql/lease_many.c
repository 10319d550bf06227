/*-------------------------------------------------------------------------
 *
 * lease_many.c
 *	  SQL: renew many leases at a time.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/sql/lease_many.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "utils/array.h"

#include "member/member.h"
#include "sql.h"

/* lease_keepalive_many(ids): the TTL in s of each lease, null where there is none */
PG_FUNCTION_INFO_V1(quorum_lease_keepalive_many);
Datum
quorum_lease_keepalive_many(PG_FUNCTION_ARGS)
{
	ArrayType  *array;
	Datum	   *values;
	bool	   *nulls;
	int64	   *ids;
	int64	   *ttls;
	int			dims[1];
	int			lower[1] = {1};
	int			n;
	int			i;

	sql_require_writable("lease_keepalive_many");
	sql_require_user();
	sql_require_argument(fcinfo, 0, "ids");
	array = PG_GETARG_ARRAYTYPE_P(0);
	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("ids must be an array of one dimension")));
	deconstruct_array(array, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
					  &values, &nulls, &n);
	if (n == 0)
		PG_RETURN_ARRAYTYPE_P(construct_empty_array(INT8OID));

	/* there is no lease 0, which so stands for the null ones */
	ids = palloc(n * sizeof(int64));
	ttls = palloc(n * sizeof(int64));
	for (i = 0; i < n; i++)
		ids[i] = nulls[i] ? 0 : DatumGetInt64(values[i]);
	member_lease_keepalive_many(ids, n, ttls);
	for (i = 0; i < n; i++)
	{
		values[i] = Int64GetDatum(ttls[i]);
		nulls[i] = ttls[i] == 0;
	}
	dims[0] = n;
	PG_RETURN_ARRAYTYPE_P(construct_md_array(values, nulls, 1, dims, lower, INT8OID, sizeof(int64),
											 FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}
