-- Attempts: one intended purchase each, frozen before the first byte is sent.

create table :"schema".order_attempts (
  order_id         uuid not null,
  generation       integer not null constraint order_attempts_generation_positive check (generation >= 1),
  attempt_id       uuid not null constraint order_attempts_attempt_id_unique unique,
  provider         text not null constraint order_attempts_provider_length check (char_length(provider) <@ '[1,60]'::int4range),
  provider_key     text not null
    constraint order_attempts_provider_key_unique unique
    constraint order_attempts_provider_key_length check (char_length(provider_key) <@ '[1,36]'::int4range),
  request_body     bytea not null
    constraint order_attempts_body_length check (octet_length(request_body) between 2 and 262144),
  request_digest   bytea not null
    constraint order_attempts_digest_is_a_digest check (octet_length(request_digest) = 32),
  price_cap_minor  bigint not null
    constraint order_attempts_cap_positive check (price_cap_minor between 1 and 1000000000),
  calls            integer not null default 0
    constraint order_attempts_calls_positive check (calls >= 0),
  opened_at        timestamptz not null,
  first_sent_at    timestamptz,
  key_dead_at      timestamptz,
  call_deadline_at timestamptz,
  lease_token      uuid,
  lease_expires_at timestamptz,
  worker           text constraint order_attempts_worker_length check (char_length(worker) <= 100),
  outcome          text not null default 'open'
    constraint order_attempts_outcome_known check (outcome = any ('{open, unknown, accepted, refused}')),
  request_id       text
    constraint order_attempts_request_id_length check (char_length(request_id) <@ '[1,200]'::int4range),
  code             text constraint order_attempts_code_length check (char_length(code) <= 100),
  settled_at       timestamptz,
  settled_by       text
    constraint order_attempts_settled_by_known check (settled_by = any
      ('{key_used_up, provider_final, delivered, never_sent, lookup, person}')),
  primary key (order_id, generation),

  constraint order_attempts_lease_whole
    check ((lease_token is null) = (lease_expires_at is null)),
  constraint order_attempts_lease_while_unanswered
    check (lease_token is null or outcome = any ('{open, unknown}')),
  constraint order_attempts_sent_whole
    check ((first_sent_at is null) = (key_dead_at is null) and (first_sent_at is null) = (calls = 0)),
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
-- What recovery reads.
create index order_attempts_leased on :"schema".order_attempts (lease_expires_at)
  where lease_token is not null;
-- A request id stays linked to its attempt for ever.
create unique index order_attempts_request_id_unique on :"schema".order_attempts (request_id)
  where request_id is not null;
