//! Every sample in `events/` is read as what it is.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use shared::drain::facts::departure::Destination;
use shared::ids::{ClusterName, Home};
use shared::notice::{Notice, NoticeError, Payload, read, read_body};

/// The meaning of a sample, in a word.
fn said(payload: Value) -> &'static str {
    let home = Home { account: "123456789012".into(), region: "us-west-2".into() };
    let notice = match Payload::read(payload).unwrap() {
        Payload::Bare(event) => read(&event, Some(&home)),
        Payload::Batch(messages) => read_body(&messages[0].body, Some(&home)),
    };
    match notice {
        Ok(Notice::Terminating(it)) => {
            assert_eq!((it.instance.as_str(), it.group.as_str()), ("i-1234567890abcdef0", "my-asg"));
            assert_eq!(it.hook.as_str(), "ecs-drainer");
            // By EventBridge the metadata are an object, by the hook's own notification text.
            assert_eq!(it.cluster.as_ref().map(ClusterName::as_str), Some("prod"));
            match it.to {
                Destination::Ec2 => "terminating",
                Destination::WarmPool => "terminating, to a warm pool",
                Destination::AutoScalingGroup => "terminating, for a new root volume",
            }
        }
        Ok(Notice::SpotInterruption(it)) => {
            assert_eq!(it.instance.as_str(), "i-1234567890abcdef0");
            if it.hibernates { "interrupted, hibernates" } else { "interrupted" }
        }
        Ok(Notice::RebalanceRecommendation(instance)) => {
            assert_eq!(instance.as_str(), "i-1234567890abcdef0");
            "may be interrupted"
        }
        Ok(Notice::Nothing { .. }) => "nothing",
        Err(NoticeError::Unknown(_)) => "unknown",
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn every_sample_is_read_as_what_it_is() {
    let expected = BTreeMap::from([
        ("hook-notification-in-sns.json", "terminating"),
        ("hook-notification.json", "terminating"),
        ("hook-test-notification.json", "nothing"),
        ("instance-launch-successful.json", "unknown"),
        ("instance-launch.json", "unknown"),
        ("instance-replace-root-volume.json", "terminating, for a new root volume"),
        ("instance-terminate-warm-pool.json", "terminating, to a warm pool"),
        ("instance-terminate.json", "terminating"),
        ("rebalance-recommendation.json", "may be interrupted"),
        ("spot-hibernation-warning.json", "interrupted, hibernates"),
        ("spot-interruption-warning.json", "interrupted"),
        ("spot-sqs-batch.json", "interrupted"),
        ("sqs-batch.json", "terminating"),
    ]);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("events");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let read = files.map(|path| {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, said(serde_json::from_str(&text).unwrap()))
    });
    let expected: BTreeMap<_, _> = expected.into_iter().map(|(name, kind)| (name.to_owned(), kind)).collect();
    assert_eq!(read.collect::<BTreeMap<_, _>>(), expected);
}
