# generate.py - requests at random, of every kind and with every field.
#
# Revisions in what is made here are relative to the start of the run, and leases that a
# server chose have stand-ins, so that one request serves two servers (compare.py
# translates).  All chance comes from one seeded source.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   test/etcd/generate.py

import wire

SMALL = [b'a', b'aa', b'ab', b'b', b'b\x00', b'b\xff', b'ba', b'c', b'\xff', b'\x00', b'z/1', b'z/2']
ENDS = [b'', b'', b'', b'\x00', b'\x00', b'b', b'c', b'b\x01', b'c\xff', b'a', b'\xff', b'\xff\xff', b'z0']
VALUES = [b'', b'1', b'2', b'value', b'\x00\xff\xfe', b'\xe2\x82\xac', b'v' * 300]
USERS = ['root', 'u1', 'u2', 'u3']
ROLES = ['root', 'r1', 'r2', 'r3']
PASSWORDS = {'root': 'rootpw', 'u1': 'pw1', 'u2': 'pw2', 'u3': 'pw3'}

# Stand-ins of leases that the server has chosen
CHOSEN_LEASES = 1 << 50


def puts_with_more(txn):
    """Whether a transaction has puts that need more than the right to write their keys."""
    operations = list(txn.success) + list(txn.failure)
    return any(o.request_put.lease or o.request_put.prev_kv or puts_with_more(o.request_txn) for o in operations)


def without_empty_ranges(message):
    """Whether one has the right to a range that ends before it begins differs among versions of etcd."""
    fields = message.DESCRIPTOR.fields_by_name
    if 'key' in fields and 'range_end' in fields and message.range_end not in (b'', b'\x00') and \
            message.range_end <= message.key:
        message.range_end = b''
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in value if field.label == field.LABEL_REPEATED else [value]:
                without_empty_ranges(inner)


class Step:
    """A call: method, request, who calls, by which face."""

    def __init__(self, name, request, user=None, json=False):
        self.method = wire.METHODS[name]
        self.name = name
        self.request = request
        self.user = user
        self.json = json
        self.expected = None    # (code, message), where the reference cannot be asked

    def __str__(self):
        return '%s%s%s { %s }' % (self.name, ' by JSON' if self.json else '',
                                  ' as %s' % self.user if self.user else '',
                                  ' '.join(str(self.request).split())[:2000])


class Generator:
    def __init__(self, random, profile):
        self.random = random
        self.profile = profile
        self.top = 1            # newest relative revision known
        self.compacted = 1
        self.leases = []        # granted, perhaps gone meanwhile
        self.next_lease = 1
        # The rights to what nested transactions do were not looked at in etcd 3.4 (Run.check_nested_rights)
        self.depth = 1 if profile == 'auth' else 3
        self.next_steps = []    # what must follow at once
        self.keys = [b'k/%03d' % i for i in range(150)] if profile == 'many' else SMALL
        self.leader_keys = []
        self.lock_keys = []

    # ---- parts ----

    def chance(self, percent):
        return self.random.random() * 100 < percent

    def key(self):
        if self.chance(1):
            return b''
        return self.random.choice(self.keys)

    def range_end(self, percent=50):
        if not self.chance(percent):
            return b''
        if self.profile == 'many':
            return self.random.choice([b'\x00', b'k0', b'k/1', b'k/05', self.random.choice(self.keys)])
        return self.random.choice(ENDS + [self.random.choice(self.keys)])

    def value(self):
        if self.profile == 'large' and self.chance(30):
            return bytes([self.random.randrange(256)]) * self.random.choice([5000, 100000, 700000])
        return self.random.choice(VALUES) if self.chance(70) else b'%d' % self.random.randrange(10000)

    def lease(self):
        if self.chance(3):
            return self.random.choice([7777, -5, 1 << 62])
        return self.random.choice(self.leases) if self.leases else 0

    def revision(self, percent):
        """0, or a revision that may be gone, there or yet to come."""
        if not self.chance(percent):
            return 0
        if self.chance(5):
            return -self.random.randrange(1, 3)
        return self.random.randrange(max(1, self.compacted - 1), self.top + 3)

    def kept_revision(self, percent):
        return self.random.randrange(1, self.top + 2) if self.chance(percent) else 0

    # ---- KV ----

    def range(self, in_txn=False):
        r = wire.RangeRequest(key=self.key(), range_end=self.range_end())
        if self.chance(30):
            r.limit = self.random.choice([1, 2, 3, 5, 100, 1, 2, -1])
        r.revision = self.revision(15)
        if self.chance(25):
            r.sort_order = self.random.randrange(3)
        if self.chance(25):
            # Ties of more than a dozen keys are in no order that one could rely on.
            r.sort_target = self.random.randrange(5) if self.profile != 'many' else 0
        r.serializable = self.chance(15)
        r.keys_only = self.chance(10)
        r.count_only = self.chance(10)
        if self.chance(12):
            r.min_mod_revision = self.kept_revision(50)
            r.max_mod_revision = self.kept_revision(50)
        if self.chance(12):
            r.min_create_revision = self.kept_revision(50)
            r.max_create_revision = self.kept_revision(50)
        return r

    def put(self):
        r = wire.PutRequest(key=self.key(), value=self.value(), prev_kv=self.chance(30))
        if self.chance(25):
            r.lease = self.lease()
        if self.chance(6):
            r.ignore_value = True
            if self.chance(80):
                r.value = b''
        if self.chance(6):
            r.ignore_lease = True
            if self.chance(80):
                r.lease = 0
        return r

    def delete_in_txn(self):
        r = self.delete()
        if r.range_end == b'\x00':
            r.range_end = b'\xff\xff'  # to the end is beyond_the_reference
        return r

    def delete(self):
        return wire.DeleteRangeRequest(key=self.key(), range_end=self.range_end(35), prev_kv=self.chance(40))

    def compare(self):
        c = wire.Compare(result=self.random.randrange(4), target=self.random.randrange(5), key=self.key(),
                         range_end=self.range_end(25))
        target = c.target if self.chance(96) else self.random.randrange(5)
        if self.chance(97):
            if target == 0:
                c.version = self.random.choice([0, 0, 1, 2, 3, -1])
            elif target == 1:
                c.create_revision = self.kept_revision(60)
            elif target == 2:
                c.mod_revision = self.kept_revision(60)
            elif target == 3:
                c.value = self.value()
            else:
                c.lease = self.lease() if self.chance(60) else 0
                # Which is greater of ids that the servers have chosen is up to them
                if c.lease >= CHOSEN_LEASES and c.result in (1, 2):
                    c.result = 3
        return c

    def op(self, depth):
        op = wire.RequestOp()
        kind = self.random.choice(['range', 'put', 'put', 'delete', 'txn' if depth < self.depth else 'put'])
        if self.chance(1):
            return op
        if kind == 'range':
            op.request_range.CopyFrom(self.range(in_txn=True))
        elif kind == 'put':
            op.request_put.CopyFrom(self.put())
        elif kind == 'delete':
            op.request_delete_range.CopyFrom(self.delete_in_txn())
        else:
            op.request_txn.CopyFrom(self.txn(depth + 1))
        return op

    def txn(self, depth=1):
        t = wire.TxnRequest()
        for _ in range(self.random.choice([0, 1, 1, 1, 2, 3])):
            t.compare.add().CopyFrom(self.compare())
        most = 4 if depth == 1 else 2
        for _ in range(self.random.randrange(most + 1)):
            t.success.add().CopyFrom(self.op(depth))
        for _ in range(self.random.randrange(most)):
            t.failure.add().CopyFrom(self.op(depth))
        if depth == 1 and self.chance(2) and self.depth > 1:
            self.many_operations(t)
        if depth == 1 and self.chance(10):
            self.only_ranges(t)
        return t

    def many_operations(self, t):
        """About as many operations as are allowed."""
        del t.success[:]
        for i in range(self.random.choice([127, 128, 129])):
            t.success.add().request_range.key = self.random.choice(self.keys)
        if self.chance(30):
            del t.success[-1:]
            nested = t.success.add().request_txn
            nested.success.add().request_range.key = b'a'

    def only_ranges(self, t):
        for branch in (t.success, t.failure):
            del branch[:]
            for _ in range(self.random.randrange(3)):
                branch.add().request_range.CopyFrom(self.range(in_txn=True))

    def compaction(self):
        revision = self.random.choice([self.top, self.top - 1, self.top // 2, self.compacted, 0, self.top + 5, -1,
                                       self.compacted + 1])
        return wire.CompactionRequest(revision=revision, physical=self.chance(50))

    # ---- leases ----

    def grant(self):
        r = wire.LeaseGrantRequest(TTL=self.random.choice([600, 1000, 5000, 600, 600, 0, -3, 9000000000, 9000000001]))
        if self.chance(60):
            if self.leases and self.chance(20):
                r.ID = self.random.choice(self.leases)
            else:
                r.ID = 1000 + self.next_lease
                self.next_lease += 1
                if r.TTL >= 600:
                    self.leases.append(r.ID)
                else:
                    # It would expire at some moment, on each side at another
                    self.next_steps.append(Step('Lease/LeaseRevoke', wire.LeaseRevokeRequest(ID=r.ID), user='root'))
        elif r.TTL < 600:
            r.TTL = 600
        return r

    # ---- what to do next ----

    def kv_step(self):
        kind = self.random.choices(
            ['Put', 'Range', 'DeleteRange', 'Txn', 'Compact', 'Grant', 'Revoke', 'KeepAlive', 'TimeToLive', 'Leases',
             'HashKV', 'Huge'],
            [30, 30, 8, 25, 2, 3, 1.5, 2, 3, 0.7, 1, 0.3])[0]
        if kind == 'Huge':
            request = wire.PutRequest(key=b'huge', value=b'h' * self.random.choice([1500000, 1572865, 1600000]))
            return Step('KV/Put', request)
        made = {
            'Put': lambda: ('KV/Put', self.put()),
            'Range': lambda: ('KV/Range', self.range()),
            'DeleteRange': lambda: ('KV/DeleteRange', self.delete()),
            'Txn': lambda: ('KV/Txn', self.txn()),
            'Compact': lambda: ('KV/Compact', self.compaction()),
            'Grant': lambda: ('Lease/LeaseGrant', self.grant()),
            'Revoke': lambda: ('Lease/LeaseRevoke', wire.LeaseRevokeRequest(ID=self.lease())),
            'KeepAlive': lambda: ('Lease/LeaseKeepAlive', wire.LeaseKeepAliveRequest(ID=self.lease())),
            'TimeToLive': lambda: ('Lease/LeaseTimeToLive',
                                   wire.LeaseTimeToLiveRequest(ID=self.lease(), keys=self.chance(60))),
            'Leases': lambda: ('Lease/LeaseLeases', wire.LeaseLeasesRequest()),
            'HashKV': lambda: ('Maintenance/HashKV', wire.HashKVRequest(revision=self.revision(60))),
        }[kind]()
        # etcd 3.4 has no JSON for HashKV
        return Step(*made, json=self.chance(25) and kind != 'HashKV')

    def admin_step(self):
        """Cluster and Maintenance, as far as nothing is changed for good."""
        name, request = self.random.choice([
            ('Cluster/MemberList', wire.MemberListRequest()),
            ('Cluster/MemberRemove', wire.MemberRemoveRequest(ID=12345)),
            ('Cluster/MemberPromote', wire.MemberPromoteRequest(ID=12345)),
            ('Maintenance/Status', wire.StatusRequest()),
            ('Maintenance/Defragment', wire.DefragmentRequest()),
            ('Maintenance/Hash', wire.HashRequest()),
            ('Maintenance/Alarm', wire.AlarmRequest()),
            ('Maintenance/MoveLeader', wire.MoveLeaderRequest(targetID=12345)),
            ('Auth/AuthStatus', wire.AuthStatusRequest()),
            ('Health/Check', wire.HealthCheckRequest()),
        ])
        step = Step(name, request)
        step.json = step.method.json_path is not None and self.chance(30)
        return step

    # ---- locks and elections ----

    def lock_step(self):
        kind = self.random.choice(['Lock', 'Unlock', 'Campaign', 'Proclaim', 'Leader', 'Resign', 'Range', 'Grant'])
        name = self.random.choice([b'lock/a', b'lock/b', b'e'])
        # The keys are made of the lease, so it must be the same on both sides
        ours = [lease for lease in self.leases if lease < CHOSEN_LEASES]
        lease = self.random.choice(ours) if ours else 0
        if kind == 'Grant' or not lease:
            r = wire.LeaseGrantRequest(TTL=600, ID=1000 + self.next_lease)
            self.next_lease += 1
            self.leases.append(r.ID)
            return Step('Lease/LeaseGrant', r)
        if kind == 'Lock' and not self.lock_keys:
            return Step('Lock/Lock', wire.LockRequest(name=name, lease=lease), json=self.chance(30))
        if kind == 'Unlock':
            key = self.lock_keys.pop() if self.lock_keys else b'lock/none'
            return Step('Lock/Unlock', wire.UnlockRequest(key=key), json=self.chance(30))
        if kind == 'Campaign' and not self.leader_keys:
            return Step('Election/Campaign', wire.CampaignRequest(name=b'election', lease=lease, value=self.value()),
                        json=self.chance(30))
        if kind == 'Leader':
            return Step('Election/Leader', wire.LeaderRequest(name=self.random.choice([b'election', b'other'])),
                        json=self.chance(30))
        if kind in ('Proclaim', 'Resign'):
            if self.leader_keys and self.chance(90):
                leader = self.leader_keys[-1]
            elif self.chance(80):
                leader = wire.LeaderKey(name=b'election', key=b'election/none', rev=1, lease=lease)
            else:
                leader = None
            if kind == 'Proclaim':
                return Step('Election/Proclaim', wire.ProclaimRequest(leader=leader, value=self.value()),
                            json=self.chance(30))
            if self.leader_keys and leader is self.leader_keys[-1]:
                self.leader_keys.pop()
            return Step('Election/Resign', wire.ResignRequest(leader=leader), json=self.chance(30))
        return Step('KV/Range', wire.RangeRequest(key=b'\x00', range_end=b'\x00'))

    # ---- auth ----

    def user_name(self):
        return '' if self.chance(2) else self.random.choice(USERS + ['nobody'])

    def role_name(self):
        return '' if self.chance(2) else self.random.choice(ROLES + ['norole'])

    def permission(self):
        key = self.random.choice([b'a', b'b', b'aa', b'\x00', b'z/'] if self.chance(90) else self.keys)
        end = self.random.choice([b'', b'', b'b', b'c', b'\x00', b'z0', b'a', b'\xff'])
        # An empty range is refused since etcd 3.5 (beyond_the_reference)
        if end and end != b'\x00' and end <= key:
            end = b''
        return wire.Permission(permType=self.random.randrange(3), key=key, range_end=end)

    def caller(self):
        return self.random.choice(['root', 'root', 'u1', 'u1', 'u2', 'u3', 'none', 'bad'])

    def new_user(self):
        name = self.user_name()
        if name == 'root':              # as whom the next run cleans up
            return wire.AuthUserAddRequest(name=name, password=PASSWORDS[name])
        return wire.AuthUserAddRequest(
            name=name, password=self.random.choice(['pw1', 'pw2', 'x', '']),
            options=wire.UserAddOptions(no_password=True) if self.chance(10) else None)

    def auth_change(self):
        permission = self.permission()
        name, request = self.random.choice([
            lambda: ('Auth/UserAdd', self.new_user()),
            lambda: ('Auth/UserGet', wire.AuthUserGetRequest(name=self.user_name())),
            lambda: ('Auth/UserList', wire.AuthUserListRequest()),
            lambda: ('Auth/UserDelete', wire.AuthUserDeleteRequest(name=self.user_name())),
            lambda: ('Auth/UserGrantRole', wire.AuthUserGrantRoleRequest(user=self.user_name(), role=self.role_name())),
            lambda: ('Auth/UserGrantRole', wire.AuthUserGrantRoleRequest(user=self.user_name(), role=self.role_name())),
            lambda: ('Auth/UserRevokeRole', wire.AuthUserRevokeRoleRequest(name=self.user_name(), role=self.role_name())),
            lambda: ('Auth/RoleAdd', wire.AuthRoleAddRequest(name=self.role_name())),
            lambda: ('Auth/RoleGet', wire.AuthRoleGetRequest(role=self.role_name())),
            lambda: ('Auth/RoleList', wire.AuthRoleListRequest()),
            lambda: ('Auth/RoleDelete', wire.AuthRoleDeleteRequest(role=self.role_name())),
            lambda: ('Auth/RoleGrantPermission', wire.AuthRoleGrantPermissionRequest(
                name=self.role_name(), perm=permission)),
            lambda: ('Auth/RoleGrantPermission', wire.AuthRoleGrantPermissionRequest(
                name=self.role_name(), perm=permission)),
            lambda: ('Auth/RoleRevokePermission', wire.AuthRoleRevokePermissionRequest(
                role=self.role_name(), key=permission.key, range_end=permission.range_end)),
            lambda: ('Auth/AuthEnable', wire.AuthEnableRequest()),
            lambda: ('Auth/AuthDisable', wire.AuthDisableRequest()),
            lambda: ('Auth/AuthStatus', wire.AuthStatusRequest()),
        ])()
        return Step(name, request, json=self.chance(25))

    def authenticate(self):
        name = self.user_name()
        password = PASSWORDS.get(name, 'x') if self.chance(85) else self.random.choice(['', 'wrong'])
        return Step('Auth/Authenticate', wire.AuthenticateRequest(name=name, password=password), json=self.chance(25))

    def auth_step(self):
        kind = self.random.choices(['kv', 'change', 'authenticate', 'admin'], [55, 25, 12, 8])[0]
        step = {'kv': self.kv_step, 'change': self.auth_change, 'authenticate': self.authenticate,
                'admin': self.admin_step}[kind]()
        step.user = self.caller()
        without_empty_ranges(step.request)
        if step.name == 'KV/Compact':
            step.user = 'root'          # etcd 3.4 lets everybody
        if step.name in ('Lease/LeaseGrant', 'Lease/LeaseRevoke') and step.user != 'bad':
            step.user = 'root'          # etcd 3.4 lets those without a token
        if step.name == 'KV/Txn' and puts_with_more(step.request) and step.user != 'bad':
            # etcd 3.4 does not ask whose the other keys of the lease are, nor for the right to read the previous value
            step.user = 'root'
        return step

    def step(self):
        if self.next_steps:
            return self.next_steps.pop()
        if self.profile == 'auth':
            return self.auth_step()
        if self.profile == 'lock' and self.chance(85):
            return self.lock_step()
        if self.chance(2):
            return self.admin_step()
        if self.chance(1):
            return self.beyond_the_reference()
        return self.kv_step()

    def beyond_the_reference(self):
        """What the reference cannot be asked, and what a later etcd says to it."""
        # etcd takes the "\0" that ends a deletion literally when it looks for keys that a transaction both puts and
        # deletes, and lets it through; we refuse it as any other overlap
        overlap = wire.TxnRequest()
        overlap.success.add().request_put.key = b'b'
        overlap.success.add().request_delete_range.CopyFrom(wire.DeleteRangeRequest(key=b'a', range_end=b'\x00'))
        wrong_permission = wire.Permission(key=b'b', range_end=b'a')
        name, request, message = self.random.choice([
            # etcd 3.4 crashes of the one and takes the other for NONE
            ('KV/Range', wire.RangeRequest(key=b'a', range_end=b'b', sort_target=9), 'invalid sort option'),
            ('KV/Range', wire.RangeRequest(key=b'a', range_end=b'b', sort_order=9), 'invalid sort option'),
            # etcd 3.4 takes it, and gives no right by it
            ('Auth/RoleGrantPermission', wire.AuthRoleGrantPermissionRequest(name='r1', perm=wrong_permission),
             'invalid auth management'),
            ('Auth/RoleGrantPermission', wire.AuthRoleGrantPermissionRequest(name='r1', perm=wire.Permission()),
             'invalid auth management'),
            # etcd 3.4 crashes of it, if the role has a permission already
            ('Auth/RoleGrantPermission', wire.AuthRoleGrantPermissionRequest(name='r1'), 'permission not given'),
            ('KV/Txn', overlap, 'duplicate key given in txn request'),
        ])
        step = Step(name, request)
        step.expected = (3, 'etcdserver: ' + message)
        return step

    # ---- watches ----

    def watch_create(self):
        w = wire.WatchCreateRequest(key=self.key() or b'a', range_end=self.range_end(70), prev_kv=self.chance(40),
                                    progress_notify=self.chance(20), fragment=self.chance(20))
        w.start_revision = self.revision(40)
        if w.start_revision < 0:
            w.start_revision = 0
        if self.chance(25):
            w.filters.append(self.random.randrange(2))
        if self.chance(5):
            w.filters.append(self.random.randrange(2))
        # etcd keeps the id of a watch that was compacted
        if self.chance(10) and (w.start_revision == 0 or w.start_revision > self.top):
            w.watch_id = self.random.choice([5, 6, 50])
        if self.chance(3):
            w.key, w.range_end = b'', self.random.choice([b'', b'\x00', b'x'])
        return wire.WatchRequest(create_request=w)

    # ---- learning from answers ----

    def learn(self, step, response):
        """From an answer with relative revisions and stand-ins."""
        if response is None:
            return
        if response.DESCRIPTOR.fields_by_name.get('header') and response.header.revision > self.top:
            self.top = response.header.revision
        if step.name == 'KV/Compact':
            self.compacted = max(self.compacted, step.request.revision)
        elif step.name == 'Lease/LeaseGrant' and response.ID >= CHOSEN_LEASES:
            self.leases.append(response.ID)
        elif step.name == 'Lock/Lock':
            self.lock_keys.append(response.key)
        elif step.name == 'Election/Campaign':
            self.leader_keys.append(response.leader)
