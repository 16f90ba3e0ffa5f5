//! Limits on a server's requests before it has proved its identity: neither the password nor its MD5 digest.

use crate::term::Term;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Socket;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres_rustls::MakeRustlsConnect;

type Tls = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;
type TlsError = Box<dyn std::error::Error + Send + Sync>;

/// The server asks for more than it may.
#[derive(thiserror::Error, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    #[error(
        "the server asks for the password in clear text without proof of its identity: the operator did not send it. Use tls.mode VerifyFull or VerifyCA, or a \
         method of pg_hba.conf that keeps the password, such as scram-sha-256"
    )]
    Password,
    #[error(
        "the server asks for an MD5 digest of the password, and nothing has shown who it is: it is not told, since the digest lets its holder log in \
         elsewhere and guess the password fast. Use tls.mode VerifyFull or VerifyCA, or scram-sha-256: set password_encryption to it, and the \
         password anew"
    )]
    Digest,
}

/// The connector of all connections. Without TLS it wraps and negotiates nothing, which the driver takes for TLS from the first byte. It inspects the server's
/// requests all the same.
#[derive(Clone)]
pub struct Connector {
    tls: Option<MakeRustlsConnect>,
    /// True if the server's certificate is verified.
    verified: bool,
    term: Term,
}

impl Connector {
    pub fn new(tls: Option<MakeRustlsConnect>, verified: bool, term: Term) -> Self {
        Self { tls, verified, term }
    }
}

impl MakeTlsConnect<Socket> for Connector {
    type Stream = Guarded<Wire>;
    type TlsConnect = Connecting;
    type Error = TlsError;

    fn make_tls_connect(&mut self, domain: &str) -> Result<Connecting, TlsError> {
        let tls = match &mut self.tls {
            Some(tls) => Some(MakeTlsConnect::<Socket>::make_tls_connect(tls, domain).map_err(Into::<TlsError>::into)?),
            None => None,
        };
        Ok(Connecting {
            tls,
            verified: self.verified,
            term: self.term.clone(),
        })
    }
}

/// One connection that begins.
pub struct Connecting {
    tls: Option<<MakeRustlsConnect as MakeTlsConnect<Socket>>::TlsConnect>,
    verified: bool,
    term: Term,
}

impl TlsConnect<Socket> for Connecting {
    type Stream = Guarded<Wire>;
    type Error = TlsError;
    type Future = Pin<Box<dyn Future<Output = Result<Guarded<Wire>, TlsError>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move {
            let wire = match self.tls {
                Some(tls) => Wire::Tls(Box::new(tls.connect(socket).await.map_err(Into::<TlsError>::into)?)),
                None => Wire::Plain(socket),
            };
            Ok(Guarded::new(wire, self.verified, self.term))
        })
    }
}

/// A connection with TLS or without.
pub enum Wire {
    Plain(Socket),
    Tls(Box<Tls>),
}

impl TlsStream for Guarded<Wire> {
    fn channel_binding(&self) -> ChannelBinding {
        match &self.inner {
            Wire::Plain(_) => ChannelBinding::none(),
            Wire::Tls(tls) => tls.channel_binding(),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(cx, buffer),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(cx, bytes),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

/// A stream that ends where the server asks for the password or its MD5 digest, before the driver sees that it does. Nothing is sent outside of its term,
/// so a transaction that began within it is not committed after it.
pub struct Guarded<S> {
    inner: S,
    term: Term,
    /// None once the server has admitted the client; then it may send any request.
    watch: Option<Watch>,
}

impl<S> Guarded<S> {
    fn new(inner: S, verified: bool, term: Term) -> Self {
        Self {
            inner,
            term,
            watch: (!verified).then(Watch::default),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(cx, buffer))?;
        let Some(watch) = &mut this.watch else {
            return Poll::Ready(Ok(()));
        };
        match watch.read(&buffer.filled()[before..]) {
            Ok(true) => this.watch = None,
            Ok(false) => {}
            Err(asked) => {
                buffer.set_filled(before);
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::PermissionDenied, asked)));
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.term.check().map_err(io::Error::other)?;
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Parser of PostgreSQL's messages until the server admits the client. Each has a type, a length that counts itself, and a body; an authentication request
/// (`R`) has its kind first.
#[derive(Default)]
struct Watch {
    head: Vec<u8>,
    /// Remaining bytes of a message that the filter skips.
    rest: u32,
}

const AUTHENTICATION: u8 = b'R';
const LET_IN: u32 = 0;
const CLEARTEXT: u32 = 3;
const MD5: u32 = 5;

impl Watch {
    /// Returns true once the server has admitted the client.
    fn read(&mut self, mut bytes: &[u8]) -> Result<bool, Asked> {
        while let Some((byte, others)) = bytes.split_first() {
            if self.rest > 0 {
                let skipped = bytes.len().min(usize::try_from(self.rest).unwrap_or(usize::MAX));
                self.rest -= u32::try_from(skipped).unwrap_or(self.rest);
                bytes = &bytes[skipped..];
                continue;
            }
            self.head.push(*byte);
            bytes = others;
            let number = |bytes: &[u8]| bytes.iter().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte));
            let length = match self.head.len() {
                5 | 9 => number(&self.head[1..5]),
                _ => continue,
            };
            let is_authentication = self.head[0] == AUTHENTICATION && length >= 8;
            if self.head.len() == 5 && is_authentication {
                continue;
            }
            match self.head.get(5..).map(number) {
                Some(CLEARTEXT) if is_authentication => return Err(Asked::Password),
                Some(MD5) if is_authentication => return Err(Asked::Digest),
                Some(LET_IN) if is_authentication => return Ok(true),
                _ => {}
            }
            let read = u32::try_from(self.head.len() - 1).unwrap_or_default();
            self.rest = length.saturating_sub(read);
            self.head.clear();
        }
        Ok(false)
    }
}

#[cfg(test)]
#[path = "guard_test.rs"]
mod tests;
