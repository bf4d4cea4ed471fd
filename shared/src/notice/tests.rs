//! Every event shape, and what is no event.

use serde_json::json;

use super::*;

fn home() -> Home {
    Home { account: "123456789012".into(), region: "us-west-2".into() }
}

fn event() -> Value {
    json!({
        "version": "0", "id": "1", "detail-type": "EC2 Instance-terminate Lifecycle Action",
        "source": "aws.autoscaling", "account": "123456789012", "time": "2026-01-15T20:06:18Z", "region": "us-west-2",
        "resources": [], "something-new": {"a": 1},
        "detail": notification(),
    })
}

fn notification() -> Value {
    json!({
        "AccountId": "123456789012", "LifecycleHookName": "ecs-drainer", "AutoScalingGroupName": "my-asg", "NewField": 7,
        "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING", "EC2InstanceId": "i-1234567890abcdef0",
        "LifecycleActionToken": "cb9ee8b7-5fb5-4a69-8e54-1d1d8f7a5a63", "Time": "2026-01-15T20:06:18Z",
    })
}

fn terminating() -> Notice {
    Notice::Terminating(Terminating {
        instance: InstanceId::parse("i-1234567890abcdef0").unwrap(),
        group: "my-asg".into(),
        hook: "ecs-drainer".into(),
        to: Destination::Ec2,
        cluster: None,
        noticed_at: "2026-01-15T20:06:18Z".parse().ok(),
    })
}

fn why(notice: Notice) -> String {
    match notice {
        Notice::Nothing { why, .. } => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_envelope_says_the_same() {
    let in_sns = json!({"Type": "Notification", "TopicArn": "arn:aws:sns:us-west-2:123456789012:t", "Message": notification().to_string()});
    let in_lambda_sns = json!({"Records": [{"EventSource": "aws:sns", "Sns": in_sns}]});
    let event_in_sns = json!({"Type": "Notification", "TopicArn": "t", "Message": event().to_string()});
    for shape in [event(), notification(), in_sns, in_lambda_sns, event_in_sns] {
        assert_eq!(read(&shape, Some(&home())), Ok(terminating()), "{shape}");
        assert_eq!(read_body(&shape.to_string(), None), Ok(terminating()), "{shape}");
    }
}

#[test]
fn a_batch_keeps_each_message_with_its_id() {
    let batch = json!({"Records": [{"messageId": "a", "body": "{}", "eventSource": "aws:sqs"}, {"messageId": "b", "body": "no", "eventSource": "aws:sqs"}]});
    let Ok(Payload::Batch(messages)) = Payload::read(batch) else { panic!("a batch") };
    assert_eq!(
        messages.iter().map(|m| (m.id.as_str(), m.body.as_str())).collect::<Vec<_>>(),
        [("a", "{}"), ("b", "no")]
    );
    let nameless = json!({"Records": [{"body": "{}", "eventSource": "aws:sqs"}]});
    assert_eq!(Payload::read(nameless).unwrap_err().kind(), "UnreadableEvent");
    assert_eq!(Payload::read(event()), Ok(Payload::Bare(event())));
}

#[test]
fn the_hooks_metadata_says_where_to_look_first_and_may_be_anything() {
    let cluster = |metadata: Value| {
        let mut event = event();
        event["detail"]["NotificationMetadata"] = metadata;
        let Ok(Notice::Terminating(notice)) = read(&event, None) else { panic!("{event}") };
        notice.cluster
    };
    for metadata in [json!(r#"{"cluster":"prod"}"#), json!({"cluster": "prod"})] {
        assert_eq!(cluster(metadata), ClusterName::parse("prod"));
    }
    for other in [json!("prod"), json!(r#"{"cluster":7}"#), json!({"cluster": [1]}), Value::Null, json!(7)] {
        assert_eq!(cluster(other.clone()), None, "{other}");
    }
}

#[test]
fn where_the_instance_goes_is_told_apart() {
    let to = |action: &str, destination: &str| {
        let mut event = event();
        event["detail"]["Action"] = json!(action);
        event["detail"]["Destination"] = json!(destination);
        let Ok(Notice::Terminating(notice)) = read(&event, None) else { panic!("{event}") };
        notice.to
    };
    assert_eq!(to("Terminate", "EC2"), Destination::Ec2);
    assert_eq!(to("Terminate", "WarmPool"), Destination::WarmPool);
    assert_eq!(to("ReplaceRootVolume", "AutoScalingGroup"), Destination::AutoScalingGroup);
    assert_eq!(to("SomethingNew", "Elsewhere"), Destination::Ec2, "what AWS adds terminates, as far as can be told");
}

#[test]
fn nobody_elses_business_an_event_of_another_account_or_region_is_ignored() {
    let mut account = event();
    account["account"] = json!("999999999999");
    assert!(why(read(&account, Some(&home())).unwrap()).contains("another account"));
    assert_eq!(read(&account, None), Ok(terminating()), "without a home every account is ours");
    let mut region = event();
    region["region"] = json!("eu-west-1");
    assert!(why(read(&region, Some(&home())).unwrap()).contains("another region"));
    let mut launch = notification();
    launch["LifecycleTransition"] = json!(LAUNCHING);
    assert!(why(read(&launch, Some(&home())).unwrap()).contains("launch"));
    let test = json!({"Event": TEST, "AccountId": "123456789012", "AutoScalingGroupName": "my-asg"});
    assert!(why(read(&test, Some(&home())).unwrap()).contains("test notification"));
}

#[test]
fn every_error_has_a_stable_kind() {
    let mut quoted = event();
    quoted["detail"]["EC2InstanceId"] = json!("i-1234abcd'] or ['");
    let mut transition = event();
    transition["detail"]["LifecycleTransition"] = json!("autoscaling:NEW");
    let mut no_detail = event();
    no_detail["detail"] = json!(7);
    let other = json!({"detail-type": "EC2 Instance Launch Successful", "source": "aws.autoscaling", "time": "yyyy-mm-ddThh:mm:ssZ"});
    for (event, kind) in [
        (json!(null), "UnreadableEvent"),
        (json!(7), "UnreadableEvent"),
        (json!("x"), "UnreadableEvent"),
        (json!([]), "UnreadableEvent"),
        (json!({}), "UnknownEvent"),
        (other, "UnknownEvent"),
        (quoted, "InvalidEvent"),
        (transition, "InvalidEvent"),
        (no_detail, "UnreadableEvent"),
    ] {
        assert_eq!(read(&event, None).map_err(|e| e.kind()), Err(kind), "{event}");
    }
    assert_eq!(read_body("{", None).unwrap_err().kind(), "UnreadableEvent");
}

fn spot(action: &str) -> Value {
    json!({
        "version": "0", "id": "1", "detail-type": SPOT_INTERRUPTION, "source": "aws.ec2", "account": "123456789012",
        "time": "2026-01-15T20:06:18Z", "region": "us-west-2",
        "resources": ["arn:aws:ec2:us-west-2b:123456789012:instance/i-0badbadbadbadbad0"],
        "detail": {"instance-id": "i-1234567890abcdef0", "instance-action": action},
    })
}

#[test]
fn a_spot_notice_names_an_instance_and_a_time_and_whether_it_hibernates() {
    let notice = |hibernates| {
        Ok(Notice::SpotInterruption(SpotInterruption {
            instance: InstanceId::parse("i-1234567890abcdef0").unwrap(),
            noticed_at: "2026-01-15T20:06:18Z".parse().unwrap(),
            hibernates,
        }))
    };
    for (action, hibernates) in [("terminate", false), ("stop", false), ("hibernate", true), ("new", false)] {
        assert_eq!(read(&spot(action), Some(&home())), notice(hibernates), "{action}");
    }
    let mut recommendation = spot("terminate");
    recommendation["detail-type"] = json!(REBALANCE_RECOMMENDATION);
    recommendation["detail"] = json!({"instance-id": "i-1234567890abcdef0"});
    let instance = InstanceId::parse("i-1234567890abcdef0").unwrap();
    assert_eq!(read(&recommendation, Some(&home())), Ok(Notice::RebalanceRecommendation(instance)));
}

#[test]
fn a_spot_notice_may_be_elsewheres_or_wrong() {
    let with = |path: &str, value: Value| {
        let mut event = spot("terminate");
        *event.pointer_mut(path).unwrap() = value;
        read(&event, Some(&home()))
    };
    assert!(why(with("/account", json!("999999999999")).unwrap()).contains("another account"));
    assert!(why(with("/region", json!("eu-west-1")).unwrap()).contains("another region"));
    for (path, value, kind) in [
        ("/time", json!("yyyy-mm-ddThh:mm:ssZ"), "InvalidEvent"),
        ("/time", json!(null), "InvalidEvent"),
        ("/detail/instance-id", json!("i-1234abcd'] or ['"), "InvalidEvent"),
        ("/detail", json!({}), "UnreadableEvent"),
        ("/source", json!("mine"), "UnknownEvent"),
    ] {
        assert_eq!(with(path, value.clone()).map_err(|e| e.kind()), Err(kind), "{path} {value}");
    }
}
