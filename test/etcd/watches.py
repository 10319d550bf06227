# watches.py - Watch calls with the same watches on both servers, and all they are told.
#
# How events are grouped into responses is the server's business, within limits that are
# checked on each side; what each watch is told, in its order, must be the same.  An
# observer on each side, a watch of everything, says what the others must be told, so
# that it is known when all has come.
#
# Copyright (c) 2026, pg_quorum developers
#
# IDENTIFICATION
#   test/etcd/watches.py

import time

import client
import generate
import wire

# A watch that is this late is taken for one that will never be told.
LATE = 30


class Difference(Exception):
    pass


class Told:
    """What one side's stream has said so far, checked and in relative terms."""

    def __init__(self, side, stream, compacted):
        self.side = side
        self.compacted = compacted
        self.stream = stream
        self.taken = 0
        self.created = []
        self.watches = {}       # id: what it was told
        self.live = set()
        self.cancels = set()    # ids that the client asked to cancel
        self.fragments = {}     # id: a response was cut and goes on
        self.newest = {}        # id: revision of its last event
        self.plain = {}         # id: may its responses not be cut?
        self.progress = []
        self.asked = []         # the create requests, in order
        self.request = {}       # id: its create request
        self.since = {}         # id: first revision it is told; None: it is gone
        self.oldest = set()     # those that began at the compacted revision
        self.overtaken = set()  # those that are not compared any more
        self.events = []        # all, of an observer

    def fail(self, words, response):
        raise Difference('%s: watch: %s: %s' % (self.side.name, words, ' '.join(str(response).split())[:1000]))

    def take(self):
        with self.stream.arrived:
            responses = self.stream.received[self.taken:]
            self.taken += len(responses)
        for response in responses:
            self.take_one(response)
        problem = getattr(self.stream, 'problem', None)
        if problem:
            raise Difference('%s: watch by JSON: %s' % (self.side.name, problem))

    def take_one(self, raw):
        problem = self.side.check_header(raw.header) if raw.header.revision else None
        if problem:
            self.fail(problem, raw)
        r = self.side.inward(raw)
        if r.created:
            if len(self.created) == len(self.asked):
                self.fail('created without having been asked to', r)
            request = self.asked[len(self.created)]
            self.created.append((r.watch_id, r.canceled, r.cancel_reason, r.header.revision, len(r.events)))
            if not r.canceled:
                if r.watch_id in self.live:
                    self.fail('an id twice', r)
                self.live.add(r.watch_id)
                self.watches.setdefault(r.watch_id, []).append('created')
                self.overtaken.discard(r.watch_id)
                self.newest[r.watch_id] = 0
                self.plain[r.watch_id] = not request.fragment
                self.request[r.watch_id] = request
                self.since[r.watch_id] = request.start_revision or r.header.revision + 1
                self.oldest.discard(r.watch_id)
                if self.since[r.watch_id] == self.compacted():
                    self.oldest.add(r.watch_id)
                elif self.since[r.watch_id] < self.compacted():
                    self.since[r.watch_id] = None
            return
        if r.watch_id == -1:
            if r.events or r.canceled:
                self.fail('events or an end for all', r)
            self.progress.append(r.header.revision)
            return
        if r.watch_id not in self.live and r.canceled and r.watch_id in self.cancels and self.side.name == 'etcd':
            # Asked to cancel what a compaction was just ending, etcd 3.4 says twice that it is over
            return
        if r.watch_id not in self.live:
            self.fail('of a watch that is not there', r)
        told = self.watches[r.watch_id] if r.watch_id not in self.overtaken else []
        if r.canceled:
            told.append(('canceled', r.compact_revision, r.cancel_reason))
            self.live.discard(r.watch_id)
        self.take_events(r, told)

    def take_events(self, r, told):
        if r.fragment and self.plain[r.watch_id]:
            self.fail('cut without having been asked to', r)
        goes_on = self.fragments.get(r.watch_id, False)
        newest = self.newest[r.watch_id]
        for i, event in enumerate(r.events):
            revision = event.kv.mod_revision
            if revision < newest or (revision == newest and i == 0 and not goes_on):
                self.fail('out of order, or a revision that was split', r)
            newest = revision
            self.events.append(event)
            if r.watch_id in self.oldest and forgotten(event, self.since[r.watch_id]):
                continue
            told.append(str(event))
        self.newest[r.watch_id] = newest
        self.fragments[r.watch_id] = r.fragment
        if r.events and r.header.revision < newest:
            self.fail('a header older than the events', r)


def forgotten(event, compacted):
    """A deletion at the compacted revision: etcd 3.4 has removed it although a watch may begin there, which
    was mended later (etcd 19179).  So it is not compared."""
    return event.type == wire.Event.DELETE and event.kv.mod_revision == compacted


def wanted(request, event):
    """The event as a watch is told of it, or None."""
    key, end = request.key or b'\x00', request.range_end
    at = event.kv.key
    if not request.key and not end:
        end = b''
    if not (at == key if not end else at >= key and (end == b'\x00' or at < end)):
        return None
    if event.type in request.filters:
        return None
    if not request.prev_kv:
        event = wire.Event.FromString(event.SerializeToString())
        event.ClearField('prev_kv')
    return str(event)


class Watches:
    def __init__(self, sides, generator):
        self.sides = sides
        self.generator = generator
        self.random = generator.random
        self.pairs = []
        self.observers = []

    def told(self, side, stream):
        return Told(side, stream, lambda: self.generator.compacted)

    def observe(self):
        """Watch everything, from now on."""
        request = wire.WatchRequest(create_request=wire.WatchCreateRequest(
            key=b'\x00', range_end=b'\x00', prev_kv=True))
        for side in self.sides:
            told = self.told(side, client.WatchStream(side.endpoint))
            told.asked.append(request.create_request)
            told.stream.send(request)
            if not self.wait_one(told, lambda t: t.created):
                raise Difference('%s: no watch of everything' % side.name)
            self.observers.append(told)

    def open(self):
        pair = [self.told(side, client.WatchStream(side.endpoint)) for side in self.sides]
        for told in pair:
            told.endpoint = told.side.endpoint
        self.pairs.append(pair)
        return pair

    def wait(self, pair, what, condition):
        """Until a condition holds on both sides."""
        for told in pair:
            def fulfilled(_):
                return condition(told)
            if not self.wait_one(told, fulfilled):
                raise Difference("%s: %s: nothing came (%s) by %s at %s; %d received, %s" % (told.side.name, what, told.stream.error, type(told.stream).__name__, told.side.endpoint.address, len(told.stream.received), time.asctime()))

    def wait_one(self, told, condition):
        told.take()
        while not condition(told):
            if not told.stream.wait(lambda received: len(received) > told.taken, LATE):
                return False
            told.take()
        return True

    def create(self):
        if not self.pairs or self.generator.chance(20):
            if len(self.pairs) < 6:
                self.open()
        live = [p for p in self.pairs if isinstance(p[0].stream, client.WatchStream)]
        if not live or self.generator.chance(10):
            return self.create_by_json()
        pair = self.random.choice(live)
        request = self.generator.watch_create()
        n = len(pair[0].created)
        for told in pair:
            # The stream may be another member's than the last write
            told.endpoint.call(wire.METHODS['KV/Range'], wire.RangeRequest(key=b'barrier'))
            told.asked.append(request.create_request)
            told.stream.send(told.side.outward(request))
        self.wait(pair, 'created', lambda told: len(told.created) > n)
        self.same_creation(request, pair, n)
        return 'watch %s' % ' '.join(str(request).split())

    def create_by_json(self):
        request = self.generator.watch_create()
        request.create_request.watch_id = 0
        pair = []
        for side in self.sides:
            told = self.told(side, client.JsonWatch(side.endpoint, side.outward(request)))
            told.asked.append(request.create_request)
            pair.append(told)
        self.pairs.append(pair)
        self.wait(pair, 'created', lambda told: told.created)
        self.same_creation(request, pair, 0)
        return 'watch by JSON %s' % ' '.join(str(request).split())

    def same_creation(self, request, pair, n):
        ref, sub = [told.created[n] for told in pair]
        if ref != sub:
            raise Difference('watch %s: created\n  %s\n  %s' % (' '.join(str(request).split()), ref, sub))

    def cancel(self):
        pairs = [p for p in self.pairs if isinstance(p[0].stream, client.WatchStream)]
        if not pairs:
            return self.create()
        self.synchronize()
        pair = self.random.choice(pairs)
        ids = sorted(pair[0].live)
        unknown = not ids or self.generator.chance(15)
        watch = 999 if unknown else self.random.choice(ids)
        request = wire.WatchRequest(cancel_request=wire.WatchCancelRequest(watch_id=watch))
        for told in pair:
            told.cancels.add(watch)
            told.stream.send(request)
        if not unknown:
            self.wait(pair, 'canceled', lambda told: watch not in told.live)
        return 'cancel of watch %d' % watch

    def progress(self):
        """One answer for the stream, not older than what was told, when all watches have been told all."""
        self.synchronize()
        for pair in self.pairs:
            if not isinstance(pair[0].stream, client.WatchStream) or not pair[0].live or self.waits(pair):
                continue
            n = [len(told.progress) for told in pair]
            for told in pair:
                told.stream.send(wire.WatchRequest(progress_request=wire.WatchProgressRequest()))
            for told, before in zip(pair, n):
                if not self.wait_one(told, lambda t: len(t.progress) > before):
                    raise Difference('%s: no progress was told' % told.side.name)
                revision = told.progress[-1]
                if revision < max(told.newest.values()) or revision > self.generator.top:
                    raise Difference('%s: progress says revision %d' % (told.side.name, revision))
        return 'progress'

    def waits(self, pair):
        """Does a watch of the stream wait for a revision to come?"""
        return any(request.start_revision > self.generator.top for request in pair[0].asked)

    def synchronize(self):
        """Until all watches have been told all, and the same."""
        for observer in self.observers:
            if not self.wait_one(observer, lambda o: o.newest[0] >= self.generator.top or self.generator.top == 1):
                raise Difference('%s: the watch of everything was not told of revision %d' % (
                    observer.side.name, self.generator.top))
        for pair in self.pairs:
            for told, observer in zip(pair, self.observers):
                for watch in list(told.watches):
                    if not self.wait_one(told, lambda t: self.complete(t, watch, observer)):
                        raise Difference('%s: watch %d was told of %s, and no more; all that happened: %s' % (
                            told.side.name, watch, told.watches[watch], observer.events))
            self.wait_until_equal(*pair)
        return 'all watches have been told the same'

    def complete(self, told, watch, observer):
        """Has a watch been told as many events as it must be?"""
        since = told.since[watch]
        if since is None or watch not in told.live or watch in told.overtaken:
            return True
        request = told.request[watch]
        expected = [e for e in (wanted(request, e) for e in observer.events if e.kv.mod_revision >= since and not (
            watch in told.oldest and forgotten(e, since))) if e]
        got = told.watches[watch]
        got = got[len(got) - got[::-1].index('created'):]
        if len(got) >= len(expected) and got != expected and watch not in told.oldest:
            raise Difference('%s: watch %d { %s } was told\n  %s\n instead of\n  %s' % (
                told.side.name, watch, ' '.join(str(request).split()), got, expected))
        return len(got) >= len(expected)

    def forget_overtaken(self, ref, sub):
        """
        A watch in the past of which there was nothing to tell: nobody can see whether it had caught up when a
        compaction came, and only if not it was canceled; nor which compaction it was that etcd met, which looks at
        watches in the past only now and then.
        """
        for watch in set(ref.watches) & set(sub.watches):
            ends = [told.watches[watch][-1] for told in (ref, sub)]
            compacted = [type(end) is tuple and end[1] > 0 for end in ends]
            differ = compacted[0] != compacted[1] or (all(compacted) and ends[0] != ends[1])
            if differ and ref.request[watch].start_revision:
                for told in (ref, sub):
                    told.watches[watch] = ['overtaken']
                    told.overtaken.add(watch)

    def wait_until_equal(self, ref, sub):
        for told in (ref, sub):
            told.take()
        while ref.watches != sub.watches:
            self.forget_overtaken(ref, sub)
            if ref.watches == sub.watches:
                break
            # The one that has been told less is waited for
            behind = ref if sum(map(len, ref.watches.values())) < sum(map(len, sub.watches.values())) else sub
            if not behind.stream.wait(lambda received: len(received) > behind.taken, LATE):
                raise Difference(self.explain(ref, sub))
            behind.take()

    def explain(self, ref, sub):
        for watch in sorted(set(ref.watches) | set(sub.watches)):
            a, b = ref.watches.get(watch, []), sub.watches.get(watch, [])
            if a != b:
                n = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))

                def said(told):
                    return ' '.join(str(told[n]).split()) if n < len(told) else 'nothing more'
                return 'watch %d, from its %d. message on\n  %s: %s\n  %s: %s' % (
                    watch, n, ref.side.name, said(a), sub.side.name, said(b))
        return 'watches differ'

    def probe(self, user):
        """May a user watch something?  A stream of its own, just for the answer."""
        request = self.generator.watch_create()
        generate.without_empty_ranges(request)
        by_json = self.generator.chance(30)
        said = []
        for side in self.sides:
            token = 'nonsense.42' if user == 'bad' else side.tokens.get(user)
            if by_json:
                stream = client.JsonWatch(side.endpoint, side.outward(request), token)
            else:
                stream = client.WatchStream(side.endpoint, token)
                stream.send(side.outward(request))
            stream.wait(lambda received: received or stream.error is not None, LATE)
            if stream.received:
                r = side.inward(stream.received[0])
                said.append((r.watch_id, r.created, r.canceled, r.cancel_reason, r.header.revision))
            else:
                said.append(stream.error)
            stream.close()
        # In etcd 3.4 one has the right to all keys from one on who has it to this one
        # (advisory GHSA-xg4h of 2026)
        if said[0] != said[1] and request.create_request.range_end == b'\x00' and said[1][2] and \
                said[1][3] == 'rpc error: code = PermissionDenied desc = etcdserver: permission denied':
            said[0] = said[1]
        words = 'watch%s as %s %s' % (' by JSON' if by_json else '', user, ' '.join(str(request).split()))
        if said[0] != said[1]:
            raise Difference('%s\n  %s\n  %s' % (words, said[0], said[1]))
        return words

    def step(self):
        return self.random.choices([self.create, self.cancel, self.progress, self.synchronize], [55, 15, 10, 20])[0]()

    def finish(self):
        self.synchronize()
        for pair in self.pairs:
            for told in pair:
                if told.stream.error is not None:
                    raise Difference('%s: a watch call ended: %s' % (told.side.name, told.stream.error))

    def close(self):
        for pair in self.pairs + [self.observers]:
            for told in pair:
                told.stream.close()
