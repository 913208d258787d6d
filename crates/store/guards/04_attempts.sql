-- The wall around attempts: key, bytes, digest and cap are frozen; an outcome is never taken back
-- and a settlement never undone; no attempt disappears. Evidence of acceptance that arrives before a
-- refusal is settled is stronger than the refusal: the purchase exists. // G4, A11

-- As with orders, the lists of columns decide first.
create or replace trigger order_attempts_frozen
  before update of order_id, generation, attempt_id, provider, provider_key, request_digest,
    request_body, price_cap_minor, opened_at
  on :"schema".order_attempts for each statement
  execute function :"schema".refuse_write(
    'an attempt is frozen: key, bytes, cap and outcome are never taken back', 'Settle it and open the next generation.');

create or replace trigger order_attempts_outcome_stands
  before update of outcome, request_id
  on :"schema".order_attempts for each row
  when (
    (new.outcome <> old.outcome
      and (old.settled_at is not null or new.outcome = 'open' or (new.outcome = 'unknown' and old.outcome <> 'open')))
    or (old.request_id is not null and new.request_id is distinct from old.request_id)
  )
  execute function :"schema".refuse_write(
    'an attempt is frozen: key, bytes, cap and outcome are never taken back', 'Settle it and open the next generation.');

create or replace trigger order_attempts_settled_once
  before update of settled_at, settled_by
  on :"schema".order_attempts for each row
  when (
    old.settled_at is not null
    and (new.settled_at is distinct from old.settled_at or new.settled_by is distinct from old.settled_by)
  )
  execute function :"schema".refuse_write(
    'an attempt is frozen: key, bytes, cap and outcome are never taken back', 'Settle it and open the next generation.');

create or replace trigger order_attempts_calls_counted
  before update of calls, first_sent_at, key_dead_at
  on :"schema".order_attempts for each row
  when (
    (new.calls > 0 and (
         (old.first_sent_at is not null and new.first_sent_at is distinct from old.first_sent_at)
         or (old.key_dead_at is not null and new.key_dead_at is distinct from old.key_dead_at)))
    or (new.calls < old.calls and not (new.calls = 0 and old.calls = 1 and old.outcome = 'open'))
  )
  execute function :"schema".refuse_write(
    'an attempt is frozen: key, bytes, cap and outcome are never taken back', 'Settle it and open the next generation.');

create or replace trigger order_attempts_kept
  before delete on :"schema".order_attempts for each statement
  execute function :"schema".refuse_write('attempts are kept for ever', 'Nothing replaces the evidence of what was sent.');
create or replace trigger order_attempts_never_truncated
  before truncate on :"schema".order_attempts for each statement
  execute function :"schema".refuse_write('attempts are kept for ever', 'Nothing replaces the evidence of what was sent.');
