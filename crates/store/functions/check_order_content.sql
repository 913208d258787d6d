-- Purpose: refuses an order whose content breaks a rule, naming the field and the rule. The same
--          rules stand in the program (orders_core::order); this is the last wall for SQL callers.
-- Locks:   none.
-- Rows:    none.
-- Callers: place_order only.
create or replace function :"schema".check_order_content(content jsonb) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  most bigint := 1000000000;
  known text[] := array['order_number', 'retailer', 'currency', 'items', 'total_minor', 'price_cap_minor',
                        'shipping_method', 'is_gift', 'gift_message', 'recipient', 'payment_intent', 'capture_when'];
  parts text[] := array['product_id', 'title', 'quantity', 'unit_price_minor'];
  fault text;
  goods numeric;
  total bigint;
begin
  if jsonb_typeof(content) is distinct from 'object' then
    raise exception 'order_param must be a JSON object' using errcode = '22023';
  end if;
  select f into fault from jsonb_object_keys(content) as f where f <> all (known) limit 1;
  if fault is not null then
    raise exception 'unknown field %', fault using errcode = '22023', hint = 'Known fields: ' || array_to_string(known, ', ');
  end if;
  if jsonb_typeof(content -> 'items') is distinct from 'array' or jsonb_array_length(content -> 'items') not between 1 and 1000 then
    raise exception 'items must be an array of 1 to 1000 lines' using errcode = '22023';
  end if;
  select 'items[' || line - 1 || ']' || f.fault into fault
    from jsonb_array_elements(content -> 'items') with ordinality as t (i, line)
   cross join lateral (values
     (case when jsonb_typeof(i) <> 'object' then ' must be an object' end),
     ((select '.' || k || ' is not known' from jsonb_object_keys(case when jsonb_typeof(i) = 'object' then i else '{}' end) as k
        where k <> all (parts) limit 1)),
     ('.product_id ' || :"schema".text_fault(i -> 'product_id', 1, 100)), ('.title ' || :"schema".text_fault(i -> 'title', 0, 300)),
     ('.quantity ' || :"schema".whole_fault(i -> 'quantity', 1, 100000)),
     ('.unit_price_minor ' || :"schema".whole_fault(i -> 'unit_price_minor', 1, most))) as f (fault)
   where f.fault is not null order by line limit 1;
  fault := coalesce(fault, 'order_number ' || :"schema".text_fault(content -> 'order_number', 1, 100),
                           'total_minor ' || :"schema".whole_fault(content -> 'total_minor', 1, most));
  if fault is null then
    goods := (select sum((i ->> 'quantity')::numeric * (i ->> 'unit_price_minor')::numeric)
                from jsonb_array_elements(content -> 'items') as i);
    total := (content ->> 'total_minor')::bigint;
    fault := case
      when content ->> 'order_number' ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
        then 'order_number must not have the form of an order''s id (a uuid)'
      when goods > total then 'total_minor must be at least the sum of the lines, ' || goods
      when content ->> 'price_cap_minor' is not null and :"schema".whole_fault(content -> 'price_cap_minor', 1, total) is not null
        then 'price_cap_minor ' || :"schema".whole_fault(content -> 'price_cap_minor', 1, total)
      when not exists (select from (values ('amazon', 'USD'), ('amazon_uk', 'GBP'), ('amazon_ca', 'CAD'),
          ('amazon_de', 'EUR'), ('amazon_mx', 'MXN'), ('walmart', 'USD')) as r (retailer, currency)
          where r.retailer = content ->> 'retailer' and r.currency = content ->> 'currency')
        then 'retailer and currency must be amazon USD, amazon_uk GBP, amazon_ca CAD, amazon_de EUR, amazon_mx MXN or walmart USD'
      when coalesce(content ->> 'shipping_method', 'cheapest') not in ('cheapest', 'fastest', 'free')
        then 'shipping_method must be cheapest, fastest or free'
      when coalesce(content ->> 'capture_when', 'before_purchase') not in ('before_purchase', 'after_purchase')
        then 'capture_when must be before_purchase or after_purchase'
      when coalesce(jsonb_typeof(content -> 'is_gift'), 'null') not in ('boolean', 'null') then 'is_gift must be true or false'
      when content ->> 'gift_message' is not null and not coalesce((content ->> 'is_gift')::boolean, false)
        then 'gift_message needs is_gift to be true'
      when content ->> 'gift_message' = '' or regexp_count(content ->> 'gift_message', '\n') > 8
        then 'gift_message must have 1 to 9 lines'
      when content ->> 'payment_intent' is not null and :"schema".payment_intent_fault(content ->> 'payment_intent') is not null
        then 'payment_intent ' || :"schema".payment_intent_fault(content ->> 'payment_intent')
      else 'gift_message ' || :"schema".text_fault(content -> 'gift_message', 0, 240, true) end;
  end if;
  if fault is not null then
    raise exception '%', fault using errcode = '22023';
  end if;
  perform :"schema".check_order_recipient(content -> 'recipient');
end $$;
