//! Finding the cluster of an instance.

use simulator::world::{GroupSpec, HookSpec, HostSpec, Operation, Settings, TaskSpec, World};

use crate::spot::interrupted;
use crate::support::{CLUSTER, GROUP, HOOK, LEAVING, STAYING, Stage, hook_with, host, only, secs};

/// A cluster as AWS Batch names them.
const BATCH: &str = "nightly_Batch_6d67ab71-4455-3613-b981-4c30a030fb90";

/// Twenty clusters, and one of them has the host; the hook's metadata reads like this.
fn many_clusters(metadata: &str) -> World {
    let mut world = World::new(simulator::clock::wall_now(), Settings::default());
    for other in 0..19 {
        world.add_cluster(&format!("other-{other:02}")).unwrap();
    }
    world.add_cluster(CLUSTER).unwrap();
    world
        .add_group(GroupSpec { name: GROUP.into(), hooks: vec![hook_with(metadata)], ..GroupSpec::default() })
        .unwrap();
    host(&mut world, LEAVING, Some(CLUSTER));
    host(&mut world, STAYING, Some(CLUSTER));
    world
}

#[tokio::test]
async fn the_cluster_named_in_the_hooks_metadata_is_the_only_one_asked() {
    let stage = Stage::scaling_in(many_clusters(r#"{"cluster":"prod"}"#));

    assert_eq!(stage.drain(&[]).await["outcome"], "drained");

    assert_eq!(stage.count(Operation::ListContainerInstances), 1);
    assert_eq!(stage.count(Operation::ListClusters), 0);
    stage.released_empty();
}

#[tokio::test]
async fn metadata_that_names_the_wrong_cluster_still_finds_it() {
    for wrong in [r#"{"cluster":"other-03"}"#, r#"{"cluster":"no-such-cluster"}"#, "not JSON at all"] {
        let stage = Stage::scaling_in(many_clusters(wrong));

        let drain = stage.drain(&[]).await;

        assert_eq!((drain["outcome"].as_str(), drain["cluster"].as_str()), (Some("drained"), Some(CLUSTER)), "{drain}");
        stage.released_empty();
    }
}

#[tokio::test]
async fn a_warm_environment_asks_first_where_the_group_was_found_last() {
    let stage = Stage::scaling_in(many_clusters(""));
    let function = stage.function(&[]);
    assert_eq!(only(&function.invoke(&stage.event).await)["outcome"], "drained");
    let before = stage.count(Operation::ListContainerInstances);
    assert!(before > 1);
    let next = stage.simulator.world(|world| world.scale_in(STAYING, world.now())).unwrap().remove(0);

    assert_eq!(only(&function.invoke(&next).await)["outcome"], "drained");

    assert_eq!(stage.count(Operation::ListContainerInstances), before + 1);
}

#[tokio::test]
async fn watched_clusters_are_asked_before_all_others() {
    let stage = Stage::scaling_in(many_clusters(""));

    assert_eq!(stage.drain(&[("ECS_CLUSTERS", "other-01,prod")]).await["outcome"], "drained");

    assert_eq!(stage.count(Operation::ListContainerInstances), 2);
    assert_eq!(stage.count(Operation::ListClusters), 0);
}

/// A host of AWS Batch with a job, in a group that has our hook.
fn batch_world() -> World {
    let mut world = World::new(simulator::clock::wall_now(), Settings::default());
    world.add_cluster(BATCH).unwrap();
    let hooks = vec![HookSpec::terminating(HOOK, secs(300.0))];
    world.add_group(GroupSpec { name: GROUP.into(), hooks, ..GroupSpec::default() }).unwrap();
    let spec = HostSpec {
        instance_id: Some(LEAVING.into()),
        cluster: Some(BATCH.into()),
        group: Some(GROUP.into()),
        ..HostSpec::default()
    };
    world.add_host(spec).unwrap();
    let job = TaskSpec {
        cluster: BATCH.into(),
        instance_id: LEAVING.into(),
        family: "job".into(),
        stop_time: secs(0.2),
        ..TaskSpec::default()
    };
    world.run_task(job).unwrap();
    world
}

#[tokio::test]
async fn nobody_elses_business_a_host_of_aws_batch_is_left_alone_and_the_answer_says_why() {
    let left_alone = |stage: &Stage, drain: &serde_json::Value| {
        assert_eq!((drain["outcome"].as_str(), drain["cluster"].as_str()), (Some("ignored"), Some(BATCH)), "{drain}");
        let detail = drain["detail"].as_str().unwrap();
        assert!(detail.contains("a cluster of AWS Batch, which"), "{detail}");
        assert!(detail.ends_with("name it in ECS_CLUSTERS to have it drained"), "{detail}");
        assert_eq!((stage.writes(), stage.status(LEAVING)), (0, "ACTIVE".to_owned()));
    };
    let stage = interrupted(batch_world(), 100.0);
    let drain = only(&stage.spot(&[], secs(30.0)).invoke(&stage.event).await);
    left_alone(&stage, &drain);
    let stage = Stage::scaling_in(batch_world());
    let drain = stage.drain(&[]).await;
    left_alone(&stage, &drain);
    let stage = Stage::scaling_in(batch_world());
    let drain = only(&stage.reconcile(&[], secs(30.0)).invoke(&serde_json::json!({})).await);
    left_alone(&stage, &drain);
}

#[tokio::test]
async fn a_cluster_of_aws_batch_that_is_named_is_drained() {
    let stage = Stage::scaling_in(batch_world());
    let drain = stage.drain(&[("ECS_CLUSTERS", BATCH), ("STANDALONE_TASKS", "stop")]).await;
    assert_eq!(drain["outcome"], "drained", "{drain}");
    stage.released_empty();
}
