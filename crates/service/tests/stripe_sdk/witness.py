"""The official client for Python, unmodified: its signatures and ours, and a fake Stripe driven by it."""

import hashlib
import hmac
import os
import time
import unittest

import stripe

BODY, HEADER, SECRET = (os.environ[name] for name in ("BODY", "HEADER", "SECRET"))


def client():
    return stripe.StripeClient(
        os.environ["STRIPE_KEY"],
        base_addresses={"api": "http://127.0.0.1:" + os.environ["STRIPE_PORT"]},
        max_network_retries=0,
    )


class Witness(unittest.TestCase):
    def test_it_accepts_what_we_signed(self):
        event = stripe.Webhook.construct_event(BODY, HEADER, SECRET)
        self.assertEqual(event.id, "evt_witness")

    def test_it_refuses_what_we_signed_with_another_secret_or_changed(self):
        for body, secret in ((BODY, os.environ["OTHER_SECRET"]), (BODY + " ", SECRET)):
            with self.assertRaises(stripe.SignatureVerificationError):
                stripe.Webhook.construct_event(body, HEADER, secret)

    def test_it_signs_for_us(self):
        now = int(time.time())
        signed = stripe.WebhookSignature._compute_signature("%d.%s" % (now, BODY), SECRET)
        # The client's own arithmetic, checked against the standard library's.
        self.assertEqual(
            signed, hmac.new(SECRET.encode(), ("%d.%s" % (now, BODY)).encode(), hashlib.sha256).hexdigest()
        )
        with open("header_py.txt", "w", encoding="ascii") as file:
            file.write("t=%d,v1=%s" % (now, signed))

    def test_a_payment_is_authorised_captured_and_returned(self):
        api = client().v1
        made = api.payment_intents.create(
            {"amount": 4200, "currency": "gbp", "capture_method": "manual", "payment_method_types": ["card"],
             "metadata": {"order_id": "python"}},
            {"idempotency_key": "python-create"},
        )
        confirmed = api.payment_intents.confirm(made.id, {"payment_method": "pm_card_visa"})
        self.assertEqual((confirmed.status, confirmed.amount_capturable), ("requires_capture", 4200))
        captured = api.payment_intents.capture(made.id, {"amount_to_capture": 4000})
        self.assertEqual((captured.status, captured.amount_received), ("succeeded", 4000))
        part = api.refunds.create(
            {"payment_intent": made.id, "amount": 700, "metadata": {"refund_id": "python-1"}},
            {"idempotency_key": "python-refund"},
        )
        self.assertEqual((part.status, part.amount), ("succeeded", 700))
        with self.assertRaises(stripe.InvalidRequestError):
            api.refunds.create({"payment_intent": made.id, "amount": 3301})
        rest = api.refunds.create({"payment_intent": made.id})
        self.assertEqual(rest.amount, 3300)
        read = api.payment_intents.retrieve(made.id, {"expand": ["latest_charge"]})
        self.assertEqual((read.latest_charge.amount_refunded, read.latest_charge.refunded), (4000, True))
        ids = [refund.metadata["refund_id"] for refund in api.refunds.list({"payment_intent": made.id}).auto_paging_iter()
               if "refund_id" in refund.metadata]
        self.assertEqual(ids, ["python-1"])

    def test_a_key_with_other_parameters_is_an_error_of_its_own(self):
        api = client().v1
        options = {"idempotency_key": "python-key"}
        api.payment_intents.create({"amount": 100, "currency": "gbp", "payment_method_types": ["card"]}, options)
        with self.assertRaises(stripe.IdempotencyError):
            api.payment_intents.create({"amount": 101, "currency": "gbp", "payment_method_types": ["card"]}, options)


if __name__ == "__main__":
    unittest.main(verbosity=2)
