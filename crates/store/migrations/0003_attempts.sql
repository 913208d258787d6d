-- Attempts: one intended purchase each, frozen before the first byte is sent.
--
-- That the provider accepted one is written once, on the order (orders.zinc_request_id) and in its
-- history. The attempt learns it when it is settled: then its outcome is 'accepted', it keeps the
-- request id for ever, and settled_by says how the purchase ended. Until then it stays 'open' or
-- 'unknown', and its lease means nothing once its order is not 'submitting' any more.

create domain :"schema".order_attempts_provider as text
  constraint order_attempts_provider_length check (char_length(value) between 1 and 60);
create domain :"schema".order_attempts_provider_key as text
  constraint order_attempts_provider_key_length check (char_length(value) between 1 and 36);
create domain :"schema".order_attempts_request_body as bytea
  constraint order_attempts_body_length check (octet_length(value) between 2 and 262144);
create domain :"schema".order_attempts_request_digest as bytea
  constraint order_attempts_digest_is_a_digest check (octet_length(value) = 32);
create domain :"schema".order_attempts_price_cap_minor as bigint
  constraint order_attempts_cap_positive check (value between 1 and 1000000000);
create domain :"schema".order_attempts_worker as text
  constraint order_attempts_worker_length check (char_length(value) <= 100);
create domain :"schema".order_attempts_outcome as text
  constraint order_attempts_outcome_known check (value in ('open', 'unknown', 'accepted', 'refused'));
create domain :"schema".order_attempts_request_id as text
  constraint order_attempts_request_id_form check (value ~ '^[!-~]+$' and octet_length(value) <= 200);
create domain :"schema".order_attempts_code as text
  constraint order_attempts_code_length check (char_length(value) <= 100);
create domain :"schema".order_attempts_settled_by as text
  constraint order_attempts_settled_by_known check (value in ('key_used_up', 'provider_final', 'delivered', 'never_sent', 'lookup', 'person'));

create table :"schema".order_attempts (
  order_id         uuid not null,
  generation       integer not null constraint order_attempts_generation_positive check (generation >= 1),
  attempt_id       uuid not null constraint order_attempts_attempt_id_unique unique,
  provider         :"schema".order_attempts_provider not null,
  provider_key     :"schema".order_attempts_provider_key not null
    constraint order_attempts_provider_key_unique unique,
  request_body     :"schema".order_attempts_request_body not null,
  request_digest   :"schema".order_attempts_request_digest not null,
  price_cap_minor  :"schema".order_attempts_price_cap_minor not null,
  calls            integer not null default 0
    constraint order_attempts_calls_positive check (calls >= 0),
  opened_at        timestamptz not null,
  first_sent_at    timestamptz,
  key_dead_at      timestamptz,
  call_deadline_at timestamptz,
  lease_token      uuid,
  lease_expires_at timestamptz,
  worker           :"schema".order_attempts_worker,
  outcome          :"schema".order_attempts_outcome not null default 'open',
  request_id       :"schema".order_attempts_request_id,
  code             :"schema".order_attempts_code,
  settled_at       timestamptz,
  settled_by       :"schema".order_attempts_settled_by,
  primary key (order_id, generation),

  constraint order_attempts_lease_whole
    check ((lease_token is null) = (lease_expires_at is null)),
  constraint order_attempts_lease_while_unanswered
    check (lease_token is null or outcome = any ('{open, unknown}')),
  constraint order_attempts_sent_whole
    check ((first_sent_at is null) = (key_dead_at is null) and (first_sent_at is null) = (calls = 0)),
  constraint order_attempts_accepted_when_settled
    check (outcome <> 'accepted' or settled_at is not null),
  constraint order_attempts_lease_until_settled
    check (lease_token is null or settled_at is null),
  constraint order_attempts_accepted_has_an_id
    check (outcome <> 'accepted' or request_id is not null or settled_by = 'person'),
  constraint order_attempts_settled_has_evidence
    check ((settled_at is null) = (settled_by is null))
) with (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);

comment on table :"schema".order_attempts is
  'One row per intended purchase. Key, bytes, digest and cap never change; the outcome is never taken back.';
comment on column :"schema".order_attempts.request_body is
  'The exact bytes of every call under this key. Private: it holds the address; no role may read it but the functions.';
comment on column :"schema".order_attempts.key_dead_at is
  'After this time the provider may have forgotten the key: no send, only look-up, then a person.';
comment on column :"schema".order_attempts.call_deadline_at is
  'Hard end of the call under way or of the last one; a repeat waits until then and the provider''s own bound.';

-- Ruling 1: at most one unsettled attempt per order.
create unique index order_attempts_one_unsettled on :"schema".order_attempts (order_id)
  where settled_at is null;
-- A request id stays linked to its attempt for ever.
create unique index order_attempts_request_id_unique on :"schema".order_attempts (request_id)
  where request_id is not null;
