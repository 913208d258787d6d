-- Purpose: the rule that a request id of the provider breaks, or null: it is compared letter by letter
--          for ever, so nothing stands in it that a person could not see or copy.
-- Locks:   none.
-- Rows:    none.
-- Callers: complete_order_processing, accept_patiently, manually_complete_order.
create or replace function :"schema".request_id_fault(value text) returns text
language sql immutable
return case
  when value is null then 'must be given'
  when value !~ '^[!-~]+$' or octet_length(value) > 200 then 'must have 1 to 200 printable ASCII characters and no blanks, as the provider gave it'
end;
