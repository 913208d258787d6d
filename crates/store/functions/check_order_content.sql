-- Purpose: refuses an order whose content breaks a rule, naming the field and the rule. The same
--          rules stand in the program (orders_core::order); this is the last wall for SQL callers.
-- Locks:   none.
-- Rows:    none.
-- Callers: place_order only.
create or replace function :"schema".check_order_content(content jsonb) returns void
language plpgsql
set search_path = :"schema", pg_temp
as $$
declare
  known text[] := array['order_number', 'retailer', 'currency', 'items', 'total_minor', 'price_cap_minor',
                        'shipping_method', 'is_gift', 'gift_message', 'recipient', 'payment_intent'];
  parts text[] := array['first_name', 'last_name', 'address_line1', 'address_line2', 'zip_code', 'city',
                        'state', 'country', 'phone_number', 'instructions'];
  needed text[] := array['first_name', 'last_name', 'address_line1', 'zip_code', 'city', 'country', 'phone_number'];
  odd text;
begin
  if jsonb_typeof(content) is distinct from 'object' then
    raise exception 'order_param must be a JSON object' using errcode = '22023';
  end if;
  select f into odd from jsonb_object_keys(content) as f where f <> all (known) limit 1;
  if odd is not null then
    raise exception 'unknown field %', odd using errcode = '22023', hint = 'Known fields: ' || array_to_string(known, ', ');
  end if;
  if jsonb_typeof(content -> 'items') is distinct from 'array' or jsonb_array_length(content -> 'items') not between 1 and 1000 then
    raise exception 'items must be an array of 1 to 1000 lines' using errcode = '22023';
  end if;
  if jsonb_typeof(content -> 'recipient') is distinct from 'object' then
    raise exception 'recipient must be an object' using errcode = '22023';
  end if;
  select f into odd from jsonb_object_keys(content -> 'recipient') as f where f <> all (parts) limit 1;
  if odd is not null then
    raise exception 'unknown field recipient.%', odd using errcode = '22023', hint = 'Known fields: ' || array_to_string(parts, ', ');
  end if;
  select f into odd from unnest(needed) as f where coalesce(btrim(content -> 'recipient' ->> f), '') = '' limit 1;
  if odd is not null then
    raise exception 'recipient.% must not be empty; nothing is filled in', odd using errcode = '22023';
  end if;
  select key into odd from jsonb_each_text(content -> 'recipient') where char_length(value) > 240 limit 1;
  if odd is not null then
    raise exception 'recipient.% must have at most 240 characters', odd using errcode = '22023';
  end if;
end $$;
