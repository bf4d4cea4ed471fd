//! The account and region that are asked: signing in, and what an answer is worth.

pub(crate) mod asked;
pub(crate) mod attributes;

use std::borrow::Cow;
use std::time::Duration;

use aws_config::profile::{self, ProfileFileCredentialsProvider};
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_autoscaling::error::{ProvideErrorMetadata, SdkError};
use shared::aws::sdk::{SdkCalls, failed};
use shared::aws::{CallError, ErrorClass};
use shared::config::{A_URL, ConfigError, is_url};

use crate::arguments::{Access, Cluster};
use crate::failure::{Failure, chain};

/// With the pauses between them, a few seconds of throttling are sat out.
const ATTEMPTS: u32 = 5;
/// The longest first pause. The SDK takes a random part of it, and doubles it each time.
const INITIAL_BACKOFF: Duration = Duration::from_millis(500);
/// Such calls answer in tenths of a second, IAM's simulations in one or two; what takes as long is lost.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// An account and region, signed in to.
#[derive(Debug)]
pub(crate) struct Account {
    /// What the functions ask, too.
    pub(crate) calls: SdkCalls,
    /// For clients of further services.
    pub(crate) sdk: SdkConfig,
    /// The region.
    pub(crate) region: String,
    /// The account, where the credentials tell it.
    id: Option<String>,
}

impl Account {
    /// Finds region and credentials as AWS's own tools do.
    ///
    /// # Errors
    /// When there is no region, or no credentials, or the profile says what the command cannot do.
    pub(crate) async fn connect(access: &Access) -> Result<Self, Failure> {
        check_profile(access).await?;
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12());
        if let Some(region) = &access.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(profile) = &access.profile {
            // A profile that is named goes before keys in the environment, as with the AWS CLI.
            let provider = ProfileFileCredentialsProvider::builder().profile_name(profile).build();
            loader = loader.profile_name(profile).credentials_provider(provider);
        }
        if let Some(url) = &access.endpoint_url {
            loader = loader.endpoint_url(url);
        }
        let retry = RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(INITIAL_BACKOFF);
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build();
        let sdk = loader.retry_config(retry).timeout_config(timeouts).load().await;
        let region = sdk.region().ok_or(Failure::NoRegion)?.to_string();
        let none = |why| Failure::NoCredentials { profile: access.profile.clone(), why };
        let provider = sdk.credentials_provider().ok_or_else(|| none("no provider has any".to_owned()))?;
        let credentials = provider.provide_credentials().await.map_err(|error| none(chain(&error)))?;
        let id = credentials.account_id().map(|id| id.as_str().to_owned());
        Ok(Self { calls: SdkCalls::with_patience_of(&sdk), sdk, region, id })
    }

    /// Refuses a cluster whose ARN is of another account or region: one of the same name here is not meant.
    pub(crate) fn is_home_of(&self, cluster: &Cluster) -> Result<(), Failure> {
        let Some((arn, home)) = &cluster.arn else { return Ok(()) };
        let is_this_account = self.id.as_ref().is_none_or(|id| *id == home.account);
        if home.region == self.region && is_this_account {
            return Ok(());
        }
        let here = self
            .id
            .as_ref()
            .map_or_else(|| format!("region {}", self.region), |id| format!("account {id}, region {}", self.region));
        Err(Failure::ClusterElsewhere { arn: arn.clone(), here })
    }

    /// A failed request of this region.
    pub(crate) fn failure(&self, error: CallError) -> Failure {
        tracing::warn!(error = chain(&error), "a request failed");
        Failure::of_call(error, &self.region)
    }

    /// What the SDK's answer to a request of this operation is to people.
    fn answered<T, E, R>(&self, operation: &'static str, answer: Result<T, SdkError<E, R>>) -> Result<T, Failure>
    where
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        answer.map_err(failed(operation)).map_err(|error| self.failure(error))
    }
}

/// Refuses what the SDK does not read in a profile, or reads too late. One that cannot be read is the SDK's to refuse.
async fn check_profile(access: &Access) -> Result<(), Failure> {
    let named = access.profile.clone().map(Cow::Owned);
    let Ok(profiles) = profile::load(&Default::default(), &Default::default(), &Default::default(), named).await else {
        return Ok(());
    };
    let has_bundle = std::env::var_os("AWS_CA_BUNDLE").is_some();
    if let Some(bundle) = profiles.get("ca_bundle").filter(|_| !has_bundle) {
        let allowed = "nothing: set AWS_CA_BUNDLE to this file instead";
        return Err(ConfigError::of_one("the profile's ca_bundle", bundle, allowed).into());
    }
    match profiles.get("endpoint_url").filter(|url| !is_url(url)) {
        Some(url) if access.endpoint_url.is_none() => {
            Err(ConfigError::of_one("the profile's endpoint_url", url, A_URL).into())
        }
        _ => Ok(()),
    }
}

/// Whether a request found nothing where it looked.
pub(crate) fn is_absent(error: &CallError) -> bool {
    error.class() == ErrorClass::Absent
}
