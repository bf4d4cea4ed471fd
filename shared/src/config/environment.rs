//! AWS's own variables, which Lambda's runtime, the SDK and TLS read by themselves: checked before they do, because a wrong
//! one makes them panic, or goes unnoticed.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use aws_config::retry::RetryMode;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::error::{BadVariable, ConfigError};
use crate::ids::is_region;

/// What is read beside the variables that begin with `AWS_`.
const READ_TOO: [&str; 11] = [
    "HOME",
    SSL_CERT_FILE,
    SSL_CERT_DIR,
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
];
/// Where TLS finds its certificate authorities, in place of the system's.
const SSL_CERT_FILE: &str = "SSL_CERT_FILE";
const SSL_CERT_DIR: &str = "SSL_CERT_DIR";
/// The same to AWS's own tools (AWS SDKs and tools reference guide, general configuration); the SDK does not read it.
const AWS_CA_BUNDLE: &str = "AWS_CA_BUNDLE";
/// The endpoint of every service; with a service's name behind it, of that one.
const AWS_ENDPOINT_URL: &str = "AWS_ENDPOINT_URL";

const A_REGION: &str = "a region such as eu-central-1";
/// What an endpoint's address may be.
pub const A_URL: &str = "a URL such as https://example.com";
const CERTIFICATES: &str = "a file that can be read and holds a certificate in PEM";

/// A variable, what it may be, and whether it is.
type Rule = (&'static str, &'static str, fn(&str) -> bool);

const RULES: [Rule; 10] = [
    ("AWS_REGION", A_REGION, is_region),
    ("AWS_DEFAULT_REGION", A_REGION, is_region),
    ("AWS_MAX_ATTEMPTS", "a whole number from 1", |text| text.parse::<u32>().is_ok_and(|attempts| attempts > 0)),
    ("AWS_RETRY_MODE", "standard, adaptive", |text| text.parse::<RetryMode>().is_ok()),
    ("AWS_USE_FIPS_ENDPOINT", "false, true", is_boolean),
    ("AWS_USE_DUALSTACK_ENDPOINT", "false, true", is_boolean),
    ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false, true", is_boolean),
    (AWS_CA_BUNDLE, CERTIFICATES, |path| holds_a_certificate(Path::new(path))),
    (SSL_CERT_FILE, CERTIFICATES, |path| holds_a_certificate(Path::new(path))),
    (SSL_CERT_DIR, "directories, one with a file that holds a certificate in PEM", hold_a_certificate),
];

/// What Lambda sets in every function, and its runtime cannot do without (Lambda developer guide, defined runtime
/// environment variables).
const SET_BY_LAMBDA: [Rule; 4] = [
    ("AWS_LAMBDA_RUNTIME_API", "what Lambda sets", |_| true),
    ("AWS_LAMBDA_FUNCTION_NAME", "what Lambda sets", |_| true),
    ("AWS_LAMBDA_FUNCTION_VERSION", "what Lambda sets", |_| true),
    ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "what Lambda sets", |text| text.parse::<i32>().is_ok()),
];

/// The variables of a process. What is empty or blank counts as unset.
#[derive(Debug)]
pub struct Environment(BTreeMap<String, OsString>);

impl Environment {
    /// This process's.
    #[must_use]
    pub fn of_process() -> Self {
        Self(std::env::vars_os().map(|(name, value)| (name.to_string_lossy().into_owned(), value)).collect())
    }

    /// A variable. What is not UTF-8 in it is U+FFFD, which no variable may hold.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        let value = self.0.get(name)?.to_string_lossy();
        (!value.trim().is_empty()).then(|| value.into_owned())
    }

    /// Checks what AWS's own tools read.
    ///
    /// # Errors
    /// [`ConfigError`] with every variable whose value is not allowed.
    pub fn checked(&self) -> Result<(), ConfigError> {
        ConfigError::of(self.bad())
    }

    /// What is wrong for a function, beside its settings.
    pub(super) fn bad_for_a_function(&self) -> Vec<BadVariable> {
        let missing = |(name, allowed, is_allowed): &Rule| {
            let value = self.get(name).unwrap_or_default();
            (value.is_empty() || !is_allowed(&value)).then(|| BadVariable::new(*name, value, *allowed))
        };
        SET_BY_LAMBDA.iter().filter_map(missing).chain(self.bad()).collect()
    }

    fn bad(&self) -> Vec<BadVariable> {
        let bad = |name: &String| {
            let value = self.get(name)?;
            let (allowed, is_allowed) = rule(name);
            let is_allowed = self.0.get(name)?.to_str().is_some() && is_allowed(&value);
            (!is_allowed).then(|| BadVariable::new(name.as_str(), value, allowed))
        };
        self.0.keys().filter(|name| is_read(name)).filter_map(bad).collect()
    }

    /// What the SDK and TLS must see in place of what is there.
    fn corrections(&self) -> Vec<(&str, Option<String>)> {
        let is_blank = |name: &&String| is_read(name) && self.get(name).is_none();
        let mut corrections: Vec<_> = self.0.keys().filter(is_blank).map(|name| (name.as_str(), None)).collect();
        if let Some(bundle) = self.get(AWS_CA_BUNDLE).filter(|it| self.get(SSL_CERT_FILE).as_ref() != Some(it)) {
            corrections.extend([(SSL_CERT_FILE, Some(bundle)), (SSL_CERT_DIR, None)]);
        }
        corrections
    }

    /// Starts the program anew, in place of itself, without empty variables, which the SDK takes for values, and with
    /// AWS_CA_BUNDLE where TLS reads it. Returns where there is nothing to correct: a process cannot change its variables
    /// safely (`std::env::set_var`), and the SDK takes them from nowhere else.
    ///
    /// # Errors
    /// [`ConfigError`] with every variable to correct, when the program cannot be started.
    pub fn corrected(&self) -> Result<(), ConfigError> {
        let corrections = self.corrections();
        if corrections.is_empty() {
            return Ok(());
        }
        let error = start_anew(&corrections);
        let bad = corrections.iter().map(|(name, _)| {
            let allowed = format!("it unset, or a value: the program could not be started without it ({error})");
            BadVariable::new(*name, self.get(name).unwrap_or_default(), allowed)
        });
        ConfigError::of(bad.collect())
    }
}

/// Returns only what went wrong.
#[cfg(unix)]
fn start_anew(corrections: &[(&str, Option<String>)]) -> std::io::Error {
    use std::os::unix::process::CommandExt;

    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return error,
    };
    let mut arguments = std::env::args_os();
    let mut program = std::process::Command::new(program);
    if let Some(name) = arguments.next() {
        program.arg0(name);
    }
    program.args(arguments);
    for (name, value) in corrections {
        match value {
            Some(value) => program.env(name, value),
            None => program.env_remove(name),
        };
    }
    program.exec()
}

#[cfg(not(unix))]
fn start_anew(_: &[(&str, Option<String>)]) -> std::io::Error {
    std::io::ErrorKind::Unsupported.into()
}

/// Whether the SDK, Lambda's runtime or TLS reads it.
fn is_read(name: &str) -> bool {
    name.starts_with("AWS_") || READ_TOO.contains(&name)
}

fn rule(name: &str) -> (&'static str, fn(&str) -> bool) {
    if let Some((_, allowed, is_allowed)) = RULES.iter().find(|(known, ..)| *known == name) {
        return (allowed, *is_allowed);
    }
    let is_endpoint = name.strip_prefix(AWS_ENDPOINT_URL).is_some_and(|of| of.is_empty() || of.starts_with('_'));
    if is_endpoint { (A_URL, is_url) } else { ("text in UTF-8", |_| true) }
}

fn is_boolean(text: &str) -> bool {
    ["false", "true"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Whether it is `http://` or `https://`, a host, and what may stand behind one.
#[must_use]
pub fn is_url(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")) else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let is_of_a_host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'[' | b']');
    !host.is_empty()
        && host.bytes().all(is_of_a_host)
        && port.is_none_or(|port| port.parse::<u16>().is_ok())
        && rest.bytes().all(|b| b.is_ascii_graphic())
}

/// Whether TLS can take a certificate from it: it passes over what is no certificate.
fn holds_a_certificate(path: &Path) -> bool {
    let certificates = CertificateDer::pem_file_iter(path).into_iter().flatten().flatten();
    RootCertStore::empty().add_parsable_certificates(certificates).0 > 0
}

fn hold_a_certificate(directories: &str) -> bool {
    let files = std::env::split_paths(directories).filter_map(|it| std::fs::read_dir(it).ok()).flatten().flatten();
    files.map(|file| file.path()).any(|path| holds_a_certificate(&path))
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect())
    }

    fn wrong(variables: &[(&str, &str)]) -> Vec<String> {
        environment(variables).bad().into_iter().map(|bad| bad.name).collect()
    }

    #[test]
    fn what_is_empty_or_blank_is_unset() {
        let environment =
            environment(&[("AWS_REGION", ""), ("AWS_MAX_ATTEMPTS", " "), ("SSL_CERT_FILE", "\t"), ("EDITOR", "")]);
        assert_eq!(environment.checked(), Ok(()));
        assert_eq!(environment.get("AWS_REGION"), None);
        let unset = [("AWS_MAX_ATTEMPTS", None), ("AWS_REGION", None), ("SSL_CERT_FILE", None)];
        assert_eq!(environment.corrections(), unset, "and what is not AWS's stays as it is");
    }

    #[test]
    fn each_wrong_value_is_told_and_no_right_one() {
        for (name, right, wrong_ones) in [
            ("AWS_REGION", &["us-west-2", "us-gov-west-1"][..], &["us west", "US-WEST-2", "eu-west-1 "][..]),
            ("AWS_MAX_ATTEMPTS", &["1", "10"], &["0", "-1", "many", "1.5"]),
            ("AWS_RETRY_MODE", &["standard", "adaptive"], &["legacy", "fast"]),
            ("AWS_USE_FIPS_ENDPOINT", &["true", "FALSE"], &["yes", "1"]),
            (
                "AWS_ENDPOINT_URL_AUTO_SCALING",
                &["http://127.0.0.1:8126", "https://[::1]:1/a?b", "https://[::1]", "http://a_b"],
                &["localhost:8126", "http://", "http:///x", "http://a b", "http://a:b", "ftp://a", "http://a/ b"],
            ),
            ("AWS_PROFILE", &["anything at all"], &[]),
            ("AWS_ENDPOINT_URLS", &["no endpoint"], &[]),
            ("REGION", &["not AWS's"], &[]),
        ] {
            for value in right {
                assert_eq!(wrong(&[(name, value)]), [] as [String; 0], "{name} {value:?}");
            }
            for value in wrong_ones {
                assert_eq!(wrong(&[(name, value)]), [name], "{name} {value:?}");
            }
        }
    }

    #[test]
    fn what_is_not_utf_8_is_wrong_in_whatever_aws_reads() {
        let not_utf_8 = || OsString::from_vec(vec![b'a', 0xff]);
        let names = ["AWS_PROFILE", "AWS_REGION", "EDITOR", "HOME", "no_proxy"];
        let environment = Environment(names.map(|name| (name.to_owned(), not_utf_8())).into());
        let told = environment.checked().unwrap_err().to_string();
        for name in ["AWS_PROFILE is \"a\u{fffd}\", allowed: text in UTF-8", "AWS_REGION", "HOME", "no_proxy"] {
            assert!(told.contains(name), "{name} in {told}");
        }
        assert!(!told.contains("EDITOR"), "{told}");
    }

    #[test]
    fn what_lambda_sets_is_missed() {
        let by_lambda = [
            ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001"),
            ("AWS_LAMBDA_FUNCTION_NAME", "f"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ];
        assert_eq!(environment(&by_lambda).bad_for_a_function(), []);
        let missing = environment(&[]).bad_for_a_function();
        assert_eq!(missing.iter().map(|bad| bad.name.as_str()).collect::<Vec<_>>(), by_lambda.map(|(name, _)| name));
    }

    #[test]
    fn the_bundle_of_awss_tools_is_what_tls_reads() {
        let bundle = |others: &[(&str, &str)]| {
            let environment = environment(&[&[("AWS_CA_BUNDLE", "/a.pem")], others].concat());
            environment.corrections().into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Vec<_>>()
        };
        let expected = [("SSL_CERT_FILE".to_owned(), Some("/a.pem".to_owned())), ("SSL_CERT_DIR".to_owned(), None)];
        assert_eq!(bundle(&[]), expected);
        assert_eq!(bundle(&[("SSL_CERT_FILE", "/b.pem"), ("SSL_CERT_DIR", "/certs")]), expected);
        assert_eq!(bundle(&[("SSL_CERT_FILE", "/a.pem")]), [], "it is not started anew for ever");
    }
}
