//! A small HTTP server on loopback that may also drop a connection without an answer.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{Request, Response, StatusCode, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    sync::Semaphore,
    task::{JoinHandle, JoinSet},
};

/// More connections than any test opens; further ones wait.
const MAX_CONNECTIONS: usize = 1_024;

/// After a failed accept, which is most often for want of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// What a handler makes of a request; `None` drops the connection.
pub(crate) type Answer = Option<Response<Full<Bytes>>>;

/// Serves until it is dropped.
#[derive(Debug)]
pub(crate) struct Server(JoinHandle<()>);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Listens on loopback; port 0 is any free one.
pub(crate) fn listen(port: u16) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", port))?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// Serves every connection with `handler`, which gets bodies of at most `max_body` bytes.
pub(crate) fn serve<H, F>(listener: TcpListener, max_body: usize, handler: H) -> Server
where
    H: Fn(Request<Bytes>) -> F + Send + Sync + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    Server(tokio::spawn(accept(listener, max_body, Arc::new(handler))))
}

async fn accept<H, F>(listener: TcpListener, max_body: usize, handler: Arc<H>)
where
    H: Fn(Request<Bytes>) -> F + Send + Sync + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    // Dropped with this task, and the connections with it.
    let mut connections = JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_AGAIN).await;
            continue;
        };
        // Small answers must not wait for the client's acknowledgement.
        let _best_effort = stream.set_nodelay(true);
        let handler = Arc::clone(&handler);
        connections.spawn(async move {
            let service = service_fn(|request| answer(request, max_body, handler.as_ref()));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // An error is a client that went away, or an answer withheld on purpose.
            let _ended = connection.await;
            drop(place);
        });
    }
}

async fn answer<H, F>(
    request: Request<Incoming>,
    max_body: usize,
    handler: &H,
) -> Result<Response<Full<Bytes>>, Withheld>
where
    H: Fn(Request<Bytes>) -> F,
    F: Future<Output = Answer>,
{
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, max_body).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"));
        }
        Err(_) => return Err(Withheld),
    };
    handler(Request::from_parts(head, body)).await.ok_or(Withheld)
}

/// A response with a body.
pub(crate) fn response(status: StatusCode, content_type: &str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    if let Ok(value) = content_type.parse() {
        response.headers_mut().insert(hyper::header::CONTENT_TYPE, value);
    }
    response
}

/// A response for people.
pub(crate) fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    response(status, "text/plain", text)
}

/// There is no answer: hyper closes the connection when its service fails.
#[derive(Debug, thiserror::Error)]
#[error("the answer was withheld")]
struct Withheld;
