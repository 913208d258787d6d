-- Purpose: the digest of an order's lines, as the birth event keeps it. // G12
-- Locks:   none.
-- Rows:    none.
-- Callers: insert_order, verify_orders.
create or replace function :"schema".lines_digest(items jsonb) returns text
language sql stable
return encode(sha256(convert_to((
  select jsonb_agg(jsonb_build_array(i -> 'product_id', coalesce(i ->> 'title', ''), i -> 'quantity',
                                     i -> 'unit_price_minor') order by line)
    from jsonb_array_elements(items) with ordinality as t (i, line))::text, 'UTF8')), 'hex');
