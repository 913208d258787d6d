-- Purpose: answers for an order number that stands already: duplicate when the content is the
--          same, a stored refusal when it is not. A PaymentIntent that comes with the same content is
--          tied to the order that stands, or refused: it is never left out without a word.
-- Locks:   the order, for no key update, when a PaymentIntent comes with it; else none.
-- Rows:    at most one payment or one finding.
-- Callers: insert_order only.
create or replace function :"schema".repeated_order(
  content jsonb, digest bytea, placed_by text, placed_at timestamptz
) returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  stored :"schema".orders;
  intent text := content ->> 'payment_intent';
  tied jsonb;
begin
  select * into strict stored from :"schema".orders where order_number = content ->> 'order_number';
  if stored.content_digest <> digest then
    perform :"schema".open_finding(stored.id, 'order_number_conflict', encode(digest, 'hex'),
      jsonb_strip_nulls(jsonb_build_object('payment_intent', intent)), placed_by, placed_at,
      'The shop sent one order number with two contents. Compare both in the shop; the first one stands.');
    return :"schema".refusal('order_number_conflict', 'this order number stands already with other content',
      'Nothing was changed. Place the order under a number of its own.',
      jsonb_build_object('order_id', stored.id, 'order_number', stored.order_number));
  end if;
  if intent is not null then
    select * into strict stored from :"schema".orders where id = stored.id for no key update;
    tied := :"schema".tie_payment(stored, intent, placed_by, :"schema".clock_now());
    if tied -> 'success' = 'false' then
      return tied;
    end if;
  end if;
  return jsonb_build_object('success', true, 'duplicate', true, 'order_id', stored.id,
                            'order_number', stored.order_number, 'status', stored.status);
end $$;
