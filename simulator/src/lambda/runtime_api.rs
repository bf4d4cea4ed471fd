//! The Runtime API 2018-06-01, as one process sees it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request, Response, StatusCode, header::HeaderValue};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot, watch},
};

use crate::{
    clock::Stopwatch,
    http::{self, Answer, Server},
};

use super::invocation::Outcome;

// Lambda developer guide, "Lambda quotas": 6 MB for a synchronous payload.
const MAX_BODY: usize = 6 * 1024 * 1024;

/// One event to handle.
#[derive(Debug, Clone)]
pub(super) struct Work {
    pub(super) request_id: String,
    pub(super) deadline_ms: i64,
    pub(super) event: String,
}

/// What the function reported.
#[derive(Debug)]
pub(super) enum Finished {
    Answered(Value),
    Failed { error_type: String, error_message: String },
}

/// How far INIT is.
#[derive(Debug, Clone)]
pub(super) enum Init {
    Running,
    Done(std::time::Duration),
    Failed(Outcome),
}

/// The server of one process.
#[derive(Debug)]
pub(super) struct RuntimeApi {
    shared: Arc<Shared>,
    inbox: mpsc::Sender<Work>,
    _server: Server,
}

#[derive(Debug)]
struct Shared {
    arn: String,
    began: Stopwatch,
    outbox: tokio::sync::Mutex<mpsc::Receiver<Work>>,
    waiting: Mutex<Option<Waiting>>,
    init: watch::Sender<Init>,
}

/// The invocation whose end the caller waits for.
#[derive(Debug)]
struct Waiting {
    request_id: String,
    finished: oneshot::Sender<Finished>,
}

impl RuntimeApi {
    pub(super) fn serve(listener: TcpListener, arn: String, began: Stopwatch) -> RuntimeApi {
        let (inbox, outbox) = mpsc::channel(1);
        let shared = Arc::new(Shared {
            arn,
            began,
            outbox: tokio::sync::Mutex::new(outbox),
            waiting: Mutex::new(None),
            init: watch::Sender::new(Init::Running),
        });
        let for_server = Arc::clone(&shared);
        let server = http::serve(listener, MAX_BODY, move |request| answer(Arc::clone(&for_server), request));
        RuntimeApi { shared, inbox, _server: server }
    }

    pub(super) fn init(&self) -> watch::Receiver<Init> {
        self.shared.init.subscribe()
    }

    /// Hands `work` to the process; never ends when the process does not answer.
    pub(super) async fn run(&self, work: Work) -> Finished {
        let (finished, end) = oneshot::channel();
        *self.shared.waiting() = Some(Waiting { request_id: work.request_id.clone(), finished });
        let handed_over = self.inbox.send(work).await.is_ok();
        match end.await {
            Ok(finished) if handed_over => finished,
            _ => std::future::pending().await,
        }
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Option<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the invocation that waits, when it is the one named.
    fn finish(&self, request_id: &str, finished: Finished) -> Response<Full<Bytes>> {
        let mut waiting = self.waiting();
        match waiting.take() {
            Some(it) if it.request_id == request_id => {
                // After a timeout the caller waits no longer.
                let _late = it.finished.send(finished);
                accepted()
            }
            other => {
                *waiting = other;
                http::plain(StatusCode::BAD_REQUEST, "no such invocation")
            }
        }
    }
}

// Lambda developer guide, "Using the Lambda runtime API".
async fn answer(shared: Arc<Shared>, request: Request<Bytes>) -> Answer {
    let path = request.uri().path();
    let Some(path) = path.strip_prefix("/2018-06-01/runtime/") else {
        return Some(unknown());
    };
    let parts: Vec<&str> = path.split('/').collect();
    match (request.method(), parts.as_slice()) {
        (&Method::GET, ["invocation", "next"]) => next(&shared).await,
        (&Method::POST, ["invocation", id, "response"]) => {
            let finished = match serde_json::from_slice(request.body()) {
                Ok(answer) => Finished::Answered(answer),
                Err(error) => Finished::Failed {
                    error_type: "Runtime.InvalidResponse".to_owned(),
                    error_message: error.to_string(),
                },
            };
            Some(shared.finish(id, finished))
        }
        (&Method::POST, ["invocation", id, "error"]) => {
            let (error_type, error_message) = reported_error(request.body());
            let finished = Finished::Failed { error_type, error_message };
            Some(shared.finish(id, finished))
        }
        (&Method::POST, ["init", "error"]) => {
            let (error_type, error_message) = reported_error(request.body());
            shared.init.send_replace(Init::Failed(Outcome::InitFailed { error_type, error_message }));
            Some(accepted())
        }
        _ => Some(unknown()),
    }
}

async fn next(shared: &Shared) -> Answer {
    shared.init.send_if_modified(|init| {
        let running = matches!(init, Init::Running);
        if running {
            *init = Init::Done(shared.began.elapsed());
        }
        running
    });
    let work = shared.outbox.lock().await.recv().await?;
    let mut response = http::response(StatusCode::OK, "application/json", work.event);
    let headers = response.headers_mut();
    for (name, value) in [
        ("lambda-runtime-aws-request-id", work.request_id.as_str()),
        ("lambda-runtime-deadline-ms", &work.deadline_ms.to_string()),
        ("lambda-runtime-invoked-function-arn", &shared.arn),
        ("lambda-runtime-trace-id", "Root=1-00000000-000000000000000000000000;Sampled=0"),
    ] {
        headers.insert(name, HeaderValue::from_str(value).ok()?);
    }
    Some(response)
}

fn reported_error(body: &[u8]) -> (String, String) {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let member = |name| body.get(name).and_then(Value::as_str).unwrap_or_default();
    (member("errorType").to_owned(), member("errorMessage").to_owned())
}

fn accepted() -> Response<Full<Bytes>> {
    http::response(StatusCode::ACCEPTED, "application/json", r#"{"status":"OK"}"#)
}

fn unknown() -> Response<Full<Bytes>> {
    http::plain(StatusCode::NOT_FOUND, "not a path of the Runtime API")
}
