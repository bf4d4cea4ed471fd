//! One execution environment: a process, its Runtime API and its output.

use std::{
    io,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader},
    process::{Child, Command},
    sync::watch,
    task::JoinHandle,
};

use crate::{clock::Stopwatch, http};

use super::{
    invocation::{Outcome, init_failed},
    log::Log,
    runtime_api::{Finished, Init, RuntimeApi, Work},
    spec::FunctionSpec,
};

// Lambda developer guide, "Init phase": 10 seconds, or the phase is tried again at the first invocation.
const INIT_LIMIT: Duration = Duration::from_secs(10);

/// A longer line is cut in pieces. Lambda's own limit for a log event.
const MAX_LOG_LINE: u64 = 256 * 1024;

/// How long the end of a killed process may take; the kernel needs none of it.
const END_LIMIT: Duration = Duration::from_secs(5);

/// Where the SDK looks for credentials. They are made up: the simulator does not check signatures.
const CREDENTIALS: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "ASIAIOSFODNN7EXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    ("AWS_SESSION_TOKEN", "example-session-token"),
];

#[derive(Debug)]
pub(super) struct Environment {
    pid: Option<u32>,
    kill: watch::Sender<bool>,
    exit: watch::Receiver<Option<ExitStatus>>,
    init: watch::Receiver<Init>,
    runtime_api: RuntimeApi,
    supervisor: JoinHandle<()>,
}

impl Drop for Environment {
    fn drop(&mut self) {
        // The child dies with the task that owns it.
        self.supervisor.abort();
    }
}

impl Environment {
    pub(super) fn start(spec: &FunctionSpec, log: &Log) -> io::Result<Environment> {
        let listener = http::listen(0)?;
        let address = listener.local_addr()?.to_string();
        // The process runs before `spawn` returns.
        let began = Stopwatch::start();
        let mut child = command(spec, &address).spawn()?;
        let arn = format!("arn:{}:lambda:{}:{}:function:{}", spec.partition, spec.region, spec.account, spec.name);
        let runtime_api = RuntimeApi::serve(listener, arn, began);
        if let Some(stdout) = child.stdout.take() {
            tokio::spawn(read_lines(stdout, log.clone()));
        }
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(read_lines(stderr, log.clone()));
        }
        let (kill, killed) = watch::channel(false);
        let (exited, exit) = watch::channel(None);
        Ok(Environment {
            pid: child.id(),
            kill,
            exit,
            init: runtime_api.init(),
            runtime_api,
            supervisor: tokio::spawn(supervise(child, killed, exited)),
        })
    }

    pub(super) fn process_id(&self) -> Option<u32> {
        self.pid
    }

    /// SIGKILL.
    pub(super) fn kill(&self) {
        self.kill.send_replace(true);
    }

    pub(super) fn is_over(&self) -> bool {
        self.exit.borrow().is_some() || *self.kill.borrow()
    }

    pub(super) fn is_ready(&self) -> bool {
        matches!(*self.init.borrow(), Init::Done(_))
    }

    pub(super) fn init_duration(&self) -> Option<Duration> {
        match *self.init.borrow() {
            Init::Done(took) => Some(took),
            Init::Running | Init::Failed(_) => None,
        }
    }

    /// Waits until INIT is over.
    pub(super) async fn ready(&self) -> Result<(), Outcome> {
        tokio::select! {
            biased;
            init = self.init_over() => match init {
                Init::Failed(outcome) => Err(outcome),
                Init::Running | Init::Done(_) => Ok(()),
            },
            // Lambda's own words for it.
            status = self.exited() => Err(init_failed(
                "Runtime.ExitError",
                &format!("Runtime exited with error: {status}"),
            )),
            () = tokio::time::sleep(INIT_LIMIT) => Err(init_failed(
                "Sandbox.Timedout",
                &format!("INIT took more than {} s", INIT_LIMIT.as_secs()),
            )),
        }
    }

    async fn init_over(&self) -> Init {
        let mut init = self.init.clone();
        let over = init.wait_for(|init| !matches!(init, Init::Running)).await;
        over.map_or(Init::Running, |init| init.clone())
    }

    /// Hands an event to the process; ends only when the process answers.
    pub(super) async fn run(&self, work: Work) -> Finished {
        self.runtime_api.run(work).await
    }

    /// Waits for the end of the process.
    pub(super) async fn exited(&self) -> ExitStatus {
        let mut exit = self.exit.clone();
        let status = exit.wait_for(Option::is_some).await;
        match status.as_deref() {
            Ok(Some(status)) => *status,
            _ => ExitStatus::default(),
        }
    }

    /// The process's peak resident set, while it lives.
    pub(super) fn peak_rss_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid?)).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }
}

// Lambda developer guide, "Defined runtime environment variables".
fn command(spec: &FunctionSpec, runtime_api: &str) -> Command {
    let mut command = Command::new(&spec.binary);
    command
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", runtime_api)
        .env("AWS_LAMBDA_FUNCTION_NAME", &spec.name)
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", spec.memory_mb.to_string())
        .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", spec.name))
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "simulated")
        .env("AWS_LAMBDA_LOG_FORMAT", "JSON")
        .env("AWS_REGION", &spec.region)
        .env("AWS_DEFAULT_REGION", &spec.region)
        .env("_HANDLER", "bootstrap")
        .env("LAMBDA_TASK_ROOT", "/var/task")
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("TZ", ":UTC")
        .envs(CREDENTIALS)
        .envs(spec.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn supervise(mut child: Child, mut killed: watch::Receiver<bool>, exited: watch::Sender<Option<ExitStatus>>) {
    let ended = tokio::select! {
        status = child.wait() => Some(status),
        () = kill_wanted(&mut killed) => None,
    };
    let status = match ended {
        Some(status) => status,
        None => {
            // It may have ended by itself in the meantime.
            let _already_over = child.start_kill();
            let end = tokio::time::timeout(END_LIMIT, child.wait()).await;
            end.unwrap_or_else(|_| Ok(ExitStatus::default()))
        }
    };
    exited.send_replace(Some(status.unwrap_or_default()));
}

async fn kill_wanted(killed: &mut watch::Receiver<bool>) {
    // A closed channel is an environment that was dropped: it goes too.
    let _either_way = killed.wait_for(|killed| *killed).await;
}

async fn read_lines(output: impl AsyncRead + Unpin, log: Log) {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut piece = (&mut output).take(MAX_LOG_LINE);
        match piece.read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => log.push(String::from_utf8_lossy(&line).trim_end().to_owned()),
        }
    }
}
