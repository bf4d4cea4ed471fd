//! How the SDK's clients connect: one connector for both, a connection before the first call, and a count of what is sent.

use std::time::Duration;

use aws_sdk_ecs as ecs;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::{SharedHttpClient, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::retries::RequestAttempts;
use ecs::config::interceptors::{BeforeTransmitInterceptorContextMut, BeforeTransmitInterceptorContextRef};
use ecs::config::{ConfigBag, Intercept, RuntimeComponents};

use super::tally::Tally;

/// A connection that was idle for longer may be gone without a word: what stands between drops it, or AWS closes it while
/// the environment is frozen, and the next call would wait for an answer that never comes.
const IDLE_CONNECTIONS_STAY: Duration = Duration::from_secs(20);

/// One connector for both clients, built once: the SDK's default builds one to check each client, and another when it is
/// first used, and each reads every certificate authority of the system anew.
///
/// It has no timeouts of its own: those of an attempt bound the connection, too.
pub(super) fn one_connector() -> SharedHttpClient {
    let connector = Connector::builder().tls_provider(Provider::rustls(CryptoMode::AwsLc));
    let connector = connector.pool_idle_timeout(IDLE_CONNECTIONS_STAY);
    let connector = SharedHttpConnector::new(connector.proxy_config(ProxyConfig::from_env()).build());
    http_client_fn(move |_, _| connector.clone())
}

/// Sends a request without its signature: AWS only says that it misses one (common errors, MissingAuthenticationToken),
/// and what is left is a connection. No permission is asked for, and no quota of an account is touched.
#[derive(Debug)]
pub(super) struct WithoutSignature;

#[dyn_dispatch_hint]
impl Intercept for WithoutSignature {
    fn name(&self) -> &'static str {
        "without signature"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let headers = context.request_mut().headers_mut();
        for signed in ["authorization", "x-amz-security-token"] {
            headers.remove(signed);
        }
        Ok(())
    }
}

/// Counts what is tried again.
#[derive(Debug)]
pub(super) struct CountingRetries(pub(super) Tally);

#[dyn_dispatch_hint]
impl Intercept for CountingRetries {
    fn name(&self) -> &'static str {
        "counting retries"
    }

    fn read_before_attempt(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let is_retry = config.load::<RequestAttempts>().is_some_and(|attempts| attempts.attempts() > 1);
        if let Some(operation) = config.load::<Metadata>().filter(|_| is_retry) {
            self.0.retry(operation.name());
        }
        Ok(())
    }
}
