-- Purpose: how many effects the partners have under this shop's names without their intent here. Every intent
--          is committed before its effect, so each one proves that the database went back in time, or that a
--          copy of it works too. // G22, G3
-- Locks:   none.
-- Rows:    none.
-- Callers: note_shop_compared, release_shop, order_system_health.
create or replace function :"schema".forgotten_effects() returns bigint
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select count(*) from :"schema".differences as d
   where d.gone_at is null
     and (d.kind = 'purchase_forgotten' and not exists (select from :"schema".order_attempts as a where a.attempt_id::text = d.data ->> 'attempt_id')
          or d.kind = 'purchase_without_order' and d.data ->> 'attempt_id' is not null
          or d.kind = 'refund_without_move' and d.data ->> 'named_move' is not null)
$$;
