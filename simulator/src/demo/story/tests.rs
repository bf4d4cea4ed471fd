use jiff::Timestamp;
use serde_json::json;
use simulator::{
    lambda,
    scenario::{self, LEAVING},
    world::{DesiredStatus, SpotAction},
};

use super::*;
use crate::{
    demo::summary::{Summary, summary},
    tell::History,
};

const START: Timestamp = Timestamp::UNIX_EPOCH;

/// More than either story takes.
const LONG: Duration = Duration::from_secs(60);

fn leaving() -> [String; 1] {
    [LEAVING.to_owned()]
}

fn scaled_in(heartbeat_timeout: Duration) -> (World, History) {
    let parameters = Parameters { heartbeat_timeout, ..Parameters::default() };
    let mut world = scenario::demo(START, &parameters).unwrap();
    let history = History::from_here(&world);
    world.scale_in(LEAVING, START).unwrap();
    (world, history)
}

/// Lets `step` happen in virtual time, after each look, until the story is over.
fn watched(world: &mut World, history: &mut History, drained: bool, step: impl Fn(&mut World)) -> Vec<String> {
    let mut lines = Vec::new();
    let mut now = START;
    while now < START + LONG {
        let news = history.news(world);
        let told = news.iter().flat_map(|news| told(news, world, &leaving()));
        lines.extend(told.map(|line| line.to_string()));
        if !drained && is_over(world, &leaving(), drained) {
            break;
        }
        step(world);
        now += Duration::from_millis(50);
        world.advance(now);
    }
    lines
}

fn ask(world: &mut World, request: impl Into<Request>) {
    let now = world.now();
    world.request(now, "test", request).answer.unwrap();
}

/// What the function does, with none of its care.
fn drain(world: &mut World) {
    let instance = world.registrations(LEAVING).next().cloned().unwrap();
    if instance.status == "ACTIVE" {
        let container_instances = vec![instance.arn];
        let (cluster, status) = (Some("prod".to_owned()), "DRAINING".to_owned());
        ask(world, EcsRequest::UpdateContainerInstancesState { cluster, container_instances, status });
    }
    if world.unstopped_on(LEAVING) == 0 && world.lifecycle_state(LEAVING) == Some("Terminating:Wait") {
        let request = AutoScalingRequest::CompleteLifecycleAction {
            group: "my-asg".to_owned(),
            hook: "ecs-drainer".to_owned(),
            instance_id: Some(LEAVING.to_owned()),
            token: None,
            result: "CONTINUE".to_owned(),
        };
        ask(world, request);
    }
}

/// Ids differ from seed to seed; what they stand in does not.
fn without_id(line: &str) -> String {
    let is_id = |word: &&str| word.len() == 6 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = line.split_whitespace().find(is_id);
    id.map_or_else(|| line.to_owned(), |id| line.replace(id, "<id..>"))
}

#[test]
fn a_drain_is_told_from_the_notice_to_the_end_of_the_host() {
    let (mut world, mut history) = scaled_in(Duration::from_secs(300));
    let lines = watched(&mut world, &mut history, true, drain);
    let lines: Vec<_> = lines.iter().map(|line| without_id(line)).collect();
    assert_eq!(
        lines,
        [
            "NOTICE        Auto Scaling is about to terminate i-1234567890abcdef0",
            "DRAINING      i-1234567890abcdef0: no new tasks, services move away",
            "REPLACEMENT   service web                <id..>  on i-0a1b2c3d4e5f60718",
            "RUNNING       service web                <id..>  on i-0a1b2c3d4e5f60718",
            "DEACTIVATING  service web                <id..>  leaves load balancer",
            "STOPPING      service web                <id..>  SIGTERM",
            "STOPPED       service web                <id..>  on i-1234567890abcdef0",
            "STOPPED       standalone nightly-report  <id..>  ended by itself",
            "STOPPING      daemon log-agent           <id..>  SIGTERM, as the last",
            "STOPPED       daemon log-agent           <id..>  on i-1234567890abcdef0",
            "COMPLETED     lifecycle action of i-1234567890abcdef0, 0 tasks running",
            "TERMINATED    i-1234567890abcdef0 is gone",
        ]
    );
    assert!(lines.iter().all(|line| line.len() <= 72), "with the time in front 80 columns");
    assert_eq!(progress(&world, &leaving()), (3, 3));

    let answer = lambda::Outcome::Answered(json!({"drains": []}));
    let Summary { lines, success, .. } = summary(&world, &leaving(), Some(&answer));
    assert!(success);
    assert!(lines.contains(&format!("{:<33}{:>4}", "AWS calls", 2)), "{lines:#?}");
    assert_eq!(lines.last().unwrap(), "Nothing was running when the host was released.");
}

#[test]
fn without_a_drainer_the_killed_tasks_are_told_and_counted() {
    let (mut world, mut history) = scaled_in(Duration::from_secs(3));
    let lines = watched(&mut world, &mut history, false, |_| {});
    let lines: Vec<_> = lines.iter().map(|line| without_id(line)).collect();
    let (before, killed) = lines.split_at(2);
    assert_eq!(
        before,
        [
            "NOTICE        Auto Scaling is about to terminate i-1234567890abcdef0",
            "TIMED OUT     lifecycle action of i-1234567890abcdef0, 3 tasks running",
        ]
    );
    let (killed, after) = killed.split_at(3);
    assert!(killed.iter().all(|line| line.starts_with("KILLED") && line.ends_with("while RUNNING")), "{killed:#?}");
    assert_eq!(
        after,
        [
            "TERMINATED    i-1234567890abcdef0 is gone",
            "REPLACEMENT   service web                <id..>  on i-0a1b2c3d4e5f60718",
            "RUNNING       service web                <id..>  on i-0a1b2c3d4e5f60718",
        ]
    );
    assert_eq!(progress(&world, &leaving()), (0, 3), "a killed task did not stop");

    let Summary { lines, success, .. } = summary(&world, &leaving(), None);
    assert!(!success);
    for label in ["Tasks still running at release", "Tasks killed"] {
        assert!(lines.contains(&format!("{label:<33}{:>4}", 3)), "{lines:#?}");
    }
    assert_eq!(lines.last().unwrap(), "3 tasks still ran when the host was terminated, and died with it.");
}

#[test]
fn the_introduction_fits_a_terminal() {
    for departure in [Departure::ScaleIn, Departure::SpotInterruption] {
        let parameters = Parameters { departure, ..Parameters::default() };
        introduction_fits(&parameters);
    }
}

fn introduction_fits(parameters: &Parameters) {
    let world = scenario::demo(START, parameters).unwrap();
    for drainer in [Some("http://127.0.0.1:65535"), None] {
        for leaving in [&leaving()[..], &[]] {
            let settings = [("POLL_MIN_SECONDS", "0.5"), ("SPOT_STOP_LEAD_SECONDS", "8")];
            let notice_age = Duration::from_secs(104);
            let staging = Staging { parameters, leaving, drainer, settings: &settings, notice_age };
            let lines = introduction(&world, staging);
            assert!(lines.iter().all(|line| line.chars().count() <= 80), "{lines:#?}");
            assert!(lines.iter().any(|line| line.contains("nightly-report")));
        }
    }
}

#[test]
fn a_story_whose_host_is_not_released_is_over_with_the_answer() {
    let (world, _) = scaled_in(Duration::from_secs(300));
    assert!(is_over(&world, &leaving(), true));
    assert!(!is_over(&world, &leaving(), false));
}

/// The world of a Spot interruption 112 s ago, and its history.
fn interrupted() -> (World, History) {
    let parameters = Parameters { departure: Departure::SpotInterruption, ..Parameters::default() };
    let mut world = scenario::demo(START, &parameters).unwrap();
    let history = History::from_here(&world);
    world.interrupt(LEAVING, SpotAction::Terminate, START - Duration::from_secs(112)).unwrap();
    (world, history)
}

#[test]
fn an_interruption_is_told_from_the_notice_to_the_end_of_the_host() {
    let (mut world, mut history) = interrupted();
    let lines = watched(&mut world, &mut history, false, |world| {
        let to_stop = world.now() >= START + Duration::from_secs(4);
        let running: Vec<_> = (world.tasks_on(LEAVING).into_iter())
            .filter(|task| to_stop && task.desired_status == DesiredStatus::Running)
            .map(|task| task.arn.clone())
            .collect();
        drain(world);
        for task in running {
            ask(world, EcsRequest::StopTask { cluster: Some("prod".to_owned()), task, reason: None });
        }
    });
    let lines: Vec<_> = lines.iter().map(|line| without_id(line)).collect();
    assert_eq!(lines[0], "SPOT NOTICE   EC2 takes i-1234567890abcdef0 in 8 s, whatever runs there");
    for line in [
        "STOP TASK     standalone nightly-report  <id..>  told by the function",
        "TERMINATED    i-1234567890abcdef0 is gone",
    ] {
        assert!(lines.iter().any(|it| it == line), "{line} in {lines:#?}");
    }
    assert!(lines.iter().all(|line| line.len() <= 72), "with the time in front 80 columns");
    assert_eq!(progress(&world, &leaving()), (4, 4));

    let answer = lambda::Outcome::Answered(json!({"drains": []}));
    let Summary { lines, success, .. } = summary(&world, &leaving(), Some(&answer));
    assert!(success);
    assert_eq!(lines.last().unwrap(), "Nothing was running when the host was taken.");
}

#[test]
fn an_interruption_without_a_drainer_kills_what_runs() {
    let (mut world, mut history) = interrupted();
    watched(&mut world, &mut history, false, |_| {});
    let Summary { lines, success, .. } = summary(&world, &leaving(), None);
    assert!(!success);
    assert!(lines.contains(&format!("{:<33}{:>4}", "Tasks killed", 4)), "{lines:#?}");
    assert_eq!(lines.last().unwrap(), "4 tasks still ran when the host was terminated, and died with it.");
}
