# wire.py - the messages and methods of etcd's API, as Python classes.
#
# Written down by field numbers, apart from proto/, so that a mistake made there is
# seen here: the same bytes are sent to an etcd and to us.  Needs python3-protobuf
# only, no generated code.
#
#   wire.RangeRequest(key=b'a')
#   wire.METHODS['KV/Range'].path
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   test/etcd/wire.py

import re

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

# One line a message: package.Message: type name number, ...; "*" for repeated,
# "oneof NAME(...)" for a union; enums say their values from zero on.
ENUMS = """
mvccpb.Event.EventType: PUT DELETE
authpb.Permission.Type: READ WRITE READWRITE
etcdserverpb.RangeRequest.SortOrder: NONE ASCEND DESCEND
etcdserverpb.RangeRequest.SortTarget: KEY VERSION CREATE MOD VALUE
etcdserverpb.Compare.CompareResult: EQUAL GREATER LESS NOT_EQUAL
etcdserverpb.Compare.CompareTarget: VERSION CREATE MOD VALUE LEASE
etcdserverpb.WatchCreateRequest.FilterType: NOPUT NODELETE
etcdserverpb.AlarmType: NONE NOSPACE CORRUPT
etcdserverpb.AlarmRequest.AlarmAction: GET ACTIVATE DEACTIVATE
etcdserverpb.DowngradeRequest.DowngradeAction: VALIDATE ENABLE CANCEL
grpc.health.v1.HealthCheckResponse.ServingStatus: UNKNOWN SERVING NOT_SERVING SERVICE_UNKNOWN
"""

MESSAGES = """
mvccpb.KeyValue: bytes key 1, int64 create_revision 2, int64 mod_revision 3, int64 version 4, bytes value 5, int64 lease 6
mvccpb.Event: mvccpb.Event.EventType type 1, mvccpb.KeyValue kv 2, mvccpb.KeyValue prev_kv 3
authpb.UserAddOptions: bool no_password 1
authpb.Permission: authpb.Permission.Type permType 1, bytes key 2, bytes range_end 3
etcdserverpb.ResponseHeader: uint64 cluster_id 1, uint64 member_id 2, int64 revision 3, uint64 raft_term 4
etcdserverpb.RangeRequest: bytes key 1, bytes range_end 2, int64 limit 3, int64 revision 4, .RangeRequest.SortOrder sort_order 5, .RangeRequest.SortTarget sort_target 6, bool serializable 7, bool keys_only 8, bool count_only 9, int64 min_mod_revision 10, int64 max_mod_revision 11, int64 min_create_revision 12, int64 max_create_revision 13
etcdserverpb.RangeResponse: .ResponseHeader header 1, *mvccpb.KeyValue kvs 2, bool more 3, int64 count 4
etcdserverpb.RangeStreamResponse: .RangeResponse range_response 1
etcdserverpb.PutRequest: bytes key 1, bytes value 2, int64 lease 3, bool prev_kv 4, bool ignore_value 5, bool ignore_lease 6
etcdserverpb.PutResponse: .ResponseHeader header 1, mvccpb.KeyValue prev_kv 2
etcdserverpb.DeleteRangeRequest: bytes key 1, bytes range_end 2, bool prev_kv 3
etcdserverpb.DeleteRangeResponse: .ResponseHeader header 1, int64 deleted 2, *mvccpb.KeyValue prev_kvs 3
etcdserverpb.RequestOp: oneof request(.RangeRequest request_range 1, .PutRequest request_put 2, .DeleteRangeRequest request_delete_range 3, .TxnRequest request_txn 4)
etcdserverpb.ResponseOp: oneof response(.RangeResponse response_range 1, .PutResponse response_put 2, .DeleteRangeResponse response_delete_range 3, .TxnResponse response_txn 4)
etcdserverpb.Compare: .Compare.CompareResult result 1, .Compare.CompareTarget target 2, bytes key 3, oneof target_union(int64 version 4, int64 create_revision 5, int64 mod_revision 6, bytes value 7, int64 lease 8), bytes range_end 64
etcdserverpb.TxnRequest: *.Compare compare 1, *.RequestOp success 2, *.RequestOp failure 3
etcdserverpb.TxnResponse: .ResponseHeader header 1, bool succeeded 2, *.ResponseOp responses 3
etcdserverpb.CompactionRequest: int64 revision 1, bool physical 2
etcdserverpb.CompactionResponse: .ResponseHeader header 1
etcdserverpb.HashRequest:
etcdserverpb.HashResponse: .ResponseHeader header 1, uint32 hash 2
etcdserverpb.HashKVRequest: int64 revision 1
etcdserverpb.HashKVResponse: .ResponseHeader header 1, uint32 hash 2, int64 compact_revision 3, int64 hash_revision 4
etcdserverpb.SnapshotRequest:
etcdserverpb.SnapshotResponse: .ResponseHeader header 1, uint64 remaining_bytes 2, bytes blob 3, string version 4
etcdserverpb.WatchCreateRequest: bytes key 1, bytes range_end 2, int64 start_revision 3, bool progress_notify 4, *.WatchCreateRequest.FilterType filters 5, bool prev_kv 6, int64 watch_id 7, bool fragment 8
etcdserverpb.WatchCancelRequest: int64 watch_id 1
etcdserverpb.WatchProgressRequest:
etcdserverpb.WatchRequest: oneof request_union(.WatchCreateRequest create_request 1, .WatchCancelRequest cancel_request 2, .WatchProgressRequest progress_request 3)
etcdserverpb.WatchResponse: .ResponseHeader header 1, int64 watch_id 2, bool created 3, bool canceled 4, int64 compact_revision 5, string cancel_reason 6, bool fragment 7, *mvccpb.Event events 11
etcdserverpb.LeaseGrantRequest: int64 TTL 1, int64 ID 2
etcdserverpb.LeaseGrantResponse: .ResponseHeader header 1, int64 ID 2, int64 TTL 3, string error 4
etcdserverpb.LeaseRevokeRequest: int64 ID 1
etcdserverpb.LeaseRevokeResponse: .ResponseHeader header 1
etcdserverpb.LeaseKeepAliveRequest: int64 ID 1
etcdserverpb.LeaseKeepAliveResponse: .ResponseHeader header 1, int64 ID 2, int64 TTL 3
etcdserverpb.LeaseTimeToLiveRequest: int64 ID 1, bool keys 2
etcdserverpb.LeaseTimeToLiveResponse: .ResponseHeader header 1, int64 ID 2, int64 TTL 3, int64 grantedTTL 4, *bytes keys 5
etcdserverpb.LeaseLeasesRequest:
etcdserverpb.LeaseStatus: int64 ID 1
etcdserverpb.LeaseLeasesResponse: .ResponseHeader header 1, *.LeaseStatus leases 2
etcdserverpb.Member: uint64 ID 1, string name 2, *string peerURLs 3, *string clientURLs 4, bool isLearner 5
etcdserverpb.MemberAddRequest: *string peerURLs 1, bool isLearner 2
etcdserverpb.MemberAddResponse: .ResponseHeader header 1, .Member member 2, *.Member members 3
etcdserverpb.MemberRemoveRequest: uint64 ID 1
etcdserverpb.MemberRemoveResponse: .ResponseHeader header 1, *.Member members 2
etcdserverpb.MemberUpdateRequest: uint64 ID 1, *string peerURLs 2
etcdserverpb.MemberUpdateResponse: .ResponseHeader header 1, *.Member members 2
etcdserverpb.MemberListRequest: bool linearizable 1
etcdserverpb.MemberListResponse: .ResponseHeader header 1, *.Member members 2
etcdserverpb.MemberPromoteRequest: uint64 ID 1
etcdserverpb.MemberPromoteResponse: .ResponseHeader header 1, *.Member members 2
etcdserverpb.DefragmentRequest:
etcdserverpb.DefragmentResponse: .ResponseHeader header 1
etcdserverpb.MoveLeaderRequest: uint64 targetID 1
etcdserverpb.MoveLeaderResponse: .ResponseHeader header 1
etcdserverpb.AlarmRequest: .AlarmRequest.AlarmAction action 1, uint64 memberID 2, .AlarmType alarm 3
etcdserverpb.AlarmMember: uint64 memberID 1, .AlarmType alarm 2
etcdserverpb.AlarmResponse: .ResponseHeader header 1, *.AlarmMember alarms 2
etcdserverpb.DowngradeRequest: .DowngradeRequest.DowngradeAction action 1, string version 2
etcdserverpb.DowngradeResponse: .ResponseHeader header 1, string version 2
etcdserverpb.StatusRequest:
etcdserverpb.DowngradeInfo: bool enabled 1, string targetVersion 2
etcdserverpb.StatusResponse: .ResponseHeader header 1, string version 2, int64 dbSize 3, uint64 leader 4, uint64 raftIndex 5, uint64 raftTerm 6, uint64 raftAppliedIndex 7, *string errors 8, int64 dbSizeInUse 9, bool isLearner 10, string storageVersion 11, int64 dbSizeQuota 12, .DowngradeInfo downgradeInfo 13
etcdserverpb.AuthEnableRequest:
etcdserverpb.AuthDisableRequest:
etcdserverpb.AuthStatusRequest:
etcdserverpb.AuthenticateRequest: string name 1, string password 2
etcdserverpb.AuthUserAddRequest: string name 1, string password 2, authpb.UserAddOptions options 3, string hashedPassword 4
etcdserverpb.AuthUserGetRequest: string name 1
etcdserverpb.AuthUserListRequest:
etcdserverpb.AuthUserDeleteRequest: string name 1
etcdserverpb.AuthUserChangePasswordRequest: string name 1, string password 2, string hashedPassword 3
etcdserverpb.AuthUserGrantRoleRequest: string user 1, string role 2
etcdserverpb.AuthUserRevokeRoleRequest: string name 1, string role 2
etcdserverpb.AuthRoleAddRequest: string name 1
etcdserverpb.AuthRoleGetRequest: string role 1
etcdserverpb.AuthRoleListRequest:
etcdserverpb.AuthRoleDeleteRequest: string role 1
etcdserverpb.AuthRoleGrantPermissionRequest: string name 1, authpb.Permission perm 2
etcdserverpb.AuthRoleRevokePermissionRequest: string role 1, bytes key 2, bytes range_end 3
etcdserverpb.AuthEnableResponse: .ResponseHeader header 1
etcdserverpb.AuthDisableResponse: .ResponseHeader header 1
etcdserverpb.AuthStatusResponse: .ResponseHeader header 1, bool enabled 2, uint64 authRevision 3
etcdserverpb.AuthenticateResponse: .ResponseHeader header 1, string token 2
etcdserverpb.AuthUserAddResponse: .ResponseHeader header 1
etcdserverpb.AuthUserGetResponse: .ResponseHeader header 1, *string roles 2
etcdserverpb.AuthUserListResponse: .ResponseHeader header 1, *string users 2
etcdserverpb.AuthUserDeleteResponse: .ResponseHeader header 1
etcdserverpb.AuthUserChangePasswordResponse: .ResponseHeader header 1
etcdserverpb.AuthUserGrantRoleResponse: .ResponseHeader header 1
etcdserverpb.AuthUserRevokeRoleResponse: .ResponseHeader header 1
etcdserverpb.AuthRoleAddResponse: .ResponseHeader header 1
etcdserverpb.AuthRoleGetResponse: .ResponseHeader header 1, *authpb.Permission perm 2
etcdserverpb.AuthRoleListResponse: .ResponseHeader header 1, *string roles 2
etcdserverpb.AuthRoleDeleteResponse: .ResponseHeader header 1
etcdserverpb.AuthRoleGrantPermissionResponse: .ResponseHeader header 1
etcdserverpb.AuthRoleRevokePermissionResponse: .ResponseHeader header 1
v3lockpb.LockRequest: bytes name 1, int64 lease 2
v3lockpb.LockResponse: etcdserverpb.ResponseHeader header 1, bytes key 2
v3lockpb.UnlockRequest: bytes key 1
v3lockpb.UnlockResponse: etcdserverpb.ResponseHeader header 1
v3electionpb.LeaderKey: bytes name 1, bytes key 2, int64 rev 3, int64 lease 4
v3electionpb.CampaignRequest: bytes name 1, int64 lease 2, bytes value 3
v3electionpb.CampaignResponse: etcdserverpb.ResponseHeader header 1, .LeaderKey leader 2
v3electionpb.LeaderRequest: bytes name 1
v3electionpb.LeaderResponse: etcdserverpb.ResponseHeader header 1, mvccpb.KeyValue kv 2
v3electionpb.ResignRequest: .LeaderKey leader 1
v3electionpb.ResignResponse: etcdserverpb.ResponseHeader header 1
v3electionpb.ProclaimRequest: .LeaderKey leader 1, bytes value 2
v3electionpb.ProclaimResponse: etcdserverpb.ResponseHeader header 1
grpc.health.v1.HealthCheckRequest: string service 1
grpc.health.v1.HealthCheckResponse: .HealthCheckResponse.ServingStatus status 1
"""

# Service, method, its messages, its path below /v3 in JSON
METHODS = """
etcdserverpb.KV Range RangeRequest RangeResponse kv/range
etcdserverpb.KV RangeStream RangeRequest RangeStreamResponse -
etcdserverpb.KV Put PutRequest PutResponse kv/put
etcdserverpb.KV DeleteRange DeleteRangeRequest DeleteRangeResponse kv/deleterange
etcdserverpb.KV Txn TxnRequest TxnResponse kv/txn
etcdserverpb.KV Compact CompactionRequest CompactionResponse kv/compaction
etcdserverpb.Watch Watch WatchRequest WatchResponse watch
etcdserverpb.Lease LeaseGrant LeaseGrantRequest LeaseGrantResponse lease/grant
etcdserverpb.Lease LeaseRevoke LeaseRevokeRequest LeaseRevokeResponse lease/revoke
etcdserverpb.Lease LeaseKeepAlive LeaseKeepAliveRequest LeaseKeepAliveResponse lease/keepalive
etcdserverpb.Lease LeaseTimeToLive LeaseTimeToLiveRequest LeaseTimeToLiveResponse lease/timetolive
etcdserverpb.Lease LeaseLeases LeaseLeasesRequest LeaseLeasesResponse lease/leases
etcdserverpb.Cluster MemberAdd MemberAddRequest MemberAddResponse cluster/member/add
etcdserverpb.Cluster MemberRemove MemberRemoveRequest MemberRemoveResponse cluster/member/remove
etcdserverpb.Cluster MemberUpdate MemberUpdateRequest MemberUpdateResponse cluster/member/update
etcdserverpb.Cluster MemberList MemberListRequest MemberListResponse cluster/member/list
etcdserverpb.Cluster MemberPromote MemberPromoteRequest MemberPromoteResponse cluster/member/promote
etcdserverpb.Maintenance Alarm AlarmRequest AlarmResponse maintenance/alarm
etcdserverpb.Maintenance Status StatusRequest StatusResponse maintenance/status
etcdserverpb.Maintenance Defragment DefragmentRequest DefragmentResponse maintenance/defragment
etcdserverpb.Maintenance Hash HashRequest HashResponse maintenance/hash
etcdserverpb.Maintenance HashKV HashKVRequest HashKVResponse maintenance/hashkv
etcdserverpb.Maintenance Snapshot SnapshotRequest SnapshotResponse maintenance/snapshot
etcdserverpb.Maintenance MoveLeader MoveLeaderRequest MoveLeaderResponse maintenance/transfer-leadership
etcdserverpb.Maintenance Downgrade DowngradeRequest DowngradeResponse maintenance/downgrade
etcdserverpb.Auth AuthEnable AuthEnableRequest AuthEnableResponse auth/enable
etcdserverpb.Auth AuthDisable AuthDisableRequest AuthDisableResponse auth/disable
etcdserverpb.Auth AuthStatus AuthStatusRequest AuthStatusResponse auth/status
etcdserverpb.Auth Authenticate AuthenticateRequest AuthenticateResponse auth/authenticate
etcdserverpb.Auth UserAdd AuthUserAddRequest AuthUserAddResponse auth/user/add
etcdserverpb.Auth UserGet AuthUserGetRequest AuthUserGetResponse auth/user/get
etcdserverpb.Auth UserList AuthUserListRequest AuthUserListResponse auth/user/list
etcdserverpb.Auth UserDelete AuthUserDeleteRequest AuthUserDeleteResponse auth/user/delete
etcdserverpb.Auth UserChangePassword AuthUserChangePasswordRequest AuthUserChangePasswordResponse auth/user/changepw
etcdserverpb.Auth UserGrantRole AuthUserGrantRoleRequest AuthUserGrantRoleResponse auth/user/grant
etcdserverpb.Auth UserRevokeRole AuthUserRevokeRoleRequest AuthUserRevokeRoleResponse auth/user/revoke
etcdserverpb.Auth RoleAdd AuthRoleAddRequest AuthRoleAddResponse auth/role/add
etcdserverpb.Auth RoleGet AuthRoleGetRequest AuthRoleGetResponse auth/role/get
etcdserverpb.Auth RoleList AuthRoleListRequest AuthRoleListResponse auth/role/list
etcdserverpb.Auth RoleDelete AuthRoleDeleteRequest AuthRoleDeleteResponse auth/role/delete
etcdserverpb.Auth RoleGrantPermission AuthRoleGrantPermissionRequest AuthRoleGrantPermissionResponse auth/role/grant
etcdserverpb.Auth RoleRevokePermission AuthRoleRevokePermissionRequest AuthRoleRevokePermissionResponse auth/role/revoke
v3lockpb.Lock Lock LockRequest LockResponse lock/lock
v3lockpb.Lock Unlock UnlockRequest UnlockResponse lock/unlock
v3electionpb.Election Campaign CampaignRequest CampaignResponse election/campaign
v3electionpb.Election Proclaim ProclaimRequest ProclaimResponse election/proclaim
v3electionpb.Election Leader LeaderRequest LeaderResponse election/leader
v3electionpb.Election Observe LeaderRequest LeaderResponse election/observe
v3electionpb.Election Resign ResignRequest ResignResponse election/resign
grpc.health.v1.Health Check HealthCheckRequest HealthCheckResponse -
"""

# In the order in which they use each other
_PACKAGES = ['mvccpb', 'authpb', 'etcdserverpb', 'v3lockpb', 'v3electionpb', 'grpc.health.v1']

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {'bytes': _Field.TYPE_BYTES, 'string': _Field.TYPE_STRING, 'bool': _Field.TYPE_BOOL,
            'int64': _Field.TYPE_INT64, 'uint64': _Field.TYPE_UINT64, 'uint32': _Field.TYPE_UINT32}


def _add_field(message, package, text, enums, oneof=None):
    kind, name, number = text.split()
    field = message.field.add(name=name, number=int(number), label=_Field.LABEL_OPTIONAL)
    if kind.startswith('*'):
        field.label = _Field.LABEL_REPEATED
        kind = kind[1:]
    if oneof is not None:
        field.oneof_index = oneof
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
        return
    kind = package + kind if kind.startswith('.') else kind
    field.type = _Field.TYPE_ENUM if kind in enums else _Field.TYPE_MESSAGE
    field.type_name = '.' + kind


def _parts(line):
    name, _, rest = line.partition(':')
    package = next(p for p in _PACKAGES if name.startswith(p + '.'))
    return package, name[len(package) + 1:], rest.strip()


def _build():
    enums = {}
    for line in ENUMS.strip().splitlines():
        name, _, values = line.partition(':')
        enums[name] = values.split()
    files = {}
    for line in MESSAGES.strip().splitlines():
        package, short, rest = _parts(line)
        if package not in files:
            files[package] = descriptor_pb2.FileDescriptorProto(
                name=package + '.proto', package=package, syntax='proto3')
        message = files[package].message_type.add(name=short)
        for union in re.finditer(r'oneof (\w+)\(([^)]*)\)', rest):
            message.oneof_decl.add(name=union.group(1))
            for text in union.group(2).split(','):
                _add_field(message, package, text, enums, len(message.oneof_decl) - 1)
        rest = re.sub(r'oneof \w+\([^)]*\)', '', rest)
        for text in filter(str.strip, rest.split(',')):
            _add_field(message, package, text, enums)
    for name, values in enums.items():
        package, short, _ = _parts(name + ':')
        holder = files[package]
        if '.' in short:
            outer, short = short.split('.')
            holder = next(m for m in holder.message_type if m.name == outer)
        enum = holder.enum_type.add(name=short)
        for number, value in enumerate(values):
            enum.value.add(name=value, number=number)
    pool = descriptor_pool.DescriptorPool()
    for i, package in enumerate(_PACKAGES):
        if i >= 2 and package != 'grpc.health.v1':
            files[package].dependency.extend(p + '.proto' for p in _PACKAGES[:min(i, 3)])
        pool.Add(files[package])
    factory = message_factory.MessageFactory(pool)
    classes = {}
    for package in _PACKAGES:
        for message in files[package].message_type:
            classes[message.name] = factory.GetPrototype(pool.FindMessageTypeByName(package + '.' + message.name))
    return classes


class Method:
    """A method: its path in gRPC, its path in JSON below /v3, its messages."""

    def __init__(self, line, classes):
        service, name, request, response, json_path = line.split()
        self.name = name
        self.path = '/%s/%s' % (service, name)
        self.json_path = None if json_path == '-' else json_path
        self.request = classes[request]
        self.response = classes[response]


CLASSES = _build()
globals().update(CLASSES)
_methods = [Method(line, CLASSES) for line in METHODS.strip().splitlines()]
METHODS = {m.path.rpartition('.')[2]: m for m in _methods}
BY_REQUEST = {}
for _method in _methods:
    BY_REQUEST.setdefault(_method.request, _method)
