//! How many creates a second the sandbox carries together with its client, on this machine:
//! `cargo run --release -p orders-sandbox --example load -- [creates] [connections] [ledger folder]`.

use orders_sandbox::{Options, World};
use std::error::Error;
use std::net::SocketAddr;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut arguments = std::env::args().skip(1);
    let creates: usize = arguments.next().map_or(Ok(100_000), |text| text.parse())?;
    let connections: usize = arguments.next().map_or(Ok(32), |text| text.parse())?;
    let ledger_folder = arguments.next().map(Into::into);
    let running = World::start(Options { ledger_folder, ..Options::default() }).await?;

    let start = Instant::now();
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..connections {
        let numbers = (sender..creates).step_by(connections);
        senders.spawn(send(running.addr, numbers));
    }
    while let Some(sent) = senders.join_next().await {
        sent??;
    }
    let seconds = start.elapsed().as_secs_f64();
    let summary = running.world.zinc.summary();
    let made = u32::try_from(summary.orders_bought_once)?;
    println!("{made} bought once in {seconds:.2} s: {:.0} a second", f64::from(made) / seconds);
    println!("{} duplicates", summary.duplicates.len());
    running.stop().await;
    Ok(())
}

async fn send(
    addr: SocketAddr,
    numbers: impl Iterator<Item = usize>,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    let mut buffer = [0; 4096];
    for number in numbers {
        let body = BODY.replace("NUMBER", &format!("{number:036}"));
        let length = body.len();
        let call = format!(
            "POST /v1/orders HTTP/1.1\r\nHost: sandbox\r\nContent-Type: application/json\r\n\
             Authorization: Basic c2FuZGJveC10b2tlbjo=\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(call.as_bytes()).await?;
        let mut heard = 0;
        // The answer is short and ends with the only closing brace in it.
        while !buffer[..heard].ends_with(b"}") {
            let count = stream.read(&mut buffer[heard..]).await?;
            if count == 0 {
                return Err("the sandbox closed the connection".into());
            }
            heard += count;
        }
    }
    Ok(())
}

const BODY: &str = r#"{"idempotency_key":"NUMBER","retailer":"amazon","addax":true,
"products":[{"product_id":"B000000001","quantity":2}],"max_price":4200,
"shipping_address":{"first_name":"Ada","last_name":"Miller","address_line1":"12 Elm Street",
"address_line2":"","zip_code":"97209","city":"Portland","state":"OR","country":"US",
"phone_number":"5035550100"},"is_gift":true,"gift_message":"Happy birthday",
"shipping_method":"cheapest","strict_expired_product_id":true,"addax_queue_timeout":14400,
"client_notes":{"order_id":"NUMBER","attempt_id":"NUMBER"}}"#;
