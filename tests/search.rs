//! Finding the cluster of an instance.

use simulator::world::{GroupSpec, Operation, Settings, World};

use crate::support::{CLUSTER, GROUP, LEAVING, STAYING, Stage, hook_with, host, only};

/// Twenty clusters, one of which has the host; the hook's metadata reads like this.
fn many_clusters(metadata: &str) -> World {
    let mut world = World::new(simulator::clock::wall_now(), Settings::default());
    for other in 0..19 {
        world.add_cluster(&format!("other-{other:02}")).unwrap();
    }
    world.add_cluster(CLUSTER).unwrap();
    world.add_group(GroupSpec { name: GROUP.into(), hooks: vec![hook_with(metadata)] }).unwrap();
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
