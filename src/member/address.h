/*-------------------------------------------------------------------------
 *
 * address.h
 *	  How a member is reached.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/address.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGQ_MEMBER_ADDRESS_H
#define PGQ_MEMBER_ADDRESS_H

/* in etcd's form, http://host:port or https://host:port? */
extern bool address_is_url(const char *conninfo);

/* such a URL as a conninfo, palloc'd; NULL if it is none that can be used */
extern char *address_from_url(const char *url);

#endif							/* PGQ_MEMBER_ADDRESS_H */
