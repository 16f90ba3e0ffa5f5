//! A probe that listens, and echoes every client that policies admit.

use super::PORT;
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;

/// The most connections at once.
const AT_ONCE: usize = 64;
/// The timeout of a connection.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Answers on every address, TCP and UDP, until the process ends.
///
/// # Errors
/// Where it cannot listen.
pub async fn listen() -> std::io::Result<()> {
    // Where there is no IPv6 the other one remains.
    let any = [
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, PORT)),
        SocketAddr::from(([0, 0, 0, 0], PORT)),
    ];
    let tcp = TcpListener::bind(&any[..]).await?;
    let udp = UdpSocket::bind(&any[..]).await?;
    tokio::select! {
        result = answer_connections(&tcp) => result,
        result = answer_datagrams(&udp) => result,
        () = crate::signals::told_to_end() => Ok(()),
    }
}

async fn answer_connections(listener: &TcpListener) -> std::io::Result<()> {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let (stream, _) = listener.accept().await?;
        let Ok(place) = room.clone().try_acquire_owned() else {
            continue;
        };
        tokio::spawn(async move {
            let _ = tokio::time::timeout(ANSWER_TIMEOUT, answer(stream)).await;
            drop(place);
        });
    }
}

/// Answers once; a message longer than our question is none.
async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut heard = [0; 64];
    let length = stream.read(&mut heard).await?;
    stream.write_all(&heard[..length]).await?;
    stream.shutdown().await
}

async fn answer_datagrams(socket: &UdpSocket) -> std::io::Result<()> {
    let mut heard = [0; 64];
    loop {
        let (length, from) = socket.recv_from(&mut heard).await?;
        // The client may be gone by now.
        let _ = socket.send_to(&heard[..length], from).await;
    }
}
