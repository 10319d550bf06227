/*-------------------------------------------------------------------------
 *
 * metrics.c
 *	  /metrics: what the member and its gateway count, in Prometheus' text form.
 *
 * Names are etcd's where the meaning is, so that its dashboards and alerts work; those of etcd that mean
 * nothing here are not there.  What only we have is called pg_quorum_*.  process_* is about the
 * process of the gateway, which is one of several of the member.
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/gateway/metrics.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/timestamp.h"

#include "gateway/hub.h"
#include "gateway/metrics.h"
#include "gateway/stats.h"
#include "gateway/version.h"
#include "member/calls.h"
#include "member/member.h"
#include "member/stats.h"
#include "settings.h"
#include "storage/tree.h"
#include "store/store.h"

uint64		metrics_health_passed;
uint64		metrics_health_failed;

/* ----------------------------------------------------------------
 *	Prometheus' text form
 * ----------------------------------------------------------------
 */

static void
begin(StringInfo text, const char *name, const char *type, const char *help)
{
	appendStringInfo(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
simple(StringInfo text, const char *name, const char *type, const char *help, double value)
{
	begin(text, name, type, help);
	appendStringInfo(text, "%s %.17g\n", name, value);
}

static void
counter(StringInfo text, const char *name, const char *help, double value)
{
	simple(text, name, "counter", help, value);
}

static void
gauge(StringInfo text, const char *name, const char *help, double value)
{
	simple(text, name, "gauge", help, value);
}

/*
 * The samples of a distribution; labels is what stands in the braces, "" for nothing.
 */
static void
histogram_samples(StringInfo text, const char *name, const char *labels,
				  const StatsHistogram *histogram)
{
	const char *comma = labels[0] != '\0' ? "," : "";
	uint64		count = 0;
	int			i;

	for (i = 0; i < STATS_BUCKETS; i++)
	{
		count += histogram->buckets[i];
		appendStringInfo(text, "%s_bucket{%s%sle=\"%g\"} " UINT64_FORMAT "\n", name, labels, comma,
						 (double) STATS_BUCKET_USEC(i) / 1e6, count);
	}
	count += histogram->buckets[STATS_BUCKETS];
	appendStringInfo(text, "%s_bucket{%s%sle=\"+Inf\"} " UINT64_FORMAT "\n", name, labels, comma, count);
	if (labels[0] != '\0')
	{
		appendStringInfo(text, "%s_sum{%s} %.17g\n", name, labels, histogram->sum_usec / 1e6);
		appendStringInfo(text, "%s_count{%s} " UINT64_FORMAT "\n", name, labels, count);
	}
	else
	{
		appendStringInfo(text, "%s_sum %.17g\n", name, histogram->sum_usec / 1e6);
		appendStringInfo(text, "%s_count " UINT64_FORMAT "\n", name, count);
	}
}

static void
add_histogram(StatsHistogram *to, const StatsHistogram *from)
{
	int			i;

	for (i = 0; i <= STATS_BUCKETS; i++)
		to->buckets[i] += from->buckets[i];
	to->sum_usec += from->sum_usec;
}

/* ----------------------------------------------------------------
 *	The member
 * ----------------------------------------------------------------
 */

static void
member_metrics(StringInfo text, const MemberStatus *status)
{
	MemberStats stats;

	member_get_stats(&stats);
	begin(text, "etcd_server_id", "gauge", "Number of this member, as a label.");
	appendStringInfo(text, "etcd_server_id{server_id=\"%llx\"} 1\n",
					 (unsigned long long) status->member_id);
	begin(text, "etcd_server_version", "gauge", "Version of etcd that is spoken here, as a label.");
	appendStringInfoString(text, "etcd_server_version{server_version=\"" GATEWAY_VERSION "\"} 1\n");
	begin(text, "etcd_cluster_version", "gauge", "The same of the cluster.");
	appendStringInfoString(text, "etcd_cluster_version{cluster_version=\"" GATEWAY_VERSION "\"} 1\n");
	gauge(text, "etcd_server_has_leader", "Whether a leader is known.", status->leader_id != 0);
	gauge(text, "etcd_server_is_leader", "Whether this member leads.",
		  status->role == MEMBER_LEADER);
	gauge(text, "etcd_server_is_learner", "Whether this member is a learner.",
		  status->role == MEMBER_LEARNER);
	counter(text, "etcd_server_leader_changes_seen_total", "Changes of leader that were seen.",
			stats.counters[STAT_LEADER_CHANGES]);
	gauge(text, "etcd_server_proposals_committed_total", "Index of the last committed entry.",
		  status->commit_index);
	gauge(text, "etcd_server_proposals_applied_total", "Index of the last applied entry.",
		  status->applied_index);
	gauge(text, "etcd_server_proposals_pending", "Commands of clients here that are under way.",
		  member_pending_commands());
	counter(text, "etcd_server_proposals_failed_total",
			"Commands of clients of the gateway without an answer in time.",
			member_call_failures.commands);
	counter(text, "etcd_server_read_indexes_failed_total",
			"Linearizable reads of clients of the gateway without an answer in time.",
			member_call_failures.reads);
	counter(text, "etcd_server_slow_apply_total", "Batches of entries that took long to apply.",
			stats.counters[STAT_SLOW_APPLIES]);
	counter(text, "etcd_server_health_success", "Checks of health that passed.",
			metrics_health_passed);
	counter(text, "etcd_server_health_failures", "Checks of health that failed.",
			metrics_health_failed);
	gauge(text, "etcd_server_quota_backend_bytes", "Size at which the store refuses to grow; 0: none.",
		  setting_quota_bytes);
}

static void
duration_metrics(StringInfo text)
{
	StatsHistogram fsync;
	StatsHistogram other;

	member_get_histogram(HISTOGRAM_FSYNC, &fsync);
	member_get_histogram(HISTOGRAM_FLUSHER_FSYNC, &other);
	add_histogram(&fsync, &other);
	begin(text, "etcd_disk_wal_fsync_duration_seconds", "histogram",
		  "Time that flushes of the log took.");
	histogram_samples(text, "etcd_disk_wal_fsync_duration_seconds", "", &fsync);

	/* entries are applied in batches, which are what a commit of a backend is to etcd */
	member_get_histogram(HISTOGRAM_APPLY, &other);
	begin(text, "etcd_disk_backend_commit_duration_seconds", "histogram",
		  "Time that it took to put a batch of entries into the store.");
	histogram_samples(text, "etcd_disk_backend_commit_duration_seconds", "", &other);
	begin(text, "etcd_server_apply_duration_seconds", "histogram",
		  "Time that it took to apply a batch of entries.");
	histogram_samples(text, "etcd_server_apply_duration_seconds",
					  "version=\"v3\",op=\"batch\",success=\"true\"", &other);
}

static void
peer_metrics(StringInfo text, uint64 self)
{
	static const struct
	{
		const char *name;
		const char *help;
		const char *label;
		PeerCounter which;
	}			counters[] = {
		{"etcd_network_peer_sent_bytes_total", "Bytes sent to another member.", "To",
		PEER_STAT_BYTES_SENT},
		{"etcd_network_peer_received_bytes_total", "Bytes received from another member.", "From",
		PEER_STAT_BYTES_RECEIVED},
		{"etcd_network_peer_sent_failures_total", "Connections to another member lost or not made.",
		"To", PEER_STAT_FAILURES}
	};
	MemberPeer	peers[MEMBER_MAX_PEERS];
	PeerStats	stats[MEMBER_MAX_PEERS];
	int			npeers = member_get_peers(peers, MEMBER_MAX_PEERS);
	int			nstats = member_get_peer_stats(stats, MEMBER_MAX_PEERS);
	char		labels[64];
	size_t		k;
	int			i;

	begin(text, "etcd_network_active_peers", "gauge", "Whether another member is connected.");
	for (i = 0; i < npeers; i++)
		appendStringInfo(text, "etcd_network_active_peers{Local=\"%llx\",Remote=\"%llx\"} %d\n",
						 (unsigned long long) self, (unsigned long long) peers[i].id,
						 peers[i].connected);
	begin(text, "etcd_network_known_peers", "gauge", "The other members.");
	for (i = 0; i < npeers; i++)
		appendStringInfo(text, "etcd_network_known_peers{Local=\"%llx\",Remote=\"%llx\"} 1\n",
						 (unsigned long long) self, (unsigned long long) peers[i].id);
	for (k = 0; k < lengthof(counters); k++)
	{
		begin(text, counters[k].name, "counter", counters[k].help);
		for (i = 0; i < nstats; i++)
			appendStringInfo(text, "%s{%s=\"%llx\"} " UINT64_FORMAT "\n", counters[k].name,
							 counters[k].label, (unsigned long long) stats[i].id,
							 stats[i].counters[counters[k].which]);
	}
	begin(text, "etcd_network_peer_round_trip_time_seconds", "histogram",
		  "Time from a heartbeat to its answer.");
	for (i = 0; i < nstats; i++)
	{
		snprintf(labels, sizeof(labels), "To=\"%llx\"", (unsigned long long) stats[i].id);
		histogram_samples(text, "etcd_network_peer_round_trip_time_seconds", labels, &stats[i].rtt);
	}
}

static void
store_metrics(StringInfo text, Relation store)
{
	Quorum__StoreMeta *meta = store_read_meta(store);
	TreeStat	stat;

	tree_stat(store, &stat);
	gauge(text, "etcd_mvcc_db_total_size_in_bytes", "Size of the store.",
		  (double) stat.pages * BLCKSZ);
	gauge(text, "etcd_mvcc_db_total_size_in_use_in_bytes", "Size of its pages in use.",
		  (double) (stat.pages - stat.free_pages) * BLCKSZ);
	gauge(text, "etcd_debugging_mvcc_keys_total", "Keys.", meta->live_keys);
	gauge(text, "etcd_debugging_mvcc_current_revision", "The current revision.", meta->revision);
	gauge(text, "etcd_debugging_mvcc_compact_revision", "The last compacted revision.",
		  meta->compacted_revision);
}

/* ----------------------------------------------------------------
 *	The gateway
 * ----------------------------------------------------------------
 */

static const char *
grpc_type(const Method *method)
{
	if (method->client_streams)
		return method->server_streams ? "bidi_stream" : "client_stream";
	return method->server_streams ? "server_stream" : "unary";
}

/* The labels of a method, from "/service/method" */
static void
method_labels(const Method *method, char *labels, size_t size)
{
	const char *service = method->path + 1;
	const char *slash = strchr(service, '/');

	snprintf(labels, size, "grpc_method=\"%s\",grpc_service=\"%.*s\",grpc_type=\"%s\"",
			 slash + 1, (int) (slash - service), service, grpc_type(method));
}

#define METHOD_LABELS_BYTES		192

typedef enum MethodCounter
{
	METHOD_STARTED,
	METHOD_RECEIVED,
	METHOD_SENT
} MethodCounter;

static void
method_counter(StringInfo text, const char *name, const char *help, MethodCounter which)
{
	int			i;

	begin(text, name, "counter", help);
	for (i = 0; i < method_count(); i++)
	{
		const MethodStats *stats = method_stats(method_at(i));
		char		labels[METHOD_LABELS_BYTES];
		uint64		value = which == METHOD_STARTED ? stats->started :
			which == METHOD_RECEIVED ? stats->messages_in : stats->messages_out;

		method_labels(method_at(i), labels, sizeof(labels));
		appendStringInfo(text, "%s{%s} " UINT64_FORMAT "\n", name, labels, value);
	}
}

static void
handled_counter(StringInfo text)
{
	static const char *const codes[GRPC_CODES] = {
		"OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound",
		"AlreadyExists", "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
		"Aborted", "OutOfRange", "Unimplemented", "Internal", "Unavailable", "DataLoss",
		"Unauthenticated"
	};
	int			i;
	int			code;

	begin(text, "grpc_server_handled_total", "counter", "Calls that have ended, by their status.");
	for (i = 0; i < method_count(); i++)
	{
		const MethodStats *stats = method_stats(method_at(i));
		char		labels[METHOD_LABELS_BYTES];

		method_labels(method_at(i), labels, sizeof(labels));
		for (code = 0; code < GRPC_CODES; code++)
		{
			if (code == 0 || stats->handled[code] > 0)
				appendStringInfo(text, "grpc_server_handled_total{%s,grpc_code=\"%s\"} " UINT64_FORMAT "\n",
								 labels, codes[code], stats->handled[code]);
		}
	}
}

/* Calls of a method that are under way */
static uint64
under_way(const Method *method)
{
	const MethodStats *stats = method_stats(method);
	uint64		ended = 0;
	int			code;

	for (code = 0; code < GRPC_CODES; code++)
		ended += stats->handled[code];
	return stats->started > ended ? stats->started - ended : 0;
}

static void
client_metrics(StringInfo text)
{
	uint64		unary = 0;
	uint64		streams = 0;
	int			i;

	method_counter(text, "grpc_server_started_total", "Calls that have begun.", METHOD_STARTED);
	handled_counter(text);
	method_counter(text, "grpc_server_msg_received_total", "Messages from clients.", METHOD_RECEIVED);
	method_counter(text, "grpc_server_msg_sent_total", "Messages to clients.", METHOD_SENT);

	for (i = 0; i < method_count(); i++)
	{
		const Method *method = method_at(i);

		if (method->client_streams || method->server_streams)
			streams += method_stats(method)->started;
		else
			unary += method_stats(method)->started;
	}
	begin(text, "etcd_server_client_requests_total", "counter", "Calls of clients.");
	appendStringInfo(text, "etcd_server_client_requests_total{type=\"unary\",client_api_version=\"unknown\"} "
					 UINT64_FORMAT "\n", unary);
	appendStringInfo(text, "etcd_server_client_requests_total{type=\"stream\",client_api_version=\"unknown\"} "
					 UINT64_FORMAT "\n", streams);
	counter(text, "etcd_network_client_grpc_received_bytes_total", "Bytes of messages from clients.",
			gateway_stats.bytes_in);
	counter(text, "etcd_network_client_grpc_sent_bytes_total", "Bytes of messages to clients.",
			gateway_stats.bytes_out);
	gauge(text, "pg_quorum_gateway_connections", "Connections of clients.",
		  gateway_stats.connections);
	gauge(text, "pg_quorum_gateway_buffered_bytes", "Bytes held for clients.",
		  gateway_stats.buffered);
	counter(text, "pg_quorum_gateway_refused_connections_total",
			"Connections closed at once, since there were too many.", gateway_stats.refused);
}

/* What etcd counts by what is done; here by calls, so that what is within a transaction counts as one */
static void
service_metrics(StringInfo text)
{
	static const struct
	{
		const char *path;
		const char *name;
		const char *help;
	}			metrics[] = {
		{"/etcdserverpb.KV/Range", "etcd_mvcc_range_total", "Ranges read for clients."},
		{"/etcdserverpb.KV/Put", "etcd_mvcc_put_total", "Puts of clients."},
		{"/etcdserverpb.KV/DeleteRange", "etcd_mvcc_delete_total", "Deletes of clients."},
		{"/etcdserverpb.KV/Txn", "etcd_mvcc_txn_total", "Transactions of clients."},
		{"/etcdserverpb.Lease/LeaseGrant", "etcd_debugging_lease_granted_total",
		"Leases granted to clients."},
		{"/etcdserverpb.Lease/LeaseRevoke", "etcd_debugging_lease_revoked_total",
		"Leases given up by clients."},
		{"/etcdserverpb.Lease/LeaseKeepAlive", "etcd_debugging_lease_renewed_total",
		"Renewals of leases of clients."},
	};
	const Method *method;
	size_t		i;

	for (i = 0; i < lengthof(metrics); i++)
	{
		method = method_by_path(metrics[i].path, strlen(metrics[i].path));
		if (method != NULL)
			counter(text, metrics[i].name, metrics[i].help, method->server_streams ?
					method_stats(method)->messages_out : method_stats(method)->handled[GRPC_OK]);
	}
	gauge(text, "etcd_debugging_mvcc_watcher_total", "Watchers.", hub_watch_count());
	method = method_by_path("/etcdserverpb.Watch/Watch", strlen("/etcdserverpb.Watch/Watch"));
	if (method != NULL)
		gauge(text, "etcd_debugging_mvcc_watch_stream_total", "Streams of watchers.", under_way(method));
}

/* ----------------------------------------------------------------
 *	The process
 * ----------------------------------------------------------------
 */

/* Pages of memory, from the system's own account; false where it gives none */
static bool
memory_pages(long *virtual, long *resident)
{
	char		text[128];
	int			fd = open("/proc/self/statm", O_RDONLY);
	ssize_t		n;

	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	return sscanf(text, "%ld %ld", virtual, resident) == 2;
}

static int
open_descriptors(void)
{
	DIR		   *dir = opendir("/proc/self/fd");
	int			n = 0;

	if (dir == NULL)
		return -1;
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return Max(n - 3, 0);		/* "." and "..", and this look itself */
}

static double
seconds(struct timeval time)
{
	return time.tv_sec + time.tv_usec / 1e6;
}

static void
process_metrics(StringInfo text)
{
	struct rusage usage;
	struct rlimit limit;
	long		virtual;
	long		resident;
	int			descriptors = open_descriptors();

	if (getrusage(RUSAGE_SELF, &usage) == 0)
		counter(text, "process_cpu_seconds_total", "Time of processors spent.",
				seconds(usage.ru_utime) + seconds(usage.ru_stime));
	if (memory_pages(&virtual, &resident))
	{
		gauge(text, "process_resident_memory_bytes", "Memory resident, shared memory included.",
			  (double) resident * sysconf(_SC_PAGESIZE));
		gauge(text, "process_virtual_memory_bytes", "Memory mapped.",
			  (double) virtual * sysconf(_SC_PAGESIZE));
	}
	if (descriptors >= 0)
		gauge(text, "process_open_fds", "Open file descriptors.", descriptors);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		gauge(text, "process_max_fds", "Most file descriptors that can be open.", limit.rlim_cur);
	gauge(text, "process_start_time_seconds", "When the process started, since the epoch of Unix.",
		  (double) timestamptz_to_time_t(MyStartTimestamp));
}

char *
metrics_text(void)
{
	StringInfoData text;
	MemberStatus status;

	initStringInfo(&text);
	member_get_status(&status);
	member_metrics(&text, &status);
	duration_metrics(&text);
	peer_metrics(&text, status.member_id);
	if (call_store() != NULL)
		store_metrics(&text, call_store());
	service_metrics(&text);
	client_metrics(&text);
	process_metrics(&text);
	return text.data;
}
