-- Purpose: the digest of what belongs to a person: all that the history may keep of it. // ruling 30
-- Locks:   none.
-- Rows:    none.
-- Callers: insert_order, verify_orders.
create or replace function :"schema".private_digest(
  recipient jsonb, shipping_method text, is_gift boolean, gift_message text
) returns text
language sql stable
return encode(sha256(convert_to(
  jsonb_build_array(recipient, shipping_method, is_gift, gift_message)::text, 'UTF8')), 'hex');
