-- What people and callers need: findings, alerts, callers' keys, access, workers, settings.

create table :"schema".findings (
  id        uuid primary key,
  order_id  uuid references :"schema".orders (id),
  kind      text not null constraint findings_kind_length check (char_length(kind) between 1 and 60),
  subject   text not null constraint findings_subject_length check (char_length(subject) <= 200),
  data      jsonb not null,
  actor     text not null,
  opened_at timestamptz not null,
  closed_at timestamptz
);
comment on table :"schema".findings is 'What disagrees: kept as evidence, never corrected by machine.';
create unique index findings_once_while_open on :"schema".findings (order_id, kind, subject)
  nulls not distinct where closed_at is null;

create table :"schema".alerts (
  id        uuid primary key,
  rule      text not null constraint alerts_rule_length check (char_length(rule) between 1 and 60),
  order_id  uuid references :"schema".orders (id),
  subject   text not null constraint alerts_subject_length check (char_length(subject) <= 200),
  runbook   text not null constraint alerts_runbook_length check (char_length(runbook) between 1 and 300),
  opened_at timestamptz not null,
  closed_at timestamptz
);
comment on table :"schema".alerts is 'A thing that a person must see, with the line of the runbook that helps.';
create unique index alerts_once_while_open on :"schema".alerts (rule, order_id, subject)
  nulls not distinct where closed_at is null;

create table :"schema".idempotency_keys (
  caller     text not null constraint idempotency_keys_caller_length check (char_length(caller) between 1 and 200),
  key        text not null constraint idempotency_keys_key_length check (char_length(key) between 1 and 255),
  digest     bytea not null constraint idempotency_keys_digest_is_a_digest check (octet_length(digest) = 32),
  answer     jsonb not null,
  created_at timestamptz not null,
  primary key (caller, key)
);
comment on table :"schema".idempotency_keys is 'Callers'' keys with the stored answer, kept 72 hours.';
create index idempotency_keys_by_age on :"schema".idempotency_keys (created_at);

create table :"schema".api_keys (
  id         uuid primary key,
  prefix     text not null constraint api_keys_prefix_length check (char_length(prefix) between 4 and 20),
  digest     bytea not null
    constraint api_keys_digest_unique unique
    constraint api_keys_digest_is_a_digest check (octet_length(digest) = 32),
  role       text not null constraint api_keys_role_known check (role in ('service_role')),
  note       text not null default '' constraint api_keys_note_length check (char_length(note) <= 200),
  created_at timestamptz not null,
  expires_at timestamptz,
  revoked_at timestamptz
);
comment on table :"schema".api_keys is 'Keys of callers, as SHA-256 of 256 random bits; the prefix is for people.';

create table :"schema".workers (
  worker     text primary key constraint workers_worker_length check (char_length(worker) between 1 and 100),
  release    text not null,
  started_at timestamptz not null,
  seen_at    timestamptz not null,
  stopped_at timestamptz
);
comment on table :"schema".workers is 'Heartbeat of each engine process; nothing is decided by it.';

create table :"schema".provider_accounts (
  provider     text primary key,
  paused_until timestamptz,
  paused_code  text constraint provider_accounts_paused_code_length check (char_length(paused_code) <= 100),
  pauses       integer not null default 0,
  account_mark bytea
    constraint provider_accounts_mark_is_a_digest check (octet_length(account_mark) = 32)
);
comment on table :"schema".provider_accounts is
  'While paused_until lies ahead, no order is sent to this account: its set-up is wrong or it is overwhelmed.';
comment on column :"schema".provider_accounts.account_mark is
  'Whose keys the attempts carry: a digest of address and token, keyed by the shop''s secret. Null until an engine has started.';

create table :"schema".settings (
  name  text primary key constraint settings_name_length check (char_length(name) between 1 and 60),
  value text not null constraint settings_value_length check (char_length(value) <= 1000)
);
comment on table :"schema".settings is 'The shop''s settings; shop_secret among them, closed to every role but the functions.';

create table :"schema".protected_functions (
  signature text primary key,
  digest    bytea not null,
  release   text not null
);
comment on table :"schema".protected_functions is
  'What this release installed: the digest of each function''s source and settings. A difference is drift.';

create table :"schema".protected_objects (
  kind    text not null,
  parent  text not null,
  name    text not null,
  digest  bytea not null,
  release text not null,
  primary key (kind, parent, name)
);
comment on table :"schema".protected_objects is
  'What this release installed beside its functions: the digest of each table, type, column, constraint, index, trigger, policy and grant. A difference is drift.';
comment on column :"schema".protected_objects.parent is 'The table, type or function that it belongs to; empty for these themselves.';
