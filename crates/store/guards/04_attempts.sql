-- The wall around attempts: key, bytes, digest and cap are frozen; an outcome is never taken back
-- and a settlement never undone; no attempt disappears. Evidence of acceptance that arrives before a
-- refusal is settled is stronger than the refusal: the purchase exists. // G4, A11

create or replace trigger order_attempts_frozen
  before update on :"schema".order_attempts for each row
  when (
    new.order_id <> old.order_id or new.generation <> old.generation or new.attempt_id <> old.attempt_id
    or new.provider <> old.provider or new.provider_key <> old.provider_key
    or new.request_digest <> old.request_digest or new.request_body <> old.request_body
    or new.price_cap_minor <> old.price_cap_minor or new.opened_at <> old.opened_at
    or (old.settled_at is not null and (new.settled_at is distinct from old.settled_at
        or new.settled_by is distinct from old.settled_by or new.outcome <> old.outcome))
    or (old.outcome = 'unknown' and new.outcome = 'open')
    or (old.outcome = 'accepted' and new.outcome in ('open', 'unknown'))
    or (old.outcome = 'refused' and new.outcome in ('open', 'unknown'))
    or (new.calls > 0 and (
         (old.first_sent_at is not null and new.first_sent_at is distinct from old.first_sent_at)
         or (old.key_dead_at is not null and new.key_dead_at is distinct from old.key_dead_at)))
    or (old.request_id is not null and new.request_id is distinct from old.request_id)
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
