-- Purpose: answers for an order number that stands already: duplicate when the content is the
--          same, a stored refusal when it is not.
-- Locks:   none; reads the committed row.
-- Rows:    at most one finding.
-- Callers: insert_order only.
create or replace function :"schema".repeated_order(
  number text, digest bytea, placed_by text, placed_at timestamptz
) returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  stored :"schema".orders;
begin
  select * into strict stored from :"schema".orders where order_number = number;
  if stored.content_digest = digest then
    return jsonb_build_object('success', true, 'duplicate', true, 'order_id', stored.id,
                              'order_number', stored.order_number, 'status', stored.status);
  end if;
  perform :"schema".open_finding(stored.id, 'order_number_conflict', encode(digest, 'hex'), '{}', placed_by, placed_at,
    'The shop sent one order number with two contents. Compare both in the shop; the first one stands.');
  return :"schema".refusal('order_number_conflict', 'this order number stands already with other content',
    'Nothing was changed. Place the order under a number of its own.',
    jsonb_build_object('order_id', stored.id, 'order_number', stored.order_number));
end $$;
