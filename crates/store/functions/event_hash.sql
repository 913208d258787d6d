-- Purpose: the hash of one event, over the hash before it and everything the event says. // G12
--          The unit separator between the words keeps 'a','bc' apart from 'ab','c'. The words are
--          hashed as UTF-8: textsend would follow the caller's client_encoding, and the same event
--          would have another hash for another reader.
-- Locks:   none.
-- Rows:    none.
-- Callers: write_events, place_order, verify_orders. Its body is parsed at creation, so that it
--          needs no search_path and can be inlined.
create or replace function :"schema".event_hash(
  prev bytea, order_id uuid, seq bigint, at timestamptz, kind text,
  status_before text, status_after text, actor text, actor_source text, data jsonb
) returns bytea
language sql stable
return sha256(
  prev || uuid_send(order_id) || int8send(seq) || timestamptz_send(at)
  || convert_to(kind || E'\x1f' || status_before || E'\x1f' || status_after || E'\x1f'
                || actor || E'\x1f' || actor_source || E'\x1f' || data::text, 'UTF8'));
