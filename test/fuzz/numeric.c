/*-------------------------------------------------------------------------
 *
 * numeric.c
 *	  Numbers of jsonb for the fuzz targets: what numeric does to those that JSON has.
 *
 * As in a server a number is small while it is kept and may be large when it is written out: 1e-16383
 * has 16385 characters.  That difference is what a request can be made to cost memory by.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  test/fuzz/numeric.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/numeric.h"

#include "fuzz.h"

/* What numeric holds before and behind the decimal point, in digits */
#define INTEGRAL_MAX	131072
#define SCALE_MAX		16383

/* 0.DIGITS times ten to the power of point; neither the first digit nor the last is zero */
struct NumericData
{
	bool		negative;
	int64		point;
	int64		scale;			/* digits shown behind the decimal point */
	int			ndigits;
	char		digits[FLEXIBLE_ARRAY_MEMBER];
};

static void
overflow(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("value overflows numeric format")));
}

Numeric
fuzz_numeric(const char *token)
{
	Numeric		number = palloc0(offsetof(struct NumericData, digits) + strlen(token));
	bool		fraction = false;
	int			first;

	if (*token == '-')
	{
		number->negative = true;
		token++;
	}
	for (; *token == '.' || (*token >= '0' && *token <= '9'); token++)
	{
		if (*token == '.')
			fraction = true;
		else
		{
			number->digits[number->ndigits++] = *token;
			number->point += fraction ? 0 : 1;
			number->scale += fraction ? 1 : 0;
		}
	}
	if (*token != '\0')
	{
		long		exponent = strtol(token + 1, NULL, 10);

		if (exponent >= INT_MAX / 2 || exponent <= -(INT_MAX / 2))
			overflow();
		number->point += exponent;
		number->scale = Max(number->scale - exponent, 0);
	}

	for (first = 0; first < number->ndigits && number->digits[first] == '0'; first++)
		;
	number->ndigits -= first;
	number->point -= first;
	memmove(number->digits, number->digits + first, number->ndigits);
	while (number->ndigits > 0 && number->digits[number->ndigits - 1] == '0')
		number->ndigits--;
	if (number->ndigits == 0)
	{
		number->point = 0;
		number->negative = false;
	}
	if (number->point > INTEGRAL_MAX || number->scale > SCALE_MAX)
		overflow();
	return number;
}

static Numeric
argument(FunctionCallInfo fcinfo)
{
	return (Numeric) DatumGetPointer(PG_GETARG_DATUM(0));
}

static char
digit_at(Numeric number, int64 i)
{
	return i >= 0 && i < number->ndigits ? number->digits[i] : '0';
}

Datum
numeric_out(PG_FUNCTION_ARGS)
{
	Numeric		number = argument(fcinfo);
	char	   *text = palloc(Max(number->point, 1) + number->scale + 3);
	char	   *to = text;
	int64		i;

	if (number->negative)
		*to++ = '-';
	if (number->point <= 0)
		*to++ = '0';
	for (i = 0; i < number->point; i++)
		*to++ = digit_at(number, i);
	if (number->scale > 0)
		*to++ = '.';
	for (i = 0; i < number->scale; i++)
		*to++ = digit_at(number, number->point + i);
	*to = '\0';
	PG_RETURN_CSTRING(text);
}

Datum
numeric_scale(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32((int32) argument(fcinfo)->scale);
}

Datum
numeric_float8(PG_FUNCTION_ARGS)
{
	char	   *text = DatumGetCString(numeric_out(fcinfo));
	double		result;

	errno = 0;
	result = strtod(text, NULL);
	if (errno != 0)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("value is out of range for type double precision")));
	pfree(text);
	return Float8GetDatum(result);
}

char *
float8out_internal(float8 number)
{
	return psprintf("%.17g", number);
}
