//! Connections that are gone without a word after an environment was frozen.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::support::{Stage, secs, world};

/// The relay drops a connection that was idle for so long, and tells neither end.
const DROPS_AFTER: Duration = Duration::from_secs(5);
/// The functions keep an idle connection for 20 s.
const FROZEN: Duration = Duration::from_secs(21);
/// An attempt that gets no answer ends after so long.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);

/// Relays to `to`; answers its own address.
async fn forgetful_relay(to: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&to).await.unwrap();
            tokio::spawn(relay(client, server));
        }
    });
    format!("http://{address}")
}

async fn relay(mut client: TcpStream, mut server: TcpStream) {
    let (mut asked, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        let moved = timeout(DROPS_AFTER, async {
            tokio::select! {
                read = client.read(&mut asked) => (read, true),
                read = server.read(&mut answered) => (read, false),
            }
        });
        match moved.await {
            Ok((Ok(0) | Err(_), _)) => return,
            Ok((Ok(bytes), true)) => server.write_all(&asked[..bytes]).await.unwrap(),
            Ok((Ok(bytes), false)) => client.write_all(&answered[..bytes]).await.unwrap(),
            Err(_) => break,
        }
    }
    // Dropped: what is sent leads nowhere, and nothing says so.
    while client.read(&mut asked).await.is_ok_and(|bytes| bytes > 0) {}
}

#[tokio::test]
async fn the_first_call_after_a_freeze_waits_for_no_answer_on_a_connection_that_is_gone() {
    let stage = Stage::idle(world());
    let relay = forgetful_relay(stage.simulator.url().trim_start_matches("http://").to_owned()).await;
    let function = stage.reconcile(&[("AWS_ENDPOINT_URL", relay.as_str())], secs(30.0));
    let before = function.invoke(&json!({})).await;
    assert_eq!(before.outcome.answer(), Some(&json!({"drains": []})), "{before:?}");

    tokio::time::sleep(FROZEN).await;
    let after = function.invoke(&json!({})).await;

    assert_eq!(after.outcome.answer(), Some(&json!({"drains": []})), "{after:?}");
    assert!(after.duration < ATTEMPT_TIMEOUT, "{:?}", after.duration);
}
