//! What the real binaries tell CloudWatch's metrics: lines in the embedded metric format, whatever level is logged.

use serde_json::Value;
use simulator::lambda::Function;
use simulator::world::{Fault, FaultKind, Operation};

use crate::support::{Stage, only, standalone, world};

fn published(function: &Function) -> Vec<Value> {
    let lines = function.log_lines().into_iter().filter_map(|line| serde_json::from_str::<Value>(&line).ok());
    lines.filter(|line| line.get("_aws").is_some()).collect()
}

/// Each metric that the directive names is a member of the line, and the dimension is one (CloudWatch user guide,
/// embedded metric format specification).
fn counts(line: &Value) -> Vec<(String, f64)> {
    let directive = &line["_aws"]["CloudWatchMetrics"][0];
    assert_eq!(
        (directive["Namespace"].as_str(), directive["Dimensions"][0][0].as_str()),
        (Some("EcsDrainer"), Some("Stack"))
    );
    assert_eq!(line["Stack"], "drainer-prod");
    assert!(line["_aws"]["Timestamp"].as_i64().is_some());
    let metrics = directive["Metrics"].as_array().unwrap().iter();
    let value = |metric: &Value| {
        let name = metric["Name"].as_str().unwrap();
        (name.to_owned(), line[name].as_f64().expect("a number"))
    };
    metrics.map(value).collect()
}

#[tokio::test]
async fn a_drain_past_its_deadline_is_published_at_any_level() {
    for level in ["INFO", "FATAL"] {
        let mut world = world();
        standalone(&mut world, None, 0.2);
        let stage = Stage::scaling_in(world);
        let variables = [
            ("DRAIN_TIMEOUT_SECONDS", "1"),
            ("ON_DRAIN_TIMEOUT", "proceed"),
            ("STACK_NAME", "drainer-prod"),
            ("AWS_LAMBDA_LOG_LEVEL", level),
        ];
        let function = stage.function(&variables);

        let drain = only(&function.invoke(&stage.event).await);

        assert_eq!(drain["outcome"], "timed-out", "{drain}");
        let [line] = <[Value; 1]>::try_from(published(&function)).expect("one line");
        assert_eq!(counts(&line), [("DrainsPastDeadline".to_owned(), 1.0)]);
        // Lambda drops what is below the level that is asked for, and JSON without one as soon as it is above INFO.
        assert_eq!((line["level"].as_str(), line["timestamp"].is_string()), (Some(level), true));
    }
}

#[tokio::test]
async fn an_instance_that_nobody_could_locate_is_published_and_one_that_drains_is_not() {
    let mut world = world();
    world.plan(Fault::times(Operation::ListContainerInstances, u32::MAX, FaultKind::AccessDenied));
    let stage = Stage::scaling_in(world);
    let function = stage.function(&[("POLL_FOR_SECONDS", "1"), ("STACK_NAME", "drainer-prod")]);

    let drain = only(&function.invoke(&stage.event).await);
    assert_eq!(drain["outcome"], "handed-over", "{drain}");
    let lines = published(&function);
    assert_eq!(lines.iter().flat_map(counts).collect::<Vec<_>>(), [("InstancesNeverLocated".to_owned(), 1.0)]);

    stage.simulator.world(simulator::world::World::forget_faults);
    let drain = only(&function.invoke(&stage.event).await);
    assert_eq!(drain["outcome"], "drained", "{drain}");
    assert_eq!(published(&function).len(), 1, "nothing new");
}
