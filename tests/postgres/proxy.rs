//! Stands between the operator and its server, and falls after so many statements.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

pub struct Proxy {
    pub port: u16,
    fallen: CancellationToken,
}

impl Proxy {
    /// Lets `limit` statements through; the last one's answer gets lost, and with it every connection.
    pub async fn start(server: u16, limit: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listen");
        let port = listener.local_addr().expect("address").port();
        let (fallen, passed) = (CancellationToken::new(), Arc::new(AtomicUsize::new(0)));
        let token = fallen.clone();
        tokio::spawn(async move {
            while let Some(Ok((client, _))) = token.run_until_cancelled(listener.accept()).await {
                let (token, passed) = (token.clone(), passed.clone());
                tokio::spawn(async move {
                    let _ = token
                        .clone()
                        .run_until_cancelled(carry(client, server, limit, passed, token))
                        .await;
                });
            }
        });
        Self { port, fallen }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.fallen.cancel();
    }
}

async fn carry(
    client: TcpStream,
    server: u16,
    limit: usize,
    passed: Arc<AtomicUsize>,
    fallen: CancellationToken,
) -> std::io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", server)).await?;
    let ((mut from, mut back), (mut answers, mut to)) = (client.into_split(), server.into_split());
    let answering = tokio::spawn(async move { tokio::io::copy(&mut answers, &mut back).await.map(drop) });
    let ended = async {
        // The first message has no type.
        let mut head = false;
        loop {
            let mut message = Vec::new();
            let mut kind = 0;
            if head {
                kind = from.read_u8().await?;
                message.push(kind);
            }
            head = true;
            let length = from.read_u32().await?;
            message.extend(length.to_be_bytes());
            let start = message.len();
            message.resize(start + length as usize - 4, 0);
            from.read_exact(&mut message[start..]).await?;
            // Query, and Sync at the end of what is prepared and executed.
            if matches!(kind, b'Q' | b'S') && passed.fetch_add(1, Ordering::SeqCst) + 1 >= limit {
                answering.abort();
                to.write_all(&message).await?;
                to.shutdown().await?;
                fallen.cancel();
                return Ok(());
            }
            to.write_all(&message).await?;
        }
    };
    let result: std::io::Result<()> = ended.await;
    answering.abort();
    result
}
