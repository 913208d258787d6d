-- Purpose: says under which account of the provider an engine works, before it claims anything. A key
--          means something to the account that it was sent to and to no other: there the same bytes
--          would be a second purchase. So another account is let in only when no order is left that
--          the former one may have bought or still works on. // A1
-- Locks:   the account's row, for update, unless its mark is the given one; claims hold it for key
--          share (commit_intents), so none is under way while the account changes.
-- Rows:    one account.
-- Callers: the service's engine, at its start.
create or replace function :"schema".claim_account(provider_param text, mark bytea, same_account boolean)
returns jsonb
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  standing bytea;
  open_orders bigint;
begin
  if mark is null or octet_length(mark) <> 32 or same_account is null then
    raise exception 'an account is named by a digest of 32 bytes' using errcode = '22023';
  end if;
  if exists (select from :"schema".provider_accounts as p where p.provider = provider_param and p.account_mark = mark) then
    return jsonb_build_object('success', true, 'changed', false);
  end if;
  insert into :"schema".provider_accounts (provider) values (provider_param) on conflict (provider) do nothing;
  select p.account_mark into standing from :"schema".provider_accounts as p
   where p.provider = provider_param for update;
  if standing <> mark and not same_account then
    select count(*) into open_orders from (
      select a.order_id from :"schema".order_attempts as a
       where a.settled_at is null and a.provider = provider_param and a.calls > 0
      union
      select o.id from :"schema".orders as o
       where o.status in ('submitted_to_zinc', 'processing')
         and not exists (select from :"schema".order_attempts as a
                          where a.order_id = o.id and a.settled_at is null and a.provider <> provider_param)) as o;
    if open_orders > 0 then
      return :"schema".refusal('another_account',
        format('orders that are not settled were sent with another token or address of Zinc (%s of them), and another account, which does not know their keys, would buy them again', open_orders),
        'Start with the former ZINC_TOKEN and ZINC_URL until these orders are settled; or, if this is the same account with a new token or address, say so once with --same-account (ZINC_SAME_ACCOUNT=yes).',
        jsonb_build_object('orders', open_orders));
    end if;
  end if;
  update :"schema".provider_accounts as p set account_mark = mark where p.provider = provider_param;
  return jsonb_build_object('success', true, 'changed', true);
end $$;
