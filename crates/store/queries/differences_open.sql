-- Purpose: where the books do not agree now, the oldest first, with how long and what to do about it.
-- Locks:   none.
-- Rows:    one per open difference, at most the given number.
-- Callers: reconcile.
select jsonb_build_object('kind', d.kind, 'subject', d.subject, 'order_id', d.order_id, 'order_number', o.order_number,
         'first_at', d.first_at, 'last_at', d.last_at, 'age_s', greatest(0, floor(extract(epoch from $1 - d.first_at)))::bigint,
         'new', d.first_at = $1, 'what_to_do', a.runbook, 'data', d.data)
  from :"schema".differences as d
  left join :"schema".orders as o on o.id = d.order_id
  left join :"schema".alerts as a on a.rule = 'difference' and a.subject = left(d.kind || ':' || d.subject, 200)
   and a.order_id is not distinct from d.order_id and a.closed_at is null
 where d.gone_at is null
 order by d.first_at, d.kind, d.subject
 limit $2
