-- The floor of `atomic-orders bench`: what the same job costs when it is written by hand, set-based,
-- with key and request bytes stored and one plain history row per change, but without guards,
-- hashes, leases and functions. crates/store/src/floor.rs runs each part under its name.
--
-- It is a good floor, not a straw man: the statements of the set-based way are prepared once per
-- connection, recording changes no index but by the row's new place, and nothing is asked row by row.

-- name: tables
create schema floor;
create table floor.orders (
  id              uuid primary key,
  order_number    text not null unique,
  status          text not null,
  version         bigint not null,
  content         jsonb not null,
  price_cap_minor bigint not null,
  provider_key    text,
  request_body    bytea,
  zinc_request_id text,
  zinc_status     text,
  due_at          timestamptz not null,
  created_at      timestamptz not null,
  updated_at      timestamptz not null
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
create index orders_pending on floor.orders (due_at) where status = 'pending';
create table floor.history (
  order_id      uuid not null,
  version       bigint not null,
  at            timestamptz not null,
  status_before text not null,
  status_after  text not null,
  actor         text not null,
  primary key (order_id, version)
);
create table floor.switch (sending boolean not null);
insert into floor.switch values (false);
create table floor.messages (
  event_id    text primary key,
  body        bytea not null,
  received_at timestamptz not null
);

-- name: message
insert into floor.messages (event_id, body, received_at) values ($1, $2, clock_timestamp())

-- name: messages
select count(*) from floor.messages

-- name: seed
with placed as (
  insert into floor.orders (id, order_number, status, version, content, price_cap_minor, due_at, created_at, updated_at)
  select (c.content ->> 'id')::uuid, c.content ->> 'order_number', 'pending', 1, c.content, (c.content ->> 'total_minor')::bigint,
         clock_timestamp(), clock_timestamp(), clock_timestamp()
    from unnest($1::jsonb[]) as c (content)
  returning id, created_at
)
insert into floor.history (order_id, version, at, status_before, status_after, actor)
select id, 1, created_at, 'new', 'pending', 'bench' from placed

-- name: open
update floor.switch set sending = $1

-- name: lock
select o.id, o.content, o.price_cap_minor from floor.orders as o
 where o.status = 'pending' and o.due_at <= now() and (select s.sending from floor.switch as s)
 order by o.due_at
 limit $1
   for update skip locked

-- name: claim
with claimed as (
  update floor.orders as o
     set status = 'submitting', version = o.version + 1, provider_key = w.key, request_body = w.body,
         updated_at = clock_timestamp()
    from unnest($1::uuid[], $2::text[], $3::bytea[]) as w (id, key, body)
   where o.id = w.id and o.status = 'pending'
  returning o.id, o.version, o.updated_at
)
insert into floor.history (order_id, version, at, status_before, status_after, actor)
select id, version, updated_at, 'pending', 'submitting', 'worker' from claimed

-- name: record
with recorded as (
  update floor.orders as o
     set status = 'submitted_to_zinc', version = o.version + 1, zinc_request_id = w.request_id,
         zinc_status = 'submitted', updated_at = clock_timestamp()
    from unnest($1::uuid[], $2::text[]) as w (id, request_id)
   where o.id = w.id and o.status = 'submitting'
  returning o.id, o.version, o.updated_at
)
insert into floor.history (order_id, version, at, status_before, status_after, actor)
select id, version, updated_at, 'submitting', 'submitted_to_zinc', 'worker' from recorded

-- name: record_one
with recorded as (
  update floor.orders as o
     set status = 'submitted_to_zinc', version = o.version + 1, zinc_request_id = $2,
         zinc_status = 'submitted', updated_at = clock_timestamp()
   where o.id = $1 and o.status = 'submitting'
  returning o.id, o.version, o.updated_at
)
insert into floor.history (order_id, version, at, status_before, status_after, actor)
select id, version, updated_at, 'submitting', 'submitted_to_zinc', 'worker' from recorded

-- name: record_update
update floor.orders as o
   set status = 'submitted_to_zinc', version = o.version + 1, zinc_request_id = $2,
       zinc_status = 'submitted', updated_at = clock_timestamp()
 where o.id = $1 and o.status = 'submitting'
returning o.version, o.updated_at

-- name: record_insert
insert into floor.history (order_id, version, at, status_before, status_after, actor)
values ($1, $2, $3, 'submitting', 'submitted_to_zinc', 'worker')

-- name: open_orders
select count(*) from floor.orders where status in ('pending', 'submitting')

-- name: times
select count(*), extract(epoch from max(r.at) - min(c.at))::double precision,
       percentile_cont(0.5) within group (order by extract(epoch from r.at - c.at) * 1000)::double precision,
       percentile_cont(0.99) within group (order by extract(epoch from r.at - c.at) * 1000)::double precision
  from floor.history as c
  join floor.history as r on r.order_id = c.order_id and r.status_after = 'submitted_to_zinc'
 where c.status_after = 'submitting'
