-- The wall around money: a movement is intended once, keeps its amount, key and bytes, ends once and is
-- never lost; no refund exceeds what was received; messages and differences are evidence.

create or replace trigger money_moves_written_by_functions_only
  before insert or update on :"schema".money_moves for each statement
  when (current_user <> :'owner')
  execute function :"schema".refuse_write(
    'money is moved by functions only', 'Call refund_order, cancel_order or decide_move instead.');

create or replace trigger money_moves_frozen
  before update of id, order_id, payment_intent, kind, amount_minor, currency, cause, reason, requested_by, created_at
  on :"schema".money_moves for each statement
  execute function :"schema".refuse_write(
    'a movement of money is frozen: amount, key and bytes never change', 'Let it end, and intend another.');

create or replace trigger money_moves_bytes_stand
  before update of target, body, approved_by, stripe_id, calls, key_number, first_sent_at, key_dead_at, request_key
  on :"schema".money_moves for each row
  when (
    (old.target is not null and new.target is distinct from old.target)
    or (old.body is not null and new.body is distinct from old.body)
    or (old.approved_by is not null and new.approved_by is distinct from old.approved_by)
    or (old.request_key is not null and new.request_key is distinct from old.request_key)
    or (old.stripe_id is not null and new.stripe_id is distinct from old.stripe_id)
    or new.calls < old.calls or new.key_number < old.key_number
    or (new.key_number = old.key_number and old.first_sent_at is not null
        and (new.first_sent_at is distinct from old.first_sent_at or new.key_dead_at is distinct from old.key_dead_at))
  )
  execute function :"schema".refuse_write(
    'a movement of money is frozen: amount, key and bytes never change', 'Let it end, and intend another.');

create or replace trigger money_moves_end_once
  before update of state, settled_at
  on :"schema".money_moves for each row
  when (
    -- Stripe returns to us what the bank would not take, even after it had said that it succeeded.
    (old.settled_at is not null and not (old.kind = 'refund' and old.state = 'done' and new.state = 'failed')
      and (new.state <> old.state or new.settled_at is distinct from old.settled_at))
    or (old.state = any ('{unknown, accepted}') and new.state = any ('{awaiting_approval, waiting, open, withdrawn}'))
    or (old.state = 'accepted' and new.state = 'unknown')
  )
  execute function :"schema".refuse_write(
    'a movement of money ends once, and what may have been sent is never unsent', 'Let it end, and intend another.');

create or replace trigger money_moves_within_received
  after insert or update of state on :"schema".money_moves for each row
  when (new.kind = 'refund')
  execute function :"schema".refunds_within_received();

create or replace trigger money_moves_kept
  before delete on :"schema".money_moves for each statement
  execute function :"schema".refuse_write('movements of money are kept for ever', 'Nothing replaces the evidence of what was moved.');
create or replace trigger money_moves_never_truncated
  before truncate on :"schema".money_moves for each statement
  execute function :"schema".refuse_write('movements of money are kept for ever', 'Nothing replaces the evidence of what was moved.');

create or replace trigger inbox_event_stays
  before update of event_id, kind, object, object_id, object_digest, livemode, created_at, received_at, source
  on :"schema".inbox for each statement
  execute function :"schema".refuse_write('a message stays as it was received', 'What became of it is told by its state.');
create or replace trigger differences_kept
  before delete or truncate on :"schema".differences for each statement
  execute function :"schema".refuse_write('differences are evidence and are kept', 'A difference is gone when both sides agree.');
