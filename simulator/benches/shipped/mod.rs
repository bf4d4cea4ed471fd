//! The binaries that ship, in as many environments as their invocations need.

use std::{io, path::Path, rc::Rc, time::Duration};

use simulator::lambda::{Fleet, Function, FunctionSpec};

pub(crate) type Failure = Box<dyn std::error::Error>;

/// Starts environments of a function.
pub(crate) fn fleet(name: &'static str, url: &str, timeout: Duration) -> Result<Rc<Fleet<'static>>, Failure> {
    let spec = spec(name, url, timeout)?;
    Ok(Rc::new(Fleet::new(move || -> io::Result<Function> { Function::start(spec.clone()) })))
}

/// What Lambda is told of a function.
pub(crate) fn spec(name: &'static str, url: &str, timeout: Duration) -> Result<FunctionSpec, Failure> {
    let binary = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/lambda").join(name).join("bootstrap");
    if !binary.is_file() {
        let what = format!("{} is not there; `cargo lambda build --release --locked` makes it", binary.display());
        return Err(what.into());
    }
    Ok(FunctionSpec {
        name: name.to_owned(),
        binary,
        environment: vec![("AWS_ENDPOINT_URL".to_owned(), url.to_owned())],
        timeout,
        ..FunctionSpec::default()
    })
}
