-- A product that loses orders: one in ten is acknowledged and not stored.
alter function {s}.insert_order(jsonb, timestamptz, text, text, uuid) rename to insert_most_orders;
create function {s}.insert_order(content jsonb, placed_at timestamptz, placed_by text, placed_by_source text, wanted_id uuid)
returns jsonb language sql as $$
  select case when get_byte(uuid_send(wanted_id), 0) < 26
    then jsonb_build_object('success', true, 'order_id', wanted_id, 'status', 'pending')
    else {s}.insert_most_orders(content, placed_at, placed_by, placed_by_source, wanted_id) end
$$;
alter function {s}.insert_order(jsonb, timestamptz, text, text, uuid) owner to {s}_orders_owner;
