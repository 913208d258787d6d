// The official client for Node, unmodified: its signatures and ours, and a fake Stripe driven by it.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import Stripe from 'stripe';

const { STRIPE_PORT, STRIPE_KEY, SECRET, OTHER_SECRET, BODY, HEADER } = process.env;
const stripe = new Stripe(STRIPE_KEY, {
  host: '127.0.0.1', port: Number(STRIPE_PORT), protocol: 'http', maxNetworkRetries: 0, telemetry: false,
});

test('it accepts what we signed', () => {
  const event = stripe.webhooks.constructEvent(BODY, HEADER, SECRET);
  assert.equal(event.id, 'evt_witness');
});

test('it refuses what we signed with another secret, or changed', () => {
  assert.throws(() => stripe.webhooks.constructEvent(BODY, HEADER, OTHER_SECRET));
  assert.throws(() => stripe.webhooks.constructEvent(BODY + ' ', HEADER, SECRET));
});

test('it signs for us', () => {
  const header = stripe.webhooks.generateTestHeaderString({ payload: BODY, secret: SECRET });
  writeFileSync('header.txt', header);
});

test('a payment is authorised, captured and returned', async () => {
  const made = await stripe.paymentIntents.create(
    { amount: 4200, currency: 'gbp', capture_method: 'manual', payment_method_types: ['card'], metadata: { order_id: 'node' } },
    { idempotencyKey: 'node-create' },
  );
  const again = await stripe.paymentIntents.create(
    { amount: 4200, currency: 'gbp', capture_method: 'manual', payment_method_types: ['card'], metadata: { order_id: 'node' } },
    { idempotencyKey: 'node-create' },
  );
  assert.equal(again.id, made.id);
  assert.equal(again.lastResponse.headers['idempotent-replayed'], 'true');
  const confirmed = await stripe.paymentIntents.confirm(made.id, { payment_method: 'pm_card_visa' });
  assert.deepEqual([confirmed.status, confirmed.amount_capturable], ['requires_capture', 4200]);
  const captured = await stripe.paymentIntents.capture(made.id, {}, { idempotencyKey: 'node-capture' });
  assert.deepEqual([captured.status, captured.amount_received], ['succeeded', 4200]);
  const part = await stripe.refunds.create(
    { payment_intent: made.id, amount: 700, reason: 'requested_by_customer', metadata: { refund_id: 'node-1' } },
    { idempotencyKey: 'node-refund' },
  );
  assert.deepEqual([part.object, part.status, part.amount], ['refund', 'succeeded', 700]);
  const read = await stripe.paymentIntents.retrieve(made.id, { expand: ['latest_charge'] });
  assert.equal(read.latest_charge.amount_refunded, 700);
  const refunds = await stripe.refunds.list({ payment_intent: made.id }).autoPagingToArray({ limit: 10 });
  assert.deepEqual(refunds.map((refund) => refund.metadata.refund_id), ['node-1']);
});

test('refusals are errors of the right class', async () => {
  await assert.rejects(stripe.paymentIntents.retrieve('pi_nobody'), { type: 'StripeInvalidRequestError', statusCode: 404 });
  const made = await stripe.paymentIntents.create({ amount: 100, currency: 'gbp', payment_method_types: ['card'] });
  await assert.rejects(stripe.paymentIntents.confirm(made.id, { payment_method: 'pm_card_chargeDeclined' }), { type: 'StripeCardError' });
  await assert.rejects(stripe.refunds.create({ payment_intent: made.id }), { type: 'StripeInvalidRequestError' });
  await assert.rejects(
    stripe.paymentIntents.create({ amount: 5, currency: 'gbp', capture_method: 'manual', payment_method_types: ['card'] }, { idempotencyKey: 'node-create' }),
    { type: 'StripeIdempotencyError' },
  );
  const cancelled = await stripe.paymentIntents.cancel(made.id, { cancellation_reason: 'abandoned' });
  assert.deepEqual([cancelled.status, cancelled.cancellation_reason], ['canceled', 'abandoned']);
});

test('what happened is listed as events, a page at a time', async () => {
  const kinds = new Set();
  for await (const event of stripe.events.list({ limit: 2 })) {
    assert.equal(event.object, 'event');
    kinds.add(event.type);
  }
  for (const kind of ['payment_intent.amount_capturable_updated', 'payment_intent.succeeded', 'payment_intent.canceled', 'refund.created', 'charge.refunded']) {
    assert.ok(kinds.has(kind), `${kind} is missing from ${[...kinds]}`);
  }
});
