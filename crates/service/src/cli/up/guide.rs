//! What `up` prints: commands that can be copied as they stand. A test runs them.

use std::fmt::Write as _;
use std::path::PathBuf;

/// Everything that the commands name.
pub struct Guide {
    /// Where the server is.
    pub api: String,
    /// Where the sandbox's Stripe is, when it is the sandbox's.
    pub stripe: Option<String>,
    /// The caller's key.
    pub key: String,
    /// Whether the key was made now.
    pub is_new: bool,
    /// The folder, when it is not the default one.
    pub data_dir: Option<PathBuf>,
}

impl Guide {
    /// The text.
    pub fn text(&self) -> String {
        let mut text = self.heading();
        text.push_str(&self.place());
        text.push_str(&self.pay());
        text.push_str(WATCH);
        text.push_str(&self.javascript());
        let flag = self.data_dir.as_ref().map_or_else(String::new, |folder| {
            format!(" --data-dir '{}'", folder.display().to_string().replace('\'', r"'\''"))
        });
        // By the path that was run: nothing was installed into the shell's path.
        let program = std::env::current_exe()
            .map_or_else(|_| "atomic-orders".to_owned(), |path| path.display().to_string());
        let _ = write!(
            text,
            "\n\nLook at it from another terminal:\n\n\
             \x20 {program} orders list{flag}\n\
             \x20 {program} doctor{flag}\n\
             \x20 {}{program} reconcile{flag}\n\n\
             Ctrl-C stops everything; what stands, stands.\n",
            self.partners()
        );
        text
    }

    /// What a command must be told that asks the partners itself.
    fn partners(&self) -> String {
        self.stripe.as_ref().map_or_else(String::new, |base| {
            format!("ZINC_URL={base}/v1 ZINC_TOKEN=sandbox-token STRIPE_URL={base}/v1 STRIPE_KEY=sk_test_sandbox ")
        })
    }

    fn heading(&self) -> String {
        let Self { api, key, .. } = self;
        let again = if self.is_new { "" } else { " (the same as last time)" };
        let sandbox = self.stripe.as_ref().map_or_else(String::new, |stripe| {
            format!("The sandbox's Zinc and Stripe: {stripe} (nothing real is bought or paid)\n")
        });
        format!("The server: {api}\n{sandbox}The API key{again}: {key}\n")
    }

    fn place(&self) -> String {
        let Self { api, key, .. } = self;
        format!(
            r#"
Place an order:

API={api} KEY={key}
ORDER=$(curl -sS $API/v1/orders -H "apikey: $KEY" -H 'content-type: application/json' -d @- <<JSON | grep -o '"order_id":"[^"]*"' | cut -d '"' -f 4
{{"order_number": "curl-$(date +%s)", "retailer": "amazon", "currency": "USD", "total_minor": 2599,
 "items": [{{"product_id": "B0016NHH56", "title": "lantern", "quantity": 1, "unit_price_minor": 2599}}],
 "recipient": {{"first_name": "Ada", "last_name": "Sandbox", "address_line1": "1 Fictitious Street",
   "zip_code": "94103", "city": "San Francisco", "state": "CA", "country": "US", "phone_number": "+14155550100"}}}}
JSON
)
echo "$ORDER"
"#
        )
    }

    fn pay(&self) -> String {
        let payment = match &self.stripe {
            Some(stripe) => format!(
                r#"
Pay it at the sandbox's Stripe, and say which payment it is:

PAYMENT=$(curl -sS {stripe}/v1/payment_intents -H 'authorization: Bearer sk_test_sandbox' -d amount=2599 -d currency=usd -d payment_method=pm_card_visa -d confirm=true -d "metadata[order_id]=$ORDER" | grep -o 'pi_[0-9A-Za-z]*' | head -n 1)
"#
            ),
            None => r"
Pay it at your Stripe, with metadata order_id=$ORDER, and say which payment it is:

PAYMENT=pi_…
"
            .to_owned(),
        };
        payment + ATTACH
    }

    fn javascript(&self) -> String {
        let Self { api, key, .. } = self;
        let pay = self.stripe.as_ref().map_or_else(
            || "const paid = { id: 'pi_…' }   // the PaymentIntent of your Stripe".to_owned(),
            |stripe| PAY_IN_JAVASCRIPT.replace("STRIPE", stripe),
        );
        format!(
            r"
The same from supabase-js (Node.js 22 or newer; npm install @supabase/supabase-js), in a file shop.mjs:

import {{ createClient }} from '@supabase/supabase-js'
const supabase = createClient('{api}', '{key}')
const placed = await supabase.rpc('place_order', {{ order_param: {{
  order_number: `js-${{Date.now()}}`, retailer: 'amazon', currency: 'USD', total_minor: 2599,
  items: [{{ product_id: 'B0016NHH56', title: 'lantern', quantity: 1, unit_price_minor: 2599 }}],
  recipient: {{ first_name: 'Ada', last_name: 'Sandbox', address_line1: '1 Fictitious Street',
    zip_code: '94103', city: 'San Francisco', state: 'CA', country: 'US', phone_number: '+14155550100' }} }} }})
const id = placed.data.order_id
{pay}
await supabase.rpc('attach_payment', {{ order_uuid: id, payment_intent_param: paid.id }})
await new Promise(resolve => setTimeout(resolve, 2000))   // its payment is read meanwhile
console.log(await supabase.functions.invoke('process-zma-order', {{ body: {{ orderId: id }} }}))"
        )
    }
}

const PAY_IN_JAVASCRIPT: &str = r"const paid = await fetch('STRIPE/v1/payment_intents', {
  method: 'POST', headers: { authorization: 'Bearer sk_test_sandbox' }, body: new URLSearchParams({
    amount: 2599, currency: 'usd', payment_method: 'pm_card_visa', confirm: true, 'metadata[order_id]': id }) })
  .then(answer => answer.json())";

const ATTACH: &str = r#"curl -sS $API/v1/orders/$ORDER/payment -H "apikey: $KEY" -H 'content-type: application/json' -d "{\"payment_intent\": \"$PAYMENT\"}"; echo
"#;

const WATCH: &str = r#"
Watch it being bought:

for second in 1 2 3 4 5 6 7 8 9 10; do curl -sS $API/v1/orders/$ORDER -H "apikey: $KEY" | grep -o '"status":"[^"]*"' | head -n 1; sleep 1; done
"#;
