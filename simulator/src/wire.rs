//! The AWS protocols over a world, JSON and Query, on one loopback port.

mod deployed;
mod form;
mod json;
mod query;
#[cfg(test)]
mod tests;
mod xml;

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request, Response, StatusCode, header::HeaderValue};
use jiff::Timestamp;

use crate::{
    clock::Stopwatch,
    http::{self, Answer, Server},
    world::{ApiError, RequestError, World},
};

/// Larger than any request AWS takes here.
const MAX_BODY: usize = 1024 * 1024;

/// How often [`Simulator::wait_for`] looks.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A world that is served on loopback; its clock follows the real one. Dropping it ends the server.
#[derive(Debug)]
pub struct Simulator {
    served: Arc<Served>,
    port: u16,
    _server: Server,
}

#[derive(Debug)]
struct Served {
    world: Mutex<World>,
    began: Timestamp,
    stopwatch: Stopwatch,
    requests: AtomicU64,
}

impl Simulator {
    /// Serves `world` on a free port, within a tokio runtime. It should begin at [`crate::clock::wall_now`], so that clients agree with it on the time.
    pub fn start(world: World) -> io::Result<Simulator> {
        Simulator::start_on(world, 0)
    }

    /// Serves `world` on `port`.
    pub fn start_on(world: World, port: u16) -> io::Result<Simulator> {
        let listener = http::listen(port)?;
        let port = listener.local_addr()?.port();
        let served = Arc::new(Served {
            began: world.now(),
            world: Mutex::new(world),
            stopwatch: Stopwatch::start(),
            requests: AtomicU64::new(0),
        });
        let for_server = Arc::clone(&served);
        let server = http::serve(listener, MAX_BODY, move |request| answer(Arc::clone(&for_server), request));
        Ok(Simulator { served, port, _server: server })
    }

    /// Where it listens, for `AWS_ENDPOINT_URL`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The world's present.
    pub fn now(&self) -> Timestamp {
        self.served.now()
    }

    /// Looks at the world or changes it, as of now.
    pub fn world<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        self.served.world(look)
    }

    /// Waits until `is_so`, at most `within`; false when it never was.
    pub async fn wait_for(&self, within: Duration, is_so: impl Fn(&World) -> bool) -> bool {
        let waiting = Stopwatch::start();
        loop {
            if self.world(|world| is_so(world)) {
                return true;
            }
            if waiting.elapsed() >= within {
                return false;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

impl Served {
    fn now(&self) -> Timestamp {
        self.began + self.stopwatch.elapsed()
    }

    fn world<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        // A look that panicked is a failed test; the world itself is as good as before.
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.advance(self.now());
        look(&mut world)
    }

    fn request_id(&self) -> String {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        format!("00000000-0000-4000-8000-{number:012x}")
    }
}

async fn answer(served: Arc<Served>, request: Request<Bytes>) -> Answer {
    let id = served.request_id();
    if request.method() != Method::POST || request.uri().path() != "/" {
        return Some(http::plain(StatusCode::NOT_FOUND, "POST / it is\n"));
    }
    let client = client(&request);
    let is_json = request.headers().contains_key(json::TARGET);
    let asked = query::service(request.body());
    let decoded = match client {
        None => Err(unsigned(is_json)),
        Some(client) if is_json => json::decode(&request).map(|request| (client, request)),
        Some(client) => query::decode(request.body(), asked).map(|request| (client, request)),
    };
    let answer = match decoded {
        Err(error) => Err(error),
        Ok((client, request)) => {
            let operation = request.operation();
            let reply = served.world(|world| world.request(world.now(), &client, request));
            tokio::time::sleep(reply.delay).await;
            match reply.answer {
                Ok(response) => Ok((operation, response, reply.edit)),
                Err(RequestError::Api(error)) => Err(error),
                Err(RequestError::ConnectionLost) => return None,
            }
        }
    };
    let status = answer.as_ref().err().map_or(200, |error| error.status);
    let (content_type, body) = match (answer, is_json) {
        (Ok((operation, response, edit)), true) => {
            (json::CONTENT_TYPE, json::encode(operation, &response, edit.as_ref()))
        }
        (Ok((operation, response, edit)), false) => {
            (query::CONTENT_TYPE, query::encode(operation, &response, &id, edit.as_ref()))
        }
        (Err(error), true) => (json::CONTENT_TYPE, json::encode_error(&error)),
        (Err(error), false) => (query::CONTENT_TYPE, query::encode_error(&error, asked, &id)),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Some(with_request_id(http::response(status, content_type, body), &id))
}

/// Who asks: the access key id of the signature, which is not checked. None without a signature.
fn client(request: &Request<Bytes>) -> Option<String> {
    let header = request.headers().get(hyper::header::AUTHORIZATION)?.to_str().ok()?;
    Some(header.split("Credential=").nth(1)?.split('/').next()?.to_owned())
}

/// What AWS says before it looks any further (each API reference, common errors).
fn unsigned(is_json: bool) -> ApiError {
    let code = if is_json { "MissingAuthenticationTokenException" } else { "MissingAuthenticationToken" };
    ApiError { status: 403, ..ApiError::new(code, "Missing Authentication Token") }
}

fn with_request_id(mut response: Response<Full<Bytes>>, id: &str) -> Response<Full<Bytes>> {
    if let Ok(id) = HeaderValue::from_str(id) {
        response.headers_mut().insert("x-amzn-requestid", id);
    }
    response
}
