-- The history: what happened to each order, in order, for ever.
--
-- Append-only (guards/history.sql), gapless per order, hash-chained: each hash covers the hash
-- before it, so that an edit, a removal or a swap shows in every later row and in orders.head.

create domain :"schema".order_events_kind as text
  constraint order_events_kind_length check (char_length(value) between 1 and 60);
create domain :"schema".order_events_actor as text
  constraint order_events_actor_length check (char_length(value) between 1 and 200);
create domain :"schema".order_events_actor_source as text
  constraint order_events_actor_source_known check (value in ('options', 'jwt', 'login'));
create domain :"schema".order_events_hash as bytea
  constraint order_events_hash_is_a_digest check (octet_length(value) = 32);

create domain :"schema".order_events_seq as bigint
  constraint order_events_seq_positive check (value >= 1);
create domain :"schema".order_events_data as jsonb
  constraint order_events_set_is_an_object check (jsonb_typeof(coalesce(value -> 'set', '{}')) = 'object');

create table :"schema".order_events (
  order_id      uuid not null,
  seq           :"schema".order_events_seq not null,
  at            timestamptz not null,
  kind          :"schema".order_events_kind not null,
  status_before text not null,
  status_after  text not null,
  actor         :"schema".order_events_actor not null,
  actor_source  :"schema".order_events_actor_source not null,
  data          :"schema".order_events_data not null,
  hash          :"schema".order_events_hash not null,
  primary key (order_id, seq)
);
comment on table :"schema".order_events is
  'One row per thing that happened to an order. Folding data->''set'' over seq gives the row in orders.';
comment on column :"schema".order_events.data is
  '"set" holds the columns of orders that this event changed; everything else is evidence.';
-- No foreign key to orders: orders are never deleted, the functions write both in one statement,
-- and the check would cost a lock and a look-up for every event. verify finds an event without order.
