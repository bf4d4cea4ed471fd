//! Every event shape that can wake us, and what it says, validated.
//!
//! One [`Payload`] is one invocation's input: a bare event, or an SQS batch whose bodies are events. [`read`] makes a
//! [`Notice`] of one event. Unknown extra fields are tolerated everywhere; ids are checked before anything uses them.

use aws_lambda_events::event::eventbridge::EventBridgeEvent;
use aws_lambda_events::event::sqs::SqsMessage;
use jiff::Timestamp;
use lambda_runtime::Diagnostic;
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use crate::config::Overrides;
use crate::drain::facts::departure::Destination;
use crate::ids::{ClusterName, GroupName, Home, HookName, InstanceId};

/// What Auto Scaling calls the end of an instance's life (Auto Scaling user guide, lifecycle hook notifications).
const TERMINATING: &str = "autoscaling:EC2_INSTANCE_TERMINATING";
const LAUNCHING: &str = "autoscaling:EC2_INSTANCE_LAUNCHING";
const TEST: &str = "autoscaling:TEST_NOTIFICATION";
/// The `detail-type` of events that we serve (Auto Scaling and EC2 user guides, EventBridge events).
const LIFECYCLE_ACTION: &str = "EC2 Instance-terminate Lifecycle Action";
const SPOT_INTERRUPTION: &str = "EC2 Spot Instance Interruption Warning";
const REBALANCE_RECOMMENDATION: &str = "EC2 Instance Rebalance Recommendation";
/// Which receive of an SQS message this is (SQS API reference, ReceiveMessage).
const RECEIVE_COUNT: &str = "ApproximateReceiveCount";
/// When it was sent, in milliseconds since 1970 (likewise).
const SENT_AT: &str = "SentTimestamp";
const INSTANCE_ID: &str = "i- and 8 or 17 hex digits";

/// One invocation's input.
#[derive(Debug, Clone, PartialEq)]
pub enum Payload {
    /// An event by itself: EventBridge straight to Lambda, or `cargo lambda invoke`.
    Bare(Value),
    /// An SQS batch: each message's id, and its body as it came.
    Batch(Vec<Message>),
}

/// One message of an SQS batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The id that a failure of this message is reported by.
    pub id: String,
    /// Should be an event's JSON.
    pub body: String,
    /// Whether it was received before.
    pub comes_again: bool,
    /// When the queue got it, where it says.
    pub sent_at: Option<Timestamp>,
}

/// What an event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Auto Scaling is about to terminate an instance and waits on a lifecycle hook.
    Terminating(Terminating),
    /// EC2 is about to interrupt a Spot instance.
    SpotInterruption(SpotInterruption),
    /// EC2 finds a Spot instance likely to be interrupted.
    RebalanceRecommendation(InstanceId),
    /// An event that asks for no drain, and is no error.
    Nothing {
        /// The instance it names, if it names one.
        instance: Option<InstanceId>,
        /// Why nothing is to be done.
        why: String,
    },
}

/// The `EC2 Instance-terminate Lifecycle Action`, in whichever envelope it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terminating {
    /// The instance about to leave.
    pub instance: InstanceId,
    /// Its Auto Scaling group.
    pub group: GroupName,
    /// The hook that this notice is about.
    pub hook: HookName,
    /// Where the instance goes then.
    pub to: Destination,
    /// The cluster that the hook's NotificationMetadata names.
    pub cluster: Option<ClusterName>,
    /// When the notice was given, where it says.
    pub noticed_at: Option<Timestamp>,
}

/// The `EC2 Spot Instance Interruption Warning`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpotInterruption {
    /// The instance about to leave.
    pub instance: InstanceId,
    /// When the notice was given, to the second.
    pub noticed_at: Timestamp,
    /// Whether it hibernates, which begins with the notice, instead of being stopped or terminated two minutes after it.
    pub hibernates: bool,
}

impl Notice {
    /// The error for a function that this notice is not for: a rule or a queue is wired to the wrong one.
    #[must_use]
    pub fn misdirected(&self) -> NoticeError {
        let what = match self {
            Self::Terminating(_) => "a lifecycle action",
            Self::SpotInterruption(_) => "a Spot interruption warning",
            Self::RebalanceRecommendation(_) => "a rebalance recommendation",
            Self::Nothing { .. } => "a notice of nothing",
        };
        NoticeError::Unknown(format!("{what} is another function's"))
    }
}

/// Why a payload says nothing we can act on. [`NoticeError::kind`] is the stable `errorType` of the Lambda error.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum NoticeError {
    /// Not an event of any shape.
    #[error("unreadable event: {0}")]
    Unreadable(String),
    /// An event, of a kind this function does not serve.
    #[error("unknown event: {0}")]
    Unknown(String),
    /// An event of a kind we serve with a field that cannot be what AWS sends.
    #[error("invalid event: {field} is {value:?}, not {expected}")]
    Invalid {
        /// The field's path.
        field: &'static str,
        /// What stood there, shortened.
        value: String,
        /// What may stand there.
        expected: &'static str,
    },
}

impl NoticeError {
    /// The stable name for alarms and filters.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "UnreadableEvent",
            Self::Unknown(_) => "UnknownEvent",
            Self::Invalid { .. } => "InvalidEvent",
        }
    }
}

impl From<NoticeError> for Diagnostic {
    fn from(error: NoticeError) -> Self {
        Self { error_type: error.kind().to_owned(), error_message: error.to_string() }
    }
}

impl Payload {
    /// Tells a batch from a bare event.
    ///
    /// # Errors
    /// [`NoticeError::Unreadable`] for an SQS batch without what every message of one has.
    pub fn read(payload: Value) -> Result<Self, NoticeError> {
        let Some(records) = sqs_records(&payload) else { return Ok(Self::Bare(payload)) };
        let messages = Vec::<SqsMessage>::deserialize(records).map_err(|e| NoticeError::Unreadable(e.to_string()))?;
        let messages = messages.into_iter().map(|record| {
            let id = record.message_id.filter(|id| !id.is_empty());
            let id = id.ok_or_else(|| NoticeError::Unreadable("an SQS message without a messageId".into()))?;
            let comes_again = record.attributes.get(RECEIVE_COUNT).is_some_and(|count| count != "1");
            let sent_at =
                record.attributes.get(SENT_AT).and_then(|ms| Timestamp::from_millisecond(ms.parse().ok()?).ok());
            Ok(Message { id, body: record.body.unwrap_or_default(), comes_again, sent_at })
        });
        Ok(Self::Batch(messages.collect::<Result<_, _>>()?))
    }
}

/// The messages, as Lambda hands over a batch, or as EventBridge Pipes does: in a bare list, which is never empty. Both take
/// the same answer (EventBridge user guide, Pipes batching and concurrency).
fn sqs_records(payload: &Value) -> Option<&Value> {
    let records = if payload.is_array() { payload } else { payload.get("Records")? };
    let messages = records.as_array()?;
    let of_sqs = messages.iter().all(|message| message.get("eventSource") == Some(&Value::from("aws:sqs")));
    (of_sqs && !(payload.is_array() && messages.is_empty())).then_some(records)
}

/// Reads text as JSON. A byte order mark before it says nothing (RFC 8259, section 8.1, lets a reader ignore it).
///
/// # Errors
/// [`NoticeError::Unreadable`] for what is none, is too deep or holds what has no value, such as `1e999`.
pub fn json(text: &str) -> Result<Value, NoticeError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    serde_json::from_str(text).map_err(|e| NoticeError::Unreadable(format!("it cannot be read as JSON: {e}")))
}

/// Reads the body of one message.
///
/// # Errors
/// As [`json`] and [`read`].
pub fn read_body(body: &str, home: Option<&Home>) -> Result<Notice, NoticeError> {
    read(&json(body)?, home)
}

/// Reads one event: an EventBridge event, a lifecycle hook's own notification, or either inside an SNS envelope.
///
/// Without a `home` (a local emulator does not tell) every account and region counts as ours.
///
/// # Errors
/// When it is no event, none that we serve, or one whose ids are not what AWS sends.
pub fn read(event: &Value, home: Option<&Home>) -> Result<Notice, NoticeError> {
    match sns_message(event) {
        Some(message) => read_unwrapped(&json(message)?, home),
        None => read_unwrapped(event, home),
    }
}

/// The message inside an SNS envelope: as SNS puts it into a queue, or hands it to a function.
fn sns_message(event: &Value) -> Option<&str> {
    let envelope = event.pointer("/Records/0/Sns").unwrap_or(event);
    envelope.get("TopicArn")?;
    envelope.get("Message")?.as_str()
}

fn read_unwrapped(event: &Value, home: Option<&Home>) -> Result<Notice, NoticeError> {
    if !event.is_object() {
        return Err(NoticeError::Unreadable(format!(
            "a JSON object is expected, not {}",
            shortened(&event.to_string())
        )));
    }
    if event.get("detail-type").is_some() {
        return read_eventbridge(event, home);
    }
    if event.get("Event") == Some(&Value::from(TEST)) {
        let why = "the test notification that Auto Scaling sends when a hook is made".to_owned();
        return Ok(Notice::Nothing { instance: None, why });
    }
    if event.get("LifecycleTransition").is_some() {
        let account = event.get("AccountId").and_then(Value::as_str);
        let noticed_at = event.get("Time").and_then(Value::as_str).and_then(|text| text.parse().ok());
        return read_lifecycle(event, noticed_at, account, None, home);
    }
    Err(NoticeError::Unknown("neither an EventBridge event nor a lifecycle hook's notification".into()))
}

fn read_eventbridge(event: &Value, home: Option<&Home>) -> Result<Notice, NoticeError> {
    // The kind of event is read first: an event that asks for no drain may have any shape.
    let text = |field: &str| event.get(field).and_then(Value::as_str).unwrap_or_default();
    match (text("source"), text("detail-type")) {
        ("aws.autoscaling", LIFECYCLE_ACTION) => {
            let event = envelope(event)?;
            let noticed_at = text("time").parse().ok();
            read_lifecycle(&event.detail, noticed_at, event.account.as_deref(), event.region.as_deref(), home)
        }
        ("aws.ec2", SPOT_INTERRUPTION | REBALANCE_RECOMMENDATION) => read_spot(event, home),
        (source, kind) => Err(NoticeError::Unknown(format!("{:?} from {:?}", shortened(kind), shortened(source)))),
    }
}

fn envelope(event: &Value) -> Result<EventBridgeEvent, NoticeError> {
    EventBridgeEvent::deserialize(event).map_err(|e| NoticeError::Unreadable(e.to_string()))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LifecycleDetail {
    #[serde(rename = "EC2InstanceId")]
    ec2_instance_id: String,
    auto_scaling_group_name: String,
    lifecycle_hook_name: String,
    lifecycle_transition: String,
    #[serde(default)]
    destination: Option<String>,
    #[serde(default)]
    action: Option<String>,
    /// Anything: it is the operator's, and only a hint. By EventBridge an object, where it is JSON; elsewhere a string.
    #[serde(default)]
    notification_metadata: Value,
}

fn read_lifecycle(
    detail: &Value,
    noticed_at: Option<Timestamp>,
    account: Option<&str>,
    region: Option<&str>,
    home: Option<&Home>,
) -> Result<Notice, NoticeError> {
    let detail = LifecycleDetail::deserialize(detail).map_err(|e| NoticeError::Unreadable(e.to_string()))?;
    let instance = checked(InstanceId::parse, &detail.ec2_instance_id, "EC2InstanceId", INSTANCE_ID)?;
    let group = checked(GroupName::parse, &detail.auto_scaling_group_name, "AutoScalingGroupName", "a group's name")?;
    let hook = checked(HookName::parse, &detail.lifecycle_hook_name, "LifecycleHookName", "a hook's name")?;

    if let Some(why) = elsewhere(account, region, home) {
        return Ok(Notice::Nothing { instance: Some(instance), why });
    }
    match detail.lifecycle_transition.as_str() {
        TERMINATING => Ok(Notice::Terminating(Terminating {
            instance,
            group,
            hook,
            to: destination(&detail),
            cluster: Overrides::of(&detail.notification_metadata).cluster,
            noticed_at,
        })),
        LAUNCHING => Ok(Notice::Nothing { instance: Some(instance), why: "a launch, not a termination".into() }),
        other => {
            Err(NoticeError::Invalid { field: "LifecycleTransition", value: shortened(other), expected: TERMINATING })
        }
    }
}

/// A new root volume is the action, and brings the instance back to its group (Auto Scaling user guide, instance refresh).
fn destination(detail: &LifecycleDetail) -> Destination {
    match (detail.action.as_deref(), detail.destination.as_deref()) {
        (Some("ReplaceRootVolume"), _) | (_, Some("AutoScalingGroup")) => Destination::AutoScalingGroup,
        (_, Some("WarmPool")) => Destination::WarmPool,
        _ => Destination::Ec2,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct SpotDetail {
    instance_id: String,
    #[serde(default)]
    instance_action: Option<String>,
}

/// `resources` may hold an Availability Zone where the region belongs, and is not read.
fn read_spot(event: &Value, home: Option<&Home>) -> Result<Notice, NoticeError> {
    let text = |field: &str| event.get(field).and_then(Value::as_str).unwrap_or_default();
    let noticed_at = checked(|text| text.parse::<Timestamp>().ok(), text("time"), "time", "a time as in RFC 3339")?;
    let interruption = text("detail-type") == SPOT_INTERRUPTION;
    let event = envelope(event)?;
    let detail = SpotDetail::deserialize(&event.detail).map_err(|e| NoticeError::Unreadable(e.to_string()))?;
    let instance = checked(InstanceId::parse, &detail.instance_id, "detail.instance-id", INSTANCE_ID)?;
    if let Some(why) = elsewhere(event.account.as_deref(), event.region.as_deref(), home) {
        return Ok(Notice::Nothing { instance: Some(instance), why });
    }
    if !interruption {
        return Ok(Notice::RebalanceRecommendation(instance));
    }
    // An action that EC2 may add to terminate, stop and hibernate takes the instance, too, as far as is known.
    let hibernates = detail.instance_action.as_deref() == Some("hibernate");
    Ok(Notice::SpotInterruption(SpotInterruption { instance, noticed_at, hibernates }))
}

/// Why the event is another account's or region's; a notification that names neither is taken as ours.
fn elsewhere(account: Option<&str>, region: Option<&str>, home: Option<&Home>) -> Option<String> {
    let home = home?;
    match (account, region) {
        (Some(account), _) if account != home.account => Some(format!("of another account, {}", shortened(account))),
        (_, Some(region)) if region != home.region => Some(format!("of another region, {}", shortened(region))),
        _ => None,
    }
}

fn checked<T>(
    parse: fn(&str) -> Option<T>,
    text: &str,
    field: &'static str,
    expected: &'static str,
) -> Result<T, NoticeError> {
    parse(text).ok_or_else(|| NoticeError::Invalid { field, value: shortened(text), expected })
}

/// Keeps text that the drainer did not write from filling the log.
fn shortened(text: &str) -> String {
    const KEPT: usize = 80;
    let mut short: String = text.chars().take(KEPT).collect();
    if text.chars().nth(KEPT).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests;
