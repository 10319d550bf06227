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

/*
 * The reverse: how etcd would write where a member is, scheme://host:port, palloc'd; https if the
 * conninfo insists on TLS.  NULL if it names no host.
 */
extern char *address_to_url(const char *conninfo);

/* Do both name the same host and port? */
extern bool address_equals(const char *a, const char *b);

/* The conninfo, moved to where the URL says: all else in it, as a password, is kept.  Palloc'd;
 * NULL if one of them cannot be understood */
extern char *address_move(const char *conninfo, const char *url);

#endif							/* PGQ_MEMBER_ADDRESS_H */
