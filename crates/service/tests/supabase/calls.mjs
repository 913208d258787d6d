// What a Supabase user does, with the official client as it comes from its makers. The test program
// gives the server's address, a key and orders in known states; any difference ends with exit code 1.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClient, FunctionsHttpError } from '@supabase/supabase-js';

const { SHOP_URL, SHOP_KEY, PAID, UNPAID, OTHER } = process.env;
const options = {
  auth: { persistSession: false, autoRefreshToken: false },
  // Node before 22 has no WebSocket of its own, and nothing here is realtime.
  realtime: { transport: globalThis.WebSocket ?? class {} },
};
const supabase = createClient(SHOP_URL, SHOP_KEY, options);

/** The client's own word for a failed call. */
function failed({ data, error, status }, http, code) {
  assert.equal(data, null);
  assert.ok(error, 'an error was expected');
  assert.deepEqual([status, error.code], [http, code]);
  for (const field of ['message', 'details', 'hint']) assert.ok(field in error, field);
  return error;
}

/** The readable body behind a FunctionsHttpError. */
async function refused({ data, error }, http, code) {
  assert.equal(data, null);
  assert.ok(error instanceof FunctionsHttpError, String(error));
  assert.equal(error.context.status, http);
  const body = await error.context.json();
  assert.equal(body.code, code);
  return body;
}

const invoke = (body) => supabase.functions.invoke('process-zma-order', { body });

await test('an order is driven, and driving it again is a duplicate', async () => {
  const first = await invoke({ orderId: PAID });
  assert.equal(first.error, null);
  assert.equal(first.data.result, 'submitted');
  const again = await invoke({ orderId: PAID });
  assert.deepEqual([again.data.success, again.data.duplicate], [true, true]);
  assert.equal(again.data.zinc_request_id, first.data.zinc_request_id);
});

await test('an order that cannot be driven is a FunctionsHttpError with a readable body', async () => {
  const unpaid = await refused(await invoke({ orderId: UNPAID }), 409, 'order_unpaid');
  assert.equal(unpaid.success, false);
  assert.equal(unpaid.hold_reason, 'awaiting_payment');
  await refused(await invoke({ orderId: '00000000-0000-7000-8000-000000000001' }), 404, 'order_not_found');
  await refused(await invoke({ order: PAID }), 400, 'invalid');
  await refused(await supabase.functions.invoke('another', { body: {} }), 404, 'no_such_function');
});

await test('completing as the protection document prints it', async () => {
  const { data: driven } = await invoke({ orderId: PAID });
  const { data, error, status } = await supabase.rpc('complete_order_processing', {
    order_uuid: PAID,
    zinc_request_id_param: driven.zinc_request_id,
    zinc_status_param: 'submitted',
    final_status_param: 'submitted_to_zinc',
  });
  assert.equal(error, null);
  assert.deepEqual([status, data.success, data.duplicate], [200, true, true]);
});

await test('a refusal sets error, and its finding is kept', async () => {
  const args = { order_uuid: PAID, zinc_request_id_param: 'another-request' };
  const error = failed(await supabase.rpc('complete_order_processing', args), 409, 'request_id_conflict');
  assert.match(error.details, /another-request/);
  failed(await supabase.rpc('manually_complete_order', { order_uuid: OTHER }), 409, 'nothing_was_bought');
});

await test('manual completion', async () => {
  const { data, error } = await supabase.rpc('manually_complete_order', { order_uuid: PAID });
  assert.equal(error, null);
  assert.equal(data.status, 'completed');
});

await test('recovery needs no argument', async () => {
  const { data, error } = await supabase.rpc('recover_stuck_orders');
  assert.equal(error, null);
  assert.deepEqual([data.success, data.recovered], [true, 0]);
});

await test('a wrong parameter name is answered with the right ones', async () => {
  const args = { order_id: PAID, zinc_request_id_param: 'r' };
  const error = failed(await supabase.rpc('complete_order_processing', args), 404, 'PGRST202');
  assert.match(error.hint, /complete_order_processing\(final_status_param, options, order_uuid, /);
});

await test('other mistakes have the codes that PostgREST gives them', async () => {
  failed(await supabase.rpc('complete_order'), 404, 'PGRST202');
  const args = { order_uuid: 'x', zinc_request_id_param: 'r' };
  failed(await supabase.rpc('complete_order_processing', args), 400, '22P02');
  const object = { order_uuid: PAID, zinc_request_id_param: {} };
  failed(await supabase.rpc('complete_order_processing', object), 400, '22023');
  failed(await supabase.schema('private').rpc('recover_stuck_orders'), 406, 'PGRST106');
  failed(await supabase.rpc('recover_stuck_orders', {}, { get: true }), 405, '25006');
  const health = await supabase.rpc('order_system_health', {}, { get: true });
  assert.equal(health.error, null);
  failed(await supabase.rpc('verify_orders', { after_order: null, page_size: 9 }).eq('rule', 'x'), 400, 'PGRST100');
  const page = await supabase.rpc('verify_orders', { after_order: null, page_size: 9 }).single();
  assert.equal(page.error, null);
});

await test('writing the table is refused, and the error names the functions', async () => {
  const orders = () => supabase.from('orders');
  for (const attempt of [
    orders().update({ status: 'completed' }),
    orders().update({ status: 'completed' }).eq('id', PAID).select(),
    orders().delete().eq('id', PAID),
    orders().insert({ status: 'completed' }),
    orders().upsert({ id: PAID, status: 'completed' }),
  ]) {
    const error = failed(await attempt, 403, '42501');
    assert.match(error.message, /complete_order_processing/);
  }
  failed(await orders().select('*'), 404, 'PGRST205');
});

await test('a wrong key is refused everywhere', async () => {
  const stranger = createClient(SHOP_URL, `aok_${'x'.repeat(43)}`, options);
  failed(await stranger.rpc('recover_stuck_orders'), 401, 'PGRST301');
  failed(await stranger.from('orders').update({ status: 'completed' }), 401, 'PGRST301');
  const answer = await stranger.functions.invoke('process-zma-order', { body: { orderId: PAID } });
  await refused(answer, 401, 401);
});
