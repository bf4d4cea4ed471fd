//! The event that is fed to the function, and the hosts that it names.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use serde_json::Value;
use simulator::scenario::{Departure, Leaving, Parameters};

/// So many hosts can go away in one demo: as many as an SQS batch has messages by default.
const MAX_LEAVING: usize = 10;

/// The notice of an interruption.
const INTERRUPTION: &str = "EC2 Spot Instance Interruption Warning";

/// Auto Scaling's names are at most this long.
// Auto Scaling API reference, CreateAutoScalingGroup.
const MAX_NAME: usize = 255;

/// An SNS message inside an SQS message is as deep as AWS nests what people wire together.
const MAX_DEPTH: usize = 3;

/// Why there is no event. Told with exit status 2, as wrong arguments are.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EventError {
    #[error("cannot read {}: {source}", file.display())]
    Unreadable { file: PathBuf, source: io::Error },
    #[error("{} is not JSON: {source}", file.display())]
    NotJson { file: PathBuf, source: serde_json::Error },
    #[error("{} names {count} hosts; the demo has room for {MAX_LEAVING}", file.display())]
    TooMany { file: PathBuf, count: usize },
}

/// What the demo makes of an event.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) payload: Value,
    /// The world it belongs in.
    pub(crate) parameters: Parameters,
    /// Whether it says that the hosts which go away do so.
    pub(crate) names_hosts: bool,
    /// Whether it is one for the function that serves Spot, whatever it says.
    pub(crate) of_spot: bool,
}

impl Event {
    /// Sets the time of every event in it: now, or `age` ago where it is of Spot. What is no time stays.
    pub(crate) fn noticed(mut self, now: Timestamp, age: Duration) -> Event {
        each_event(&mut self.payload, MAX_DEPTH, &mut |event| {
            let time = if is_of_spot(event) { now - age } else { now };
            // EventBridge's, and that of a hook's own notification.
            for name in ["time", "Time"] {
                if text(event, name).is_some_and(|time| time.parse::<Timestamp>().is_ok()) {
                    event[name] = time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into();
                }
            }
        });
        self
    }
}

/// Reads a file.
pub(crate) fn read(file: &Path) -> Result<Event, EventError> {
    let text = std::fs::read(file).map_err(|source| EventError::Unreadable { file: file.to_owned(), source })?;
    let payload =
        serde_json::from_slice(&text).map_err(|source| EventError::NotJson { file: file.to_owned(), source })?;
    let event = understood(payload);
    let count = event.parameters.leaving.len();
    if count > MAX_LEAVING {
        return Err(EventError::TooMany { file: file.to_owned(), count });
    }
    Ok(event)
}

fn understood(mut payload: Value) -> Event {
    let (mut notices, mut of_spot) = (Vec::new(), false);
    each_event(&mut payload, MAX_DEPTH, &mut |event| {
        of_spot |= is_of_spot(event);
        notices.extend(notice(event));
    });
    let mut parameters = Parameters::default();
    let names_hosts = !notices.is_empty();
    if let Some(first) = notices.first().cloned() {
        // What the others say of another account or region is nothing that this world has.
        notices.retain(|notice| {
            (&notice.account, &notice.region, notice.departure) == (&first.account, &first.region, first.departure)
        });
        parameters.departure = first.departure;
        parameters.leaving.clear();
        for notice in notices {
            let known = parameters.leaving.iter().any(|host| host.instance_id == notice.leaving.instance_id);
            if !known {
                parameters.leaving.push(notice.leaving);
            }
        }
        parameters.account = first.account.unwrap_or(parameters.account);
        parameters.region = first.region.unwrap_or(parameters.region);
    }
    Event { payload, parameters, names_hosts, of_spot }
}

/// A readable notice of a host's end.
#[derive(Debug, Clone)]
struct Notice {
    account: Option<String>,
    region: Option<String>,
    leaving: Leaving,
    departure: Departure,
}

/// Shows every event, whatever it is wrapped in, and keeps what is made of it.
fn each_event(event: &mut Value, depth: usize, see: &mut impl FnMut(&mut Value)) {
    if depth == 0 {
        return;
    }
    if let Some(records) = event.get_mut("Records").and_then(Value::as_array_mut) {
        for record in records {
            if record.get("Sns").is_some() {
                each_event(&mut record["Sns"], depth, see);
            } else if let Some(body) = record.get_mut("body") {
                each_in_text(body, depth, see);
            }
        }
    } else if event.get("TopicArn").is_some() {
        if let Some(message) = event.get_mut("Message") {
            each_in_text(message, depth, see);
        }
    } else {
        see(event);
    }
}

fn each_in_text(text: &mut Value, depth: usize, see: &mut impl FnMut(&mut Value)) {
    let Some(Ok(mut event)) = text.as_str().map(serde_json::from_str::<Value>) else { return };
    let before = event.clone();
    each_event(&mut event, depth - 1, see);
    if event != before {
        *text = event.to_string().into();
    }
}

fn is_of_spot(event: &Value) -> bool {
    matches!(text(event, "detail-type"), Some(INTERRUPTION | "EC2 Instance Rebalance Recommendation"))
}

fn notice(event: &Value) -> Option<Notice> {
    let (departure, leaving) = match text(event, "detail-type") {
        Some(INTERRUPTION) => (Departure::SpotInterruption, interrupted(event.get("detail")?)?),
        Some("EC2 Instance-terminate Lifecycle Action") => (Departure::ScaleIn, terminating(event.get("detail")?)?),
        Some(_) => return None,
        // The hook's own notification has the detail's members at its top.
        None => (Departure::ScaleIn, terminating(event)?),
    };
    let account = text(event, "account").or_else(|| text(event, "AccountId")).filter(|account| is_account(account));
    let region = text(event, "region").filter(|region| is_region(region));
    Some(Notice { account: account.map(str::to_owned), region: region.map(str::to_owned), leaving, departure })
}

// Auto Scaling user guide, lifecycle hook notifications.
fn terminating(detail: &Value) -> Option<Leaving> {
    if text(detail, "LifecycleTransition")? != "autoscaling:EC2_INSTANCE_TERMINATING" {
        return None;
    }
    let instance_id = text(detail, "EC2InstanceId").filter(|id| is_instance_id(id))?;
    let group = text(detail, "AutoScalingGroupName").filter(|name| is_name(name))?;
    Some(Leaving { instance_id: instance_id.to_owned(), group: group.to_owned() })
}

// EC2 user guide, Spot interruption notices. One that hibernates does not go away.
fn interrupted(detail: &Value) -> Option<Leaving> {
    if text(detail, "instance-action") == Some("hibernate") {
        return None;
    }
    let instance_id = text(detail, "instance-id").filter(|id| is_instance_id(id))?;
    Some(Leaving { instance_id: instance_id.to_owned(), ..Leaving::default() })
}

fn text<'a>(value: &'a Value, member: &str) -> Option<&'a str> {
    value.get(member)?.as_str()
}

fn is_instance_id(text: &str) -> bool {
    let digits = text.strip_prefix("i-").unwrap_or_default();
    matches!(digits.len(), 8 | 17) && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= MAX_NAME && !text.chars().any(char::is_control)
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_region(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use simulator::lambda::sqs_batch;

    use super::*;

    fn event(instance_id: &str) -> Value {
        json!({
            "detail-type": "EC2 Instance-terminate Lifecycle Action", "source": "aws.autoscaling",
            "account": "999999999999", "region": "eu-central-1",
            "detail": notification(instance_id),
        })
    }

    fn notification(instance_id: &str) -> Value {
        json!({
            "AccountId": "999999999999", "AutoScalingGroupName": "blue", "LifecycleHookName": "any",
            "EC2InstanceId": instance_id, "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
        })
    }

    fn ids(event: &Event) -> Vec<&str> {
        event.parameters.leaving.iter().map(|host| host.instance_id.as_str()).collect()
    }

    #[test]
    fn the_world_takes_over_what_a_notice_names_in_whatever_it_is_wrapped() {
        let in_sns = json!({"TopicArn": "t", "Message": event("i-11111111").to_string()});
        let in_sns_to_lambda = json!({"Records": [{"EventSource": "aws:sns", "Sns": in_sns}]});
        let in_sqs = sqs_batch([event("i-11111111").to_string()]);
        let in_sns_in_sqs = sqs_batch([in_sns.to_string()]);
        for payload in [event("i-11111111"), in_sns, in_sns_to_lambda, in_sqs, in_sns_in_sqs] {
            let event = understood(payload);
            let Parameters { account, region, leaving, .. } = &event.parameters;
            assert_eq!((account.as_str(), region.as_str()), ("999999999999", "eu-central-1"));
            assert_eq!(leaving, &[Leaving { instance_id: "i-11111111".into(), group: "blue".into() }]);
            assert!(event.names_hosts);
        }
    }

    #[test]
    fn a_notification_without_a_region_is_of_the_usual_one() {
        let event = understood(notification("i-11111111"));
        assert_eq!(event.parameters.account, "999999999999");
        assert_eq!(event.parameters.region, "us-west-2");
    }

    #[test]
    fn a_batch_names_each_host_once_and_only_those_of_one_account() {
        let mut foreign = event("i-33333333");
        foreign["account"] = json!("111111111111");
        let bodies = [event("i-11111111"), event("i-22222222"), event("i-11111111"), foreign];
        let batch = sqs_batch(bodies.map(|body| body.to_string()).into_iter().chain(["no JSON".to_owned()]));
        assert_eq!(ids(&understood(batch)), ["i-11111111", "i-22222222"]);
    }

    #[test]
    fn what_names_no_host_leaves_the_usual_world() {
        let mut launch = event("i-11111111");
        launch["detail"]["LifecycleTransition"] = json!("autoscaling:EC2_INSTANCE_LAUNCHING");
        let other = json!({"detail-type": "EC2 Instance Launch Successful", "detail": {"instance-id": "i-11111111"}});
        for payload in [launch, other, event("i-1'] or ["), json!({}), json!(null), json!([7]), json!({"Records": [7]})]
        {
            let event = understood(payload);
            assert!(!event.names_hosts);
            assert_eq!(event.parameters.leaving, [Leaving::default()]);
        }
    }

    fn spot(action: &str) -> Value {
        json!({
            "detail-type": INTERRUPTION, "source": "aws.ec2", "account": "999999999999", "region": "eu-central-1",
            "time": "2026-01-15T20:06:18Z", "detail": {"instance-id": "i-11111111", "instance-action": action},
        })
    }

    #[test]
    fn an_event_is_as_new_as_the_demo_and_a_spot_notice_as_old_as_it_says_in_whatever_they_are_wrapped() {
        let now: Timestamp = "2026-11-22T08:01:30.7Z".parse().unwrap();
        let noticed = |event: Value| understood(event).noticed(now, Duration::from_secs(90));
        let bare = noticed(spot("terminate"));
        assert_eq!((ids(&bare), bare.parameters.departure), (vec!["i-11111111"], Departure::SpotInterruption));
        assert_eq!(bare.payload["time"], "2026-11-22T08:00:00Z");
        let batch = noticed(sqs_batch([spot("stop").to_string(), "no JSON".to_owned()]));
        assert!(batch.names_hosts && batch.of_spot);
        let body = batch.payload["Records"][0]["body"].as_str().unwrap();
        assert!(body.contains("2026-11-22T08:00:00Z"), "{body}");
        assert_eq!(batch.payload["Records"][1]["body"], "no JSON");
        let mut timeless = spot("terminate");
        timeless["time"] = json!("yesterday");
        assert_eq!(noticed(timeless).payload["time"], "yesterday");

        for (name, mut termination) in [("time", event("i-11111111")), ("Time", notification("i-11111111"))] {
            assert!(noticed(termination.clone()).payload.get(name).is_none());
            termination[name] = json!("2026-01-15T20:06:18Z");
            let termination = noticed(termination);
            assert!(!termination.of_spot);
            assert_eq!(termination.payload[name], "2026-11-22T08:01:30Z");
        }
    }

    #[test]
    fn one_that_hibernates_goes_nowhere() {
        let event = understood(spot("hibernate"));
        assert!(event.of_spot && !event.names_hosts);
    }

    #[test]
    fn an_error_names_the_file_on_one_line() {
        let missing = read(Path::new("/nowhere/event.json")).unwrap_err().to_string();
        assert!(missing.starts_with("cannot read /nowhere/event.json: "), "{missing}");
        let file = std::env::temp_dir().join(format!("simulator-demo-{}.json", std::process::id()));
        std::fs::write(&file, "{ no").unwrap();
        let no_json = read(&file).unwrap_err().to_string();
        let hosts = (0..=MAX_LEAVING).map(|number| event(&format!("i-{number:08x}")).to_string());
        std::fs::write(&file, sqs_batch(hosts).to_string()).unwrap();
        let too_many = read(&file).unwrap_err().to_string();
        std::fs::remove_file(&file).unwrap();
        assert!(no_json.starts_with(&format!("{} is not JSON: ", file.display())), "{no_json}");
        assert!(!no_json.contains('\n'));
        assert!(too_many.ends_with("names 11 hosts; the demo has room for 10"), "{too_many}");
    }
}
