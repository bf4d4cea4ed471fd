//! The roles of the template allow the functions' requests, and no others.
//!
//! That they ask for no more is asserted by every test that has a stage: the simulator refuses what the template does
//! not allow, and a stage on which that happened fails its test.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use simulator::lambda::{Function, Outcome};
use simulator::world::{GroupSpec, HostSpec, Operation, Service, Settings, WarmPoolSpec, WarmPoolState, World};

use crate::spot::{daemon, held_on_leaving, interrupted};
use crate::support::template::{FUNCTIONS, deployed, permissions, template, text};
use crate::support::{
    CLUSTER, GROUP, HOOK, LEAVING, STAYING, Stage, bare_world, host, only, secs, service, standalone, world,
    world_since, world_with_hooks,
};

/// Actions on `*`: those that AWS's Service Authorization Reference gives no resource, and the tasks of a whole cluster.
const WITHOUT_RESOURCE: [&str; 7] = [
    "autoscaling:DescribeAutoScalingGroups",
    "autoscaling:DescribeAutoScalingInstances",
    "autoscaling:DescribeLifecycleHooks",
    "autoscaling:DescribeScalingActivities",
    "autoscaling:DescribeWarmPool",
    "ecs:ListClusters",
    "ecs:ListTasks",
];

fn action(operation: Operation) -> String {
    let prefix = if operation.service() == Service::Ecs { "ecs" } else { "autoscaling" };
    format!("{prefix}:{operation}")
}

/// The actions that this client used.
fn asked(world: &World, client: &str) -> BTreeSet<String> {
    let of_client = world.requests().iter().filter(|it| it.client == client);
    of_client.map(|it| action(it.request.operation())).collect()
}

/// A host on which every kind of task stays, some of them for ever.
fn stubborn(mut world: World) -> World {
    held_on_leaving(&mut world, 0.5, None);
    daemon(&mut world, 0.5);
    standalone(&mut world, None, 0.5);
    world
}

/// A host that has been draining for longer than a minute.
fn long() -> World {
    let mut world = world_since(90.0);
    held_on_leaving(&mut world, 0.5, None);
    world
}

/// All that one invocation asked for, which does not come to its end.
async fn unfinished(stage: &Stage, function: Function, name: &str, event: &Value) -> BTreeSet<String> {
    let Outcome::Answered(answer) = function.invoke(event).await.outcome else { panic!("{:?}", function.log_lines()) };
    let again = answer["batchItemFailures"].as_array().is_some_and(|again| again.len() == 1);
    assert!(again || answer["drains"][0]["outcome"] == "handed-over", "{answer}");
    stage.simulator.world(|world| asked(world, name))
}

/// Drains to the end, through a hand-over and past the deadline; answers all that the function asked for.
async fn whole_drain(
    stage: &Stage,
    start: impl Fn(&[(&str, &str)]) -> Function,
    name: &str,
    event: &Value,
) -> BTreeSet<String> {
    let first = start(&[("POLL_FOR_SECONDS", "3"), ("DRAIN_TIMEOUT_SECONDS", "6")]).invoke(event).await;
    assert_eq!(only(&first)["outcome"], "handed-over", "{first:?}");
    let last = start(&[("DRAIN_TIMEOUT_SECONDS", "6")]).invoke(event).await;
    assert_eq!(only(&last)["outcome"], "drained", "{last:?}");
    stage.simulator.world(|world| asked(world, name))
}

fn allowed(name: &str) -> BTreeSet<String> {
    let permissions = permissions(&deployed(&Settings::default(), &[]), name);
    permissions.actions().into_iter().map(str::to_owned).collect()
}

/// With what Lambda itself needs of the role: to write the function's log, and to receive for it.
fn with_lambdas(asked: BTreeSet<String>, receives: bool) -> BTreeSet<String> {
    let log = ["logs:CreateLogStream", "logs:PutLogEvents"];
    let queue = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"];
    let of_queue = queue.into_iter().filter(|_| receives);
    asked.into_iter().chain(log.into_iter().chain(of_queue).map(str::to_owned)).collect()
}

#[tokio::test]
async fn instance_terminating_asks_for_all_that_its_role_allows() {
    let stage = Stage::scaling_in(stubborn(world_with_hooks(&[(HOOK, 6.0)])));
    let asked = whole_drain(&stage, |variables| stage.function(variables), "instance-terminating", &stage.event).await;
    let stage = Stage::set_draining_late(long());
    let function = stage.function(&[("POLL_FOR_SECONDS", "1")]);
    let of_long = unfinished(&stage, function, "instance-terminating", &stage.event).await;
    assert_eq!(with_lambdas(&asked | &of_long, true), allowed("instance-terminating"));
}

#[tokio::test]
async fn reconcile_asks_for_all_that_its_role_allows() {
    let stage = Stage::scaling_in(stubborn(world_with_hooks(&[(HOOK, 6.0)])));
    // It polls for as long as its timeout lets it.
    let start = |variables: &[(&str, &str)]| {
        let is_first = variables.iter().any(|(name, _)| *name == "POLL_FOR_SECONDS");
        stage.reconcile(variables, secs(if is_first { 6.0 } else { 30.0 }))
    };
    let asked = whole_drain(&stage, start, "reconcile", &json!({})).await;
    let stage = Stage::set_draining_late(long());
    let of_long = unfinished(&stage, stage.reconcile(&[], secs(5.0)), "reconcile", &json!({})).await;
    let with_warm_pool = of_a_warm_pool().await;
    assert_eq!(with_lambdas(&(&asked | &of_long) | &with_warm_pool, false), allowed("reconcile"));
}

/// The requests of `reconcile` where a group has an instance in its warm pool.
async fn of_a_warm_pool() -> BTreeSet<String> {
    let mut world = world();
    let pool = WarmPoolSpec { state: WarmPoolState::Running, reuse_on_scale_in: true };
    world.add_group(GroupSpec { name: "warm".into(), warm_pool: Some(pool), ..GroupSpec::default() }).unwrap();
    let id = "i-0bbbbbbbbbbbbbbbb";
    let spec = HostSpec { instance_id: Some(id.into()), group: Some("warm".into()), ..HostSpec::default() };
    world.add_host(spec).unwrap();
    let now = world.now();
    world.return_to_warm_pool(id, now).unwrap();
    let stage = Stage::idle(world);
    stage.reconcile(&[], secs(5.0)).invoke(&json!({})).await;
    stage.simulator.world(|world| asked(world, "reconcile"))
}

#[tokio::test]
async fn spot_interruption_asks_for_all_that_its_role_allows() {
    let stage = interrupted(stubborn(world()), 70.0);
    let drain = only(&stage.spot(&[], secs(60.0)).invoke(&stage.event).await);
    assert_eq!(drain["outcome"], "drained", "{drain}");
    let asked = stage.simulator.world(|world| asked(world, "spot-interruption"));
    let stage = interrupted(long(), 70.0);
    let message = json!({"messageId": "1", "eventSource": "aws:sqs", "body": stage.event.to_string()});
    let slice = json!({"Records": [message]});
    let function = stage.spot(&[("SPOT_STOP_LEAD_SECONDS", "20")], secs(5.0));
    let of_long = unfinished(&stage, function, "spot-interruption", &slice).await;
    assert_eq!(with_lambdas(&asked | &of_long, true), allowed("spot-interruption"));
}

#[tokio::test]
async fn an_unwatched_clusters_instances_are_found_and_nothing_else_is_allowed_there() {
    let mut world = world();
    service(&mut world, 1, 0.0, 0.2);
    world.add_cluster("staging").unwrap();
    let stage = Stage::scaling_in(world);

    let drain = stage.drain(&[("ECS_CLUSTERS", "staging")]).await;
    assert_eq!(drain["detail"], "registered in cluster prod, which is not watched", "{drain}");

    // Told to drain it all the same, it is refused: the role watches staging alone.
    let role = permissions(&deployed(&Settings::default(), &[("EcsClusters", "staging")]), "instance-terminating");
    let function = stage.function(&[("POLL_FOR_SECONDS", "2")]);
    stage.simulator.world(|world| world.restrict("instance-terminating", role));
    let drain = only(&function.invoke(&stage.event).await);
    assert!(drain["detail"].as_str().unwrap().contains("UpdateContainerInstancesState"), "{drain}");
    assert_eq!((stage.writes_done(), stage.status(LEAVING)), (0, "ACTIVE".to_owned()));
    let denied = stage.take_denied();
    let writes = ["ecs:UpdateContainerInstancesState", "ecs:ListTasks"];
    assert!(denied.iter().all(|denied| writes.contains(&denied.access.action.as_str())), "{denied:#?}");
}

#[tokio::test]
async fn a_group_without_the_tag_is_not_released() {
    for (tag, released) in [(None, 0), (Some("other"), 0), (Some("prod"), 1)] {
        let mut world = bare_world(Settings::default());
        host(&mut world, LEAVING, Some(CLUSTER));
        host(&mut world, STAYING, Some(CLUSTER));
        if let Some(value) = tag {
            world.tag_group(GROUP, "ecs-drainer", value);
        }
        let mut stage = Stage::scaling_in(world);
        stage.parameters = vec![("GroupTagValue", "prod")];

        let drain = stage.drain(&[("POLL_FOR_SECONDS", "14")]).await;

        assert_eq!(stage.releases().len(), released, "{tag:?}: {drain}");
        let denied = stage.take_denied();
        let held = ["autoscaling:CompleteLifecycleAction", "autoscaling:RecordLifecycleActionHeartbeat"];
        let of_hook = denied.iter().all(|denied| held.contains(&denied.access.action.as_str()));
        assert!(of_hook && denied.is_empty() == (released == 1), "{tag:?}: {denied:#?}");
    }
}

#[test]
fn only_actions_without_a_resource_are_allowed_on_all_of_them_and_the_rest_at_home_in_any_partition() {
    let gov = Settings { partition: "aws-us-gov".into(), region: "us-gov-west-1".into(), ..Settings::default() };
    let home = [&format!(":{}:{}:", gov.region, gov.account), ":iam::"];
    for parameters in [&[][..], &[("EcsClusters", "prod,batch")], &[("GroupTagValue", "prod")]] {
        let stack = deployed(&gov, parameters);
        for (name, _) in FUNCTIONS {
            for statement in permissions(&stack, name).statements() {
                for resource in &statement.resources {
                    let exempt = |action: &String| WITHOUT_RESOURCE.contains(&action.as_str());
                    let everywhere = resource == "*" && statement.actions.iter().all(exempt);
                    let at_home =
                        resource.starts_with("arn:aws-us-gov:") && home.iter().any(|home| resource.contains(*home));
                    assert!(everywhere || at_home, "{name}: {statement:?}");
                }
                let of_tasks = statement.actions.iter().any(|action| action == "ecs:ListTasks");
                let keys: Vec<_> = statement.conditions.iter().map(|condition| condition.key.as_str()).collect();
                assert!(!of_tasks || keys == ["ecs:cluster", "aws:RequestedRegion"], "{statement:?}");
            }
        }
    }
    for path in ["template.yaml", "example/cluster.yaml"] {
        assert!(!text(path).contains("arn:aws:"), "{path} names a partition");
    }
}

#[test]
fn nothing_but_the_roles_and_the_policies_they_name_gives_permissions() {
    for (id, resource) in template().section("Resources") {
        let kind = resource["Type"].as_str().unwrap();
        assert!(
            !kind.starts_with("AWS::IAM::") || ["AWS::IAM::Role", "AWS::IAM::ManagedPolicy"].contains(&kind),
            "{id}"
        );
        if kind == "AWS::Serverless::Function" {
            assert!(resource["Properties"].get("Policies").is_none(), "{id} has policies of its own");
        }
        if kind == "AWS::IAM::ManagedPolicy" {
            let attached = ["Roles", "Users", "Groups"].iter().any(|to| resource["Properties"].get(to).is_some());
            assert!(!attached, "{id} is attached from its own side");
        }
    }
}
