-- Purpose: writes a checked order: row, lines, private part, payment and its first event.
--          One that stood here before the database was restored may have been bought, and a comparison may have
--          found that before it is placed again: then it is known as this order's forgotten purchase. // G22
-- Locks:   the new rows; a parallel insert of the same number waits for this one.
-- Rows:    see place_order, and a difference per forgotten purchase; none when the number stands already.
--          Raises when the id or the PaymentIntent is taken.
-- Callers: place_order only.
create or replace function :"schema".insert_order(
  content jsonb, placed_at timestamptz, placed_by text, placed_by_source text, wanted_id uuid
) returns jsonb
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  new_id uuid := coalesce(wanted_id, :"schema".new_order_id(placed_at));
  digest bytea := sha256(convert_to((content - 'payment_intent')::text, 'UTF8'));
  goods bigint := (select sum((i ->> 'quantity')::bigint * (i ->> 'unit_price_minor')::bigint)
                     from jsonb_array_elements(content -> 'items') as i);
  cap bigint := coalesce((content ->> 'price_cap_minor')::bigint, goods);
  shipping text := coalesce(content ->> 'shipping_method', 'cheapest');
  gift boolean := coalesce((content ->> 'is_gift')::boolean, false);
  capture text := coalesce(content ->> 'capture_when', (select s.value from :"schema".settings as s where s.name = 'capture_when'));
  birth jsonb;
  stored :"schema".orders;
begin
  birth := jsonb_build_object('set', jsonb_build_object(
    'order_number', content ->> 'order_number', 'retailer', content ->> 'retailer',
    'currency', content ->> 'currency', 'goods_minor', goods,
    'total_minor', (content ->> 'total_minor')::bigint, 'price_cap_minor', cap,
    'hold_reason', 'awaiting_payment', 'payment_status', 'unpaid', 'generation', 0, 'capture_when', capture,
    'content_digest', encode(digest, 'hex')),
    'lines_digest', :"schema".lines_digest(content -> 'items'),
    'private_digest', :"schema".private_digest(content -> 'recipient', shipping, gift, content ->> 'gift_message'));
  insert into :"schema".orders (id, order_number, head, hold_reason, retailer, currency, goods_minor, total_minor,
                      price_cap_minor, capture_when, content_digest, due_at, created_at, updated_at)
  values (new_id, content ->> 'order_number',
          :"schema".event_hash('\x', new_id, 1, placed_at, 'order_placed', 'new', 'pending', placed_by, placed_by_source, birth),
          'awaiting_payment', content ->> 'retailer', content ->> 'currency', goods,
          (content ->> 'total_minor')::bigint, cap, capture, digest, placed_at, placed_at, placed_at)
  on conflict (order_number) do nothing
  returning * into stored;
  if not found then
    return :"schema".repeated_order(content, digest, placed_by, placed_at);
  end if;
  insert into :"schema".order_events (order_id, seq, at, kind, status_before, status_after, actor, actor_source, data, hash)
  values (new_id, 1, placed_at, 'order_placed', 'new', 'pending', placed_by, placed_by_source, birth, stored.head);
  insert into :"schema".order_items (order_id, line, product_id, title, quantity, unit_price_minor)
  select new_id, line, i ->> 'product_id', coalesce(i ->> 'title', ''), (i ->> 'quantity')::bigint, (i ->> 'unit_price_minor')::bigint
    from jsonb_array_elements(content -> 'items') with ordinality as t (i, line);
  insert into :"schema".order_private (order_id, recipient, shipping_method, is_gift, gift_message)
  values (new_id, content -> 'recipient', shipping, gift, content ->> 'gift_message');
  if content ->> 'payment_intent' is not null then
    insert into :"schema".payments (payment_intent, order_id, next_read_at, created_at)
    values (content ->> 'payment_intent', new_id, placed_at, placed_at);
  end if;
  -- As old as the comparison that found it: whoever released the shop has seen it.
  insert into :"schema".differences (id, kind, subject, order_id, about_at, data, first_at, last_at)
  select gen_random_uuid(), 'purchase_forgotten', d.subject, new_id, d.about_at, d.data, d.first_at, d.last_at
    from :"schema".differences as d
   where d.kind = 'purchase_without_order' and d.gone_at is null and d.data ->> 'named_order' = new_id::text
     and d.data ->> 'attempt_id' is not null
  on conflict (kind, subject) where gone_at is null do nothing;
  return jsonb_build_object('success', true, 'duplicate', false, 'order_id', new_id,
                            'order_number', stored.order_number, 'status', 'pending');
end $$;
