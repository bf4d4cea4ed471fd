//! `drain`.

use simulator::cloudformation::Template;
use simulator::iam::Permissions;
use simulator::world::{CredentialsFault, EcsRequest, Fault, FaultKind, LastStatus, Operation, World};

use crate::support::{CLUSTER, HOST, OTHER, PERSON, Stage, secs, service, standalone, world};

const SINCE: &str = "ecs-drainer.maintenance-since";

#[tokio::test]
async fn a_host_is_made_empty_and_stays_draining_and_no_lifecycle_hook_is_touched() {
    let mut world = world();
    service(&mut world, "web", 200);
    standalone(&mut world, Some(3.0));
    let stage = Stage::of(world);

    let ran = stage.run(&["drain", HOST, "--yes"]).await;

    assert_eq!(ran.status, 0, "{ran:?}");
    for words in [
        "1 task is in the way",
        "in the way: no service owns it",
        "its service starts another elsewhere, then stops it",
        "ecs-drainer stops no task that ECS does not stop by itself",
        "drained in",
        "2 tasks stopped: 2 moved by ECS or ended, 0 told to stop. None is left.",
        &format!("DRAINING until: ecs-drainer undrain {HOST}"),
    ] {
        ran.says(words);
    }
    assert_eq!(stage.status_of(HOST), "DRAINING");
    assert!(stage.attribute(HOST, SINCE).is_some(), "for status to tell since when");
    assert!(stage.attribute(HOST, "ecs-drainer.drain-started-at").is_none(), "a later termination has all its time");
    assert_eq!(stage.status_of(OTHER), "ACTIVE");
    let none = [Operation::StopTask, Operation::CompleteLifecycleAction, Operation::RecordLifecycleActionHeartbeat];
    assert_eq!(none.map(|operation| stage.count(operation)), [0; 3]);
    stage.0.world(|world| assert_eq!(world.unstopped_on(HOST), 0));
}

#[tokio::test]
async fn standalone_tasks_are_stopped_at_once_where_that_is_asked_for() {
    let mut world = world();
    standalone(&mut world, None);
    let stage = Stage::of(world);
    let ran = stage.run(&["drain", HOST, "--yes", "--stop-standalone", "--json"]).await;
    assert_eq!(ran.status, 0, "{ran:?}");
    let document = ran.json();
    assert_eq!(document["plan"][0]["tasks"][0]["what"], "is told to stop at once");
    assert_eq!(document["plan"][0]["tasks"][0]["blocks"], false);
    assert_eq!(document["drains"][0]["outcome"], "drained");
    let drain = &document["drains"][0];
    assert_eq!((&drain["tasksStopped"], &drain["tasksToldToStop"]), (&1.into(), &1.into()));
    stage.0.world(|world| {
        let reason = world.tasks().next().unwrap().stopped_reason.clone().unwrap_or_default();
        assert_eq!(reason, format!("ecs-drainer: an operator drains its host {HOST}"));
    });
}

#[tokio::test]
async fn tasks_left_at_the_deadline_are_stopped_and_the_end_says_so() {
    let mut world = world();
    service(&mut world, "payments", 100);
    standalone(&mut world, None);
    let stage = Stage::of(world);
    let began = stage.0.now();
    let ran = stage.run(&["drain", HOST, "--yes", "--deadline", "3s"]).await;
    assert_eq!(ran.status, 0, "{ran:?}");
    ran.says("2 tasks are in the way");
    ran.says("After 3s, ecs-drainer stops the tasks that are left, gracefully; it waits 10m more at most.");
    ran.says("2 tasks stopped: 0 moved by ECS or ended, 2 told to stop. None is left.");
    stage.0.world(|world| {
        let stops = world.requests().iter().filter(|it| it.request.operation() == Operation::StopTask);
        let first = stops.map(|it| it.at).min().unwrap();
        assert!(first.duration_since(began).as_secs_f64() >= 3.0, "not before the deadline");
        assert!(world.killed().is_empty());
        // It looks every five seconds at least; twice that for a slow machine.
        let empty = world.tasks().filter_map(|task| task.stopped_at).max().unwrap();
        let ended = world.requests().iter().map(|it| it.at).max().unwrap();
        assert!(ended.duration_since(empty).as_secs_f64() < 10.0, "it ends when nothing is left to wait for");
    });
}

#[tokio::test]
async fn several_hosts_share_their_requests_and_one_named_twice_is_one() {
    let stage = Stage::of(world());
    let ran = stage.run(&["drain", HOST, OTHER, HOST, "--yes", "--json"]).await;
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(ran.json()["drains"].as_array().map(Vec::len), Some(2));
    assert_eq!(stage.count(Operation::UpdateContainerInstancesState), 1);
}

#[tokio::test]
async fn nothing_is_changed_by_a_plan_nor_without_a_terminal_to_ask_on() {
    let mut world = world();
    standalone(&mut world, None);
    let stage = Stage::of(world);
    let plan = stage.run(&["drain", HOST, "--dry-run"]).await;
    assert_eq!(plan.status, 0);
    plan.says("1 task is in the way");
    let asked = stage.run(&["drain", HOST]).await;
    assert_eq!(asked.status, 2);
    asked.says("there is no terminal to ask a question on: give --yes");
    let json = stage.run(&["drain", HOST, "--json", "--dry-run"]).await.json();
    assert_eq!((&json["plan"][0]["tasks"][0]["blocks"], json.get("drains")), (&true.into(), None));
    assert!(stage.is_untouched());
}

#[tokio::test]
async fn a_host_that_is_about_to_be_terminated_or_lost_its_agent_is_told_of_before() {
    let mut world = world();
    world.scale_in(HOST, world.now()).unwrap();
    world.set_agent_connected(OTHER, false).unwrap();
    let stage = Stage::of(world);
    let ran = stage.run(&["drain", HOST, OTHER, "--dry-run"]).await;
    ran.says("Auto Scaling terminates it, and group my-asg has the drainer's hook");
    ran.says("its agent is disconnected");
}

#[tokio::test]
async fn a_failed_request_is_tried_again_and_a_denied_one_ends_it_with_what_is_missing() {
    let mut first = world();
    // The SDK tries once more by itself.
    first.plan(Fault::times(Operation::UpdateContainerInstancesState, 2, FaultKind::ServerError));
    let stage = Stage::of(first);
    let ran = stage.run(&["drain", HOST, "--yes"]).await;
    assert_eq!(ran.status, 0, "{ran:?}");
    ran.says("failed: UpdateContainerInstancesState was answered ServerException");

    let mut second = world();
    let denied = Fault::times(Operation::UpdateContainerInstancesState, u32::MAX, FaultKind::AccessDenied);
    second.plan(denied);
    let stage = Stage::of(second);
    let ran = stage.run(&["drain", HOST, "--yes"]).await;
    assert_eq!(ran.status, 3, "{ran:?}");
    ran.says("access denied: ecs:UpdateContainerInstancesState on");
    assert_eq!(stage.status_of(HOST), "ACTIVE");
}

#[tokio::test]
async fn a_drain_by_hand_goes_on_with_one_that_was_interrupted() {
    let mut world = world();
    standalone(&mut world, Some(2.0));
    let now = world.now();
    let arn = world.registrations(HOST).next().unwrap().arn.clone();
    let request = EcsRequest::UpdateContainerInstancesState {
        cluster: Some(CLUSTER.into()),
        container_instances: vec![arn],
        status: "DRAINING".into(),
    };
    assert!(world.request(now, "an-operator", request).answer.is_ok());
    let stage = Stage::of(world);
    let ran = stage.run(&["drain", HOST, "--yes"]).await;
    assert_eq!(ran.status, 0, "{ran:?}");
    ran.says("it is DRAINING already; this goes on with it");
    ran.says("drained in");
    stage.0.world(|world| {
        assert!(world.tasks().all(|task| task.last_status == LastStatus::Stopped));
        assert!(
            world
                .requests()
                .iter()
                .all(|it| it.client == "an-operator"
                    || it.request.operation() != Operation::UpdateContainerInstancesState)
        );
    });
}

#[tokio::test]
async fn a_host_that_takes_tasks_has_none_of_them_stopped_whatever_the_flags() {
    let mut world = world();
    service(&mut world, "web", 200);
    standalone(&mut world, None);
    // Two rounds fail, each tried twice by the SDK.
    world.plan(Fault::times(Operation::UpdateContainerInstancesState, 4, FaultKind::ServerError));
    let stage = Stage::of(world);
    let ran = stage.run(&["drain", HOST, "--yes", "--stop-standalone", "--deadline", "2s"]).await;
    assert_eq!(ran.status, 0, "{ran:?}");
    stage.0.world(|world| {
        let at = |wanted, refused: bool| {
            let is_one = |it: &&simulator::world::Recorded| {
                it.request.operation() == wanted && (it.outcome != simulator::world::Outcome::Answered) == refused
            };
            world.requests().iter().filter(is_one).map(|it| it.at).collect::<Vec<_>>()
        };
        let closed = at(Operation::UpdateContainerInstancesState, false)[0];
        assert_eq!(at(Operation::UpdateContainerInstancesState, true).len(), 4);
        assert!(at(Operation::StopTask, false).iter().all(|stopped| *stopped > closed), "only once it is DRAINING");
    });
}

#[tokio::test]
async fn a_host_that_vanishes_with_its_tasks_is_not_done() {
    let mut world = world();
    standalone(&mut world, None);
    let stage = Stage::of(world);
    let vanish = async {
        let draining = |world: &World| world.registrations(HOST).any(|it| it.status == "DRAINING");
        assert!(stage.0.wait_for(secs(10.0), draining).await);
        // Its tasks are read once more.
        tokio::time::sleep(secs(3.0)).await;
        stage.0.world(|world| world.power_off(HOST)).unwrap();
    };
    let arguments = ["drain", HOST, "--yes"];
    let (ran, ()) = tokio::join!(stage.run(&arguments), vanish);
    assert_eq!(ran.status, 1, "{ran:?}");
    ran.says("It went away, with 1 task that had not stopped when it was last seen.");
    assert!(!ran.out.contains("DRAINING until: "), "{}", ran.out);
}

#[tokio::test]
async fn credentials_that_end_during_a_drain_leave_word_of_what_was_left() {
    let mut world = world();
    standalone(&mut world, None);
    let stage = Stage::of(world);
    let expire = async {
        let draining = |world: &World| world.registrations(HOST).any(|it| it.status == "DRAINING");
        assert!(stage.0.wait_for(secs(10.0), draining).await);
        stage.0.world(|world| world.refuse_credentials(PERSON, CredentialsFault::Expired));
    };
    let arguments = ["drain", HOST, "--yes", "--deadline", "1h", "--json"];
    let (ran, ()) = tokio::join!(stage.run(&arguments), expire);
    assert_eq!(ran.status, 3, "{ran:?}");
    ran.says("i-1234567890abcdef0 stays DRAINING");
    ran.says("nothing is told to stop at the deadline any more");
    ran.says("To see it: ecs-drainer watch --cluster prod.");
    ran.says("the AWS credentials are not good any more");
    assert_eq!(ran.json()["left"][0]["instanceId"], HOST);
}

#[tokio::test]
async fn a_denial_in_another_cluster_does_not_end_a_drain_nor_one_of_a_list_that_has_a_substitute() {
    let mut world = world();
    world.add_cluster("theirs").unwrap();
    let theirs = Fault::times(Operation::ListContainerInstances, u32::MAX, FaultKind::AccessDenied);
    world.plan(Fault { matching: Some("theirs".into()), ..theirs });
    let stage = Stage::of(world);
    let ran = stage.run(&["drain", HOST, OTHER, "--yes"]).await;
    assert_eq!(ran.status, 0, "{ran:?}");

    // Of the tasks on each host, and not of a whole cluster's.
    let template = Template::parse(LISTS_HOSTS_ALONE).unwrap();
    let stage = Stage::of(crate::support::world());
    stage.0.world(|world| {
        let stack = template.deployed(world.settings().place("own"), &[]).unwrap();
        world.restrict(PERSON, Permissions::of_role(&stack, "Person").unwrap());
    });
    let ran = stage.run(&["drain", HOST, OTHER, "--yes"]).await;
    assert_eq!(ran.status, 0, "{ran:?}");
    let denied = stage.0.world(|world| world.denied().to_vec());
    assert!(denied.iter().any(|it| it.access.action == "ecs:ListTasks"), "there was something to get over: {denied:?}");
}

const LISTS_HOSTS_ALONE: &str = r#"
Resources:
  Person:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - PolicyName: own
          PolicyDocument:
            Statement:
              - Effect: Allow
                Action:
                  - ecs:ListClusters
                  - ecs:ListContainerInstances
                  - ecs:DescribeContainerInstances
                  - ecs:UpdateContainerInstancesState
                  - ecs:PutAttributes
                  - ecs:DescribeTasks
                  - autoscaling:DescribeAutoScalingInstances
                  - autoscaling:DescribeLifecycleHooks
                Resource: '*'
              - Effect: Allow
                Action: ecs:ListTasks
                Resource: arn:aws:ecs:*:*:container-instance/*
"#;

#[tokio::test]
async fn whether_a_service_may_move_its_task_is_told_as_unknown_where_it_was_not_asked() {
    let mut world = world();
    service(&mut world, "payments", 100);
    world.plan(Fault::times(Operation::DescribeServices, u32::MAX, FaultKind::AccessDenied));
    let stage = Stage::of(world);
    let ran = stage.run(&["drain", HOST, "--dry-run"]).await;
    ran.says("perhaps in the way: its service could not be asked");
    ran.says("Of 1 task it is not known whether anything is in the way.");
    let json = stage.run(&["drain", HOST, "--dry-run", "--json"]).await.json();
    assert!(json["plan"][0]["tasks"][0]["blocks"].is_null());
}

#[tokio::test]
async fn the_promise_says_what_the_flags_say() {
    let stage = Stage::of(world());
    let says = async |flags: &[&str], words: &str| {
        stage.run(&[&["drain", HOST, "--dry-run"], flags].concat()).await.says(words);
    };
    says(&["--stop-standalone"], "ecs-drainer stops at once the tasks that no service owns. It stops no other task")
        .await;
    says(&["--stop-standalone", "--deadline", "30m"], "owns. After 30m, ecs-drainer stops the tasks that are left")
        .await;
    says(&[], "ecs-drainer stops no task that ECS does not stop by itself").await;
}

#[tokio::test]
async fn two_people_may_differ() {
    let mut world = world();
    standalone(&mut world, None);
    let stage = Stage::of(world);
    let undrain = async {
        let draining = |world: &World| world.registrations(HOST).any(|it| it.status == "DRAINING");
        assert!(stage.0.wait_for(secs(10.0), draining).await);
        // A description may lag for as long, and still be ours.
        tokio::time::sleep(secs(11.0)).await;
        stage.run(&["undrain", HOST]).await
    };
    let arguments = ["drain", HOST, "--yes"];
    let (ran, undrained) = tokio::join!(stage.run(&arguments), undrain);
    assert_eq!((ran.status, undrained.status), (1, 0), "{ran:?} {undrained:?}");
    ran.says("taken-back in");
    ran.says("an operator set it ACTIVE again");
    assert_eq!(stage.status_of(HOST), "ACTIVE");
}
