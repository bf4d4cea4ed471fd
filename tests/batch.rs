//! Paging, chunking and `failures[]`, over the model: a broken request spoils only what it asked for.

use std::collections::BTreeMap;

use shared::aws::batch;
use shared::aws::listing::TaskListing;
use shared::aws::{DesiredStatus, ErrorClass, InstanceStatus};
use shared::ids::{ClusterName, ContainerInstanceArn, InstanceId};
use simulator::world::{Fault, FaultKind, Operation, Settings, World};

use crate::support::model::Model;
use crate::support::{CLUSTER, LEAVING, bare_world, host, service};

fn prod() -> ClusterName {
    ClusterName::parse(CLUSTER).unwrap()
}

fn hosts(settings: Settings, count: usize) -> (World, Vec<InstanceId>) {
    let mut world = bare_world(settings);
    let ids: Vec<_> = (0..count).map(|n| format!("i-{n:017x}")).collect();
    for id in &ids {
        host(&mut world, id, Some(CLUSTER));
    }
    (world, ids.iter().map(|id| InstanceId::parse(id).unwrap()).collect())
}

fn arns(world: &World) -> Vec<ContainerInstanceArn> {
    world.container_instances().map(|instance| instance.arn.clone().into()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_broken_chunk_leaves_the_others_known() {
    let (mut world, _) = hosts(Settings::default(), 250);
    let second = Fault { after: 1, ..Fault::times(Operation::DescribeContainerInstances, 1, FaultKind::ServerError) };
    world.plan(second);
    let (arns, model) = (arns(&world), Model::of(world));

    let answers = batch::container_instances(&model, &prod(), &arns).await;

    assert_eq!((answers.found.len(), answers.absent.len()), (150, 0));
    let unknown: Vec<_> = answers.unknown.iter().map(|unknown| unknown.keys.as_slice()).collect();
    assert_eq!(unknown, [&arns[100..200]]);
    assert_eq!(model.world(|world| world.count(Operation::DescribeContainerInstances)), 3);
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_is_absent() {
    let (world, _) = hosts(Settings::default(), 2);
    let mut arns = arns(&world);
    let missing: ContainerInstanceArn = format!("{}f", arns[0]).into();
    arns.push(missing.clone());

    let answers = batch::container_instances(&Model::of(world), &prod(), &arns).await;

    assert_eq!((answers.found.len(), answers.absent, answers.unknown.len()), (2, vec![missing], 0));
}

#[tokio::test(start_paused = true)]
async fn one_bad_member_does_not_keep_its_chunk_from_draining() {
    let (mut world, ids) = hosts(Settings::default(), 12);
    world.set_status(ids[3].as_str(), "REGISTERING").unwrap();
    let (arns, model) = (arns(&world), Model::of(world));

    let answers = batch::set_draining(&model, &prod(), &arns).await;

    assert_eq!((answers.found.len(), answers.unknown.len()), (11, 1));
    assert!(answers.found.iter().all(|instance| instance.status == InstanceStatus::Draining));
    let draining = model.world(|world| world.container_instances().filter(|c| c.status == "DRAINING").count());
    assert_eq!(draining, 11);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_is_denied_is_unknown_alone() {
    for denied in [0, 99, 100, 123, 249] {
        let (mut world, _) = hosts(Settings::default(), 250);
        let arns = arns(&world);
        let matching = Some(arns[denied].to_string());
        world.plan(Fault { matching, ..Fault::always(FaultKind::AccessDenied) });
        let model = Model::of(world);

        let answers = batch::container_instances(&model, &prod(), &arns).await;

        let unknown: Vec<_> = answers.unknown.into_iter().flat_map(|unknown| unknown.keys).collect();
        assert_eq!((answers.found.len(), unknown), (249, vec![arns[denied].clone()]));
        let asked = model.world(|world| world.count(Operation::DescribeContainerInstances));
        assert!(asked <= 3 + 2 * 7, "two for each time that the chunk was halved: {asked}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_right_to_some_of_a_chunk_is_used_and_where_there_is_none_it_is_soon_given_up() {
    let (mut world, _) = hosts(Settings::default(), 250);
    let arns = arns(&world);
    world.plan(Fault::always(FaultKind::AccessDenied));
    let model = Model::of(world);

    let answers = batch::container_instances(&model, &prod(), &arns).await;

    let unknown: usize = answers.unknown.iter().map(|unknown| unknown.keys.len()).sum();
    assert_eq!((answers.found.len(), answers.absent.len(), unknown), (0, 0, 250));
    let asked = model.world(|world| world.count(Operation::DescribeContainerInstances));
    assert_eq!(asked, 3 + 20);
    model.world(World::forget_faults);
    for denied in arns.iter().take(10).step_by(2) {
        let matching = Some(denied.to_string());
        model.world(|world| world.plan(Fault { matching, ..Fault::always(FaultKind::AccessDenied) }));
    }

    let answers = batch::set_draining(&model, &prod(), &arns[..10]).await;

    assert_eq!((answers.found.len(), answers.unknown.len()), (5, 5));
}

#[tokio::test(start_paused = true)]
async fn a_search_tells_where_the_others_are_though_one_of_them_is_denied_or_missing() {
    for kind in [FaultKind::AccessDenied, FaultKind::Missing] {
        let (mut world, ids) = hosts(Settings::default(), 10);
        let odd = Some(world.registrations(ids[3].as_str()).next().unwrap().arn.clone());
        let operation = Some(Operation::DescribeContainerInstances);
        world.plan(Fault { operation, matching: odd, ..Fault::always(kind) });
        let nowhere = InstanceId::parse("i-0badbadbadbadbad0").unwrap();
        let asked: Vec<_> = ids.iter().chain([&nowhere]).cloned().collect();

        let told = batch::registered_in(&Model::of(world), &prod(), &asked).await;

        assert_eq!((told.found.len(), told.absent), (9, vec![nowhere]), "{kind:?}: it was asked for by itself");
        let unknown: Vec<_> = told.unknown.iter().flat_map(|unknown| &unknown.keys).collect();
        assert_eq!(unknown, [&ids[3]], "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_chunk_is_not_tried_one_by_one() {
    let (mut world, _) = hosts(Settings::default(), 10);
    world.plan(Fault::times(Operation::UpdateContainerInstancesState, 1, FaultKind::Throttle));
    let (arns, model) = (arns(&world), Model::of(world));

    let answers = batch::set_draining(&model, &prod(), &arns).await;

    assert_eq!(answers.unknown.len(), 1);
    assert_eq!(model.world(|world| world.count(Operation::UpdateContainerInstancesState)), 1);
}

#[tokio::test(start_paused = true)]
async fn a_search_reads_every_page_and_matches_ids_itself() {
    let settings = Settings { page_size: 7, empty_pages: true, ..Settings::default() };
    let (world, ids) = hosts(settings, 130);
    let model = Model::of(world);

    let found = batch::registered_in(&model, &prod(), &ids[..100]).await.found;

    let mut found: Vec<_> = found.into_iter().filter_map(|instance| instance.instance).collect();
    found.sort();
    assert_eq!(found, ids[..100]);
}

#[tokio::test(start_paused = true)]
async fn unknown_is_not_empty_a_search_with_a_broken_page_is_no_answer() {
    let (mut world, ids) = hosts(Settings { page_size: 7, ..Settings::default() }, 20);
    world.plan(Fault { after: 1, ..Fault::times(Operation::ListContainerInstances, 1, FaultKind::DropConnection) });
    let model = Model::of(world);

    let broken = batch::registered_in(&model, &prod(), &ids).await;

    assert_eq!((broken.found.len(), broken.absent.len(), broken.unknown[0].keys.len()), (0, 0, 20));
    assert_eq!(broken.unknown[0].error.class(), ErrorClass::Unknown);
    let elsewhere = ClusterName::parse("no-such-cluster").unwrap();
    assert_eq!(batch::registered_in(&model, &elsewhere, &ids).await.absent, ids);
}

#[tokio::test(start_paused = true)]
async fn instances_that_auto_scaling_does_not_name_are_absent() {
    let (world, mut ids) = hosts(Settings::default(), 60);
    let unheard_of = InstanceId::parse("i-0badbadbadbadbad0").unwrap();
    ids.push(unheard_of.clone());
    let model = Model::of(world);

    let answers = batch::auto_scaling_instances(&model, &ids).await;

    assert_eq!((answers.found.len(), answers.absent), (60, vec![unheard_of]));
    assert_eq!(model.world(|world| world.count(Operation::DescribeAutoScalingInstances)), 2, "fifty at a time");
}

#[tokio::test(start_paused = true)]
async fn tasks_on_a_host_are_both_desired_running_and_desired_stopped() {
    let mut world = bare_world(Settings { page_size: 2, empty_pages: true, ..Settings::default() });
    host(&mut world, LEAVING, Some(CLUSTER));
    let tasks = service(&mut world, 5, 0.0, 60.0);
    world.set_status(LEAVING, "DRAINING").unwrap();
    let (arns, model) = (arns(&world), Model::of(world));
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let counted = model
        .world(|world| world.tasks_on(LEAVING).iter().filter(|t| t.desired_status.to_string() == "RUNNING").count());
    assert_eq!(counted, 0, "all got SIGTERM, none has stopped");

    let (mut listing, mut listed) = (TaskListing::new(Some(arns[0].clone())), BTreeMap::new());
    while let Some(page) = listing.next() {
        let found = listing.request(&model, &prod(), &page).await.unwrap();
        listing.turn(&page, found.next_token);
        listed.extend(found.items.into_iter().map(|arn| (arn, page.desired())));
    }

    assert_eq!(listed.len(), tasks.len());
    assert!(listed.values().all(|desired| *desired == DesiredStatus::Stopped));
}
