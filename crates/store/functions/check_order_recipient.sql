-- Purpose: refuses a recipient to whom no parcel could be sent, naming the field and the rule.
-- Locks:   none.
-- Rows:    none.
-- Callers: check_order_content only.
create or replace function :"schema".check_order_recipient(recipient jsonb) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  fault text;
begin
  if jsonb_typeof(recipient) is distinct from 'object' then
    raise exception 'recipient must be an object' using errcode = '22023';
  end if;
  with known (field, chars_min, chars_max) as (values
    ('first_name', 1, 60), ('last_name', 1, 60), ('address_line1', 1, 100), ('address_line2', 0, 100),
    ('zip_code', 1, 20), ('city', 1, 60), ('state', 1, 60), ('country', 2, 2), ('phone_number', 5, 30),
    ('instructions', 0, 240))
  select coalesce(k.field, given.field) || ' ' || case when k.field is null then 'is not known'
           else r.fault end
    into fault
    from known as k
    full join jsonb_object_keys(recipient) as given (field) on given.field = k.field
   cross join lateral (
     select :"schema".text_fault(recipient -> k.field, k.chars_min, k.chars_max, k.field = 'instructions') as fault) as r
   where k.field is null or r.fault is not null
   order by 1 limit 1;
  fault := coalesce(fault, case
    when recipient ->> 'country' !~ '^[A-Z]{2}$' then 'country must be an ISO 3166 code of two capital letters'
    when recipient ->> 'country' = 'US' and coalesce(recipient ->> 'state', '') !~ '^..$'
      then 'state must be a USPS code of two letters for country US'
    when regexp_count(recipient ->> 'phone_number', '[0-9]') < 5 then 'phone_number must have at least 5 digits'
  end);
  if fault is not null then
    raise exception 'recipient.%; nothing is filled in', fault using errcode = '22023';
  end if;
end $$;
