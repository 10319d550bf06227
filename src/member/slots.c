/*-------------------------------------------------------------------------
 *
 * slots.c
 *	  A request in its slot: what the owners of slots do alike.
 *
 * A backend owns one slot and waits for it (client.c), the gateway owns many and
 * waits for none (calls.c).
 *
 * Copyright (c) 2026, pg_quorum developers
 *
 * IDENTIFICATION
 *	  src/member/slots.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "shared.h"

/*
 * slot_member_refuses() -- is this member in a state in which no waiting can help a
 * request?  Only then *status is filled in.
 */
bool
slot_member_refuses(MemberStatus *status)
{
	/* one word, no lock: in the common case nothing else is looked at */
	if (member_shared->status.role != MEMBER_QUARANTINED &&
		member_shared->status.role != MEMBER_JOINING)
		return false;
	member_get_status(status);
	return status->role == MEMBER_QUARANTINED ||
		(status->role == MEMBER_JOINING && status->cluster_id == 0);
}

/*
 * slot_new_number() -- a number for a request in this slot, unique for ever.
 */
uint64
slot_new_number(const RequestSlot *slot)
{
	uint64		n = pg_atomic_fetch_add_u64(&member_shared->next_number, 1);

	return (n << SLOT_INDEX_BITS) | (uint64) (slot - member_slots);
}

/*
 * slot_command_size() -- say in a command who waits for it, and return its
 * packed size, which must not be greater than COMMAND_MAX_BYTES.
 */
size_t
slot_command_size(Quorum__Command *command, uint64 number)
{
	command->origin = member_shared->run_id;
	command->request = number;
	return quorum__command__get_packed_size(command);
}

/*
 * slot_room() -- where the request of a free slot goes that has so many bytes;
 * NULL if there is no memory for it.  slot_free_payloads() gives it back.
 */
char *
slot_room(RequestSlot *slot, uint32 len)
{
	Assert(!DsaPointerIsValid(slot->payload));
	if (len <= SLOT_INLINE_BYTES)
		return slot->data;
	slot->payload = dsa_allocate_extended(member_dsa(), len, DSA_ALLOC_NO_OOM);
	return DsaPointerIsValid(slot->payload) ?
		dsa_get_address(member_dsa(), slot->payload) : NULL;
}

/*
 * slot_submit() -- hand a free slot, whose request is in its room, to the worker.
 * Returns whether that one must be woken.
 */
bool
slot_submit(RequestSlot *slot, SlotKind kind, QuestionKind question, uint64 number, uint32 len)
{
	slot->number = number;
	slot->kind = kind;
	slot->question = question;
	slot->term = 0;
	slot->len = len;
	slot->outcome = OUTCOME_RESULT;
	pg_write_barrier();
	pg_atomic_write_u32(&slot->state, SLOT_QUEUED);
	queue_push(slot - member_slots);
	return kind != SLOT_READ ||
		pg_atomic_add_fetch_u32(&member_shared->reads_queued, 1) >=
		pg_atomic_read_u32(&member_shared->reads_wanted);
}

/*
 * slot_result() -- the slot->len bytes of the answer, which go with the slot.
 */
const char *
slot_result(const RequestSlot *slot)
{
	return DsaPointerIsValid(slot->result) ?
		(const char *) dsa_get_address(member_dsa(), slot->result) : slot->data;
}

/*
 * slot_free_payloads() -- give back the memory of a slot's request and answer.  The
 * slot is its owner's.
 */
void
slot_free_payloads(RequestSlot *slot)
{
	if (DsaPointerIsValid(slot->payload))
		dsa_free(member_dsa(), slot->payload);
	if (DsaPointerIsValid(slot->result))
		dsa_free(member_dsa(), slot->result);
	slot->payload = slot->result = InvalidDsaPointer;
}
