//! How histories are drawn at random: small numbers all through, so that a failure shrinks well.

use proptest::collection::vec;
use proptest::option::{of, weighted};
use proptest::prelude::*;
use shared::config::OnDrainTimeout;
use shared::drain::facts::departure::Destination;
use simulator::world::Operation;

use super::plan::{
    ASKED, AgentLost, DENIED, FaultPlan, GroupPlan, Harm, HostPlan, InterruptionPlan, OddState, OutagePlan,
    OverridesPlan, PlacedLast, Plan, PolicyPlan, ReconcilePlan, RegisteredToo, RegistersAnew, ServicePlan, WorldPlan,
};

pub(crate) fn plans() -> impl Strategy<Value = Plan> {
    let hosts =
        prop_oneof![4 => vec(host(), 1..=3).prop_map(|hosts| (hosts, None)), 1 => (crowd(), of(broken_chunk()))];
    let parts = (world(), policy(), hosts, vec(service(), 0..=2), vec(fault(), 0..=8));
    let kills = vec((0_usize..12, prop_oneof![0_u64..1_500, 0_u64..60_000]), 0..=4);
    let received_after_ms = 0_u64..2_000;
    let stacks = (weighted(0.15, policy()), weighted(0.2, Just(())));
    let story = (parts, weighted(0.25, outage()), reconcile(), received_after_ms, kills, stacks, any::<u64>());
    story.prop_map(|(parts, outage, reconcile, received_after_ms, kills, (second_stack, cold), seed)| {
        let (world, policy, (mut hosts, broken_chunk), services, mut faults) = parts;
        faults.extend(broken_chunk);
        if second_stack.is_some() {
            for host in hosts.iter_mut().filter(|host| host.group == GroupPlan::Ours) {
                host.group = GroupPlan::TwoOfOurs;
            }
        }
        let always_cold = cold.is_some();
        Plan {
            world,
            policy,
            hosts,
            services,
            faults,
            outage,
            second_stack,
            always_cold,
            reconcile,
            received_after_ms,
            kills,
            seed,
        }
    })
}

fn outage() -> impl Strategy<Value = OutagePlan> {
    let silence = || prop_oneof![Just(Harm::ServerError), Just(Harm::Throttle), Just(Harm::DropConnection)];
    let of_ecs = prop_oneof![6 => silence(), 1 => Just(Harm::AccessDenied)];
    let outage = |of_ecs_alone| {
        move |(begins_at_s, lasts_s, silence)| OutagePlan { begins_at_s, lasts_s, silence, of_ecs_alone }
    };
    prop_oneof![
        (0_u64..300, 30_u64..600, silence()).prop_map(outage(false)),
        (0_u64..300, 300_u64..=1_200, of_ecs).prop_map(outage(true)),
    ]
}

/// Under ten seconds, which is what proof waits for; in some histories none.
fn lag_ms() -> impl Strategy<Value = u64> {
    prop_oneof![2 => Just(0_u64), 1 => 1_u64..1_900, 1 => 1_u64..9_500]
}

fn world() -> impl Strategy<Value = WorldPlan> {
    let lags = (lag_ms(), lag_ms(), weighted(0.3, Just(())));
    let lists = (lags, prop_oneof![Just(100_usize), 1_usize..5], any::<bool>());
    let shape = (1_usize..=3, weighted(0.3, Just(())), lists, 0_u64..200, any::<bool>(), 300_u64..1_200);
    let waits = prop_oneof![2 => 200_u64..600, 1 => 0_u64..12_000];
    let shape = (shape, waits, 1_usize..=4);
    shape.prop_map(
        |(
            (clusters, only_first, (lags, page_size, empty_pages), latency_ms, quotas, hook_timeout_s),
            waits,
            full_batch,
        )| {
            WorldPlan {
                clusters,
                only_first_watched: only_first.is_some(),
                list_lag_ms: lags.0,
                description_lag_ms: lags.1,
                write_answers_lag: lags.2.is_some(),
                page_size,
                empty_pages,
                latency_ms,
                quotas,
                hook_timeout_s,
                full_batch,
                waits_after_ms: waits,
            }
        },
    )
}

fn policy() -> impl Strategy<Value = PolicyPlan> {
    let then = prop_oneof![
        3 => Just(OnDrainTimeout::StopTasks),
        1 => Just(OnDrainTimeout::Proceed),
        1 => Just(OnDrainTimeout::Abandon),
        1 => Just(OnDrainTimeout::Wait),
    ];
    let overrides =
        (60_u64..600, then.clone(), of(0_usize..3)).prop_map(|(drain_timeout_s, on_drain_timeout, cluster)| {
            OverridesPlan { drain_timeout_s, on_drain_timeout, cluster }
        });
    (60_u64..600, then, weighted(0.3, Just(())), 60_u64..240, 20_u64..70, overrides).prop_map(
        |(drain_timeout_s, then, stop, agent_lost_s, spot_stop_lead_s, overrides)| PolicyPlan {
            drain_timeout_s,
            on_drain_timeout: then,
            stop_standalone: stop.is_some(),
            agent_lost_s,
            spot_stop_lead_s,
            overrides,
        },
    )
}

/// More hosts than one UpdateContainerInstancesState takes, which leave one cluster in the same second, most of them
/// with their events in one batch.
fn crowd() -> impl Strategy<Value = Vec<HostPlan>> {
    (vec(host(), 11..=13), 0_u64..60, any::<bool>()).prop_map(|(mut hosts, leaves_at_s, events_come)| {
        for host in &mut hosts {
            host.leaves_at_s = leaves_at_s;
            host.cluster = host.cluster.map(|_| 0);
            host.events_after_s = if events_come { vec![1] } else { vec![] };
            if let Some(interruption) = &mut host.interrupted {
                interruption.noticed_at_s = leaves_at_s;
            }
        }
        hosts
    })
}

/// Two requests set a crowd DRAINING. The first or the second fails.
fn broken_chunk() -> impl Strategy<Value = FaultPlan> {
    let update = ASKED.iter().position(|operation| *operation == Operation::UpdateContainerInstancesState);
    let kind = prop_oneof![Just(Harm::Throttle), Just(Harm::ServerError), Just(Harm::LoseAnswer)];
    (0_u32..=1, kind).prop_map(move |(after, kind)| FaultPlan { operation: update, after, times: 1, kind })
}

fn host() -> impl Strategy<Value = HostPlan> {
    let group = prop_oneof![
        6 => Just(GroupPlan::Ours),
        2 => Just(GroupPlan::TwoOfOurs),
        2 => Just(GroupPlan::Overriding),
        2 => (0_u64..900).prop_map(GroupPlan::OursAndTheirs),
        1 => Just(GroupPlan::Theirs),
    ];
    let events = prop_oneof![2 => Just(vec![]), 4 => vec(0_u64..5, 1), 1 => vec(0_u64..180, 1..=2)];
    let jobs = vec((of(0_u64..400), 0_u64..40), 0..=2);
    let lost = (0_u64..200, any::<bool>(), of(1_u64..300)).prop_map(|(after_s, unhealthy, back_after_s)| AgentLost {
        after_s,
        unhealthy,
        back_after_s,
    });
    let mishaps = (weighted(0.15, lost), weighted(0.08, 0_u64..200), weighted(0.08, 0_u64..200));
    let before = weighted(0.15, 60_u64..150_000);
    let copies = prop_oneof![1 => Just(vec![]), 6 => vec(0_u64..3, 1), 2 => vec(0_u64..110, 1..=2)];
    let interruption = (0_u64..240, copies, weighted(0.4, Just(()))).prop_map(|(noticed_at_s, sent_after_s, both)| {
        InterruptionPlan { noticed_at_s, sent_after_s, scaled_in_too: both.is_some() }
    });
    let to = prop_oneof![
        6 => Just(Destination::Ec2),
        1 => Just(Destination::WarmPool),
        1 => Just(Destination::AutoScalingGroup),
    ];
    let registered_too = (any::<bool>(), any::<bool>())
        .prop_map(|(in_next_cluster, phantom)| RegisteredToo { in_next_cluster, phantom });
    let anew = (0_u64..240, any::<bool>(), (of(0_u64..400), 0_u64..40))
        .prop_map(|(after_s, in_next_cluster, job)| RegistersAnew { after_s, in_next_cluster, job });
    let states = prop_oneof![Just("REGISTERING"), Just("REGISTRATION_FAILED"), Just("DEREGISTERING")];
    let odd = (states, of(0_u64..300))
        .prop_map(|(state, until_s)| OddState { state, until_s: until_s.filter(|_| state == "REGISTERING") });
    let odd = (weighted(0.06, odd), weighted(0.06, prop_oneof![Just(1_i64), Just(-1)]));
    let denied = weighted(0.06, (0_usize..DENIED.len(), 0_u64..240));
    let placed = (0_u64..10_000, (of(0_u64..400), 0_u64..40)).prop_map(|(after_ms, job)| PlacedLast { after_ms, job });
    let registrations = (weighted(0.15, placed), weighted(0.15, registered_too), weighted(0.2, anew), odd, denied);
    let fate = (before, weighted(0.3, interruption), to, registrations);
    (weighted(0.9, 0_usize..3), 0_u64..240, events, group, jobs, mishaps, fate).prop_map(
        |(
            cluster,
            leaves_at_s,
            events_after_s,
            group,
            jobs,
            mishaps,
            (
                drained_before_s,
                interrupted,
                to,
                (placed_last, registered_too, registers_anew, (odd_state, miscount), denied),
            ),
        )| HostPlan {
            cluster,
            leaves_at_s,
            events_after_s,
            group,
            // Spot instances have no warm pool, nor new root volumes.
            to: if interrupted.is_some() { Destination::Ec2 } else { to },
            registered_too,
            registers_anew,
            odd_state,
            miscount,
            denied,
            placed_last,
            jobs,
            lost: mishaps.0,
            deregistered_after_s: mishaps.1,
            undrained_after_s: mishaps.2,
            drained_before_s,
            interrupted,
        },
    )
}

fn service() -> impl Strategy<Value = ServicePlan> {
    let minimum = prop_oneof![Just(0_u32), Just(100), 0_u32..=100];
    let percents = (minimum, prop_oneof![Just(100_u32), Just(200), 100_u32..=200]);
    let times = (weighted(0.4, (0_u64..60, any::<bool>())), 0_u64..20, 0_u64..40);
    (0_usize..3, 1_usize..=4, percents, weighted(0.2, Just(())), times).prop_map(
        |(cluster, desired, (minimum, maximum), daemon, (load_balancer, start_s, stop_s))| ServicePlan {
            cluster,
            desired,
            minimum_healthy_percent: minimum,
            maximum_percent: maximum,
            daemon: daemon.is_some(),
            deregistration_s: load_balancer.map(|(seconds, _)| seconds),
            stop_task_waits: load_balancer.is_some_and(|(_, waits)| waits),
            start_s,
            stop_s,
        },
    )
}

fn fault() -> impl Strategy<Value = FaultPlan> {
    let kind = prop_oneof![
        Just(Harm::Throttle),
        Just(Harm::ServerError),
        Just(Harm::AccessDenied),
        Just(Harm::DropConnection),
        Just(Harm::LoseAnswer),
        Just(Harm::Slow),
    ];
    (weighted(0.85, 0_usize..ASKED.len()), 0_u32..6, 1_u32..4, kind)
        .prop_map(|(operation, after, times, kind)| FaultPlan { operation, after, times, kind })
}

fn reconcile() -> impl Strategy<Value = ReconcilePlan> {
    // Longer than two thirds is longer than the pause between two heartbeats forgives.
    let away = weighted(0.25, (0_usize..6, prop_oneof![20_u64..=90, 67_u64..=90]));
    let doubled = weighted(0.15, 1_u64..50);
    (0_u64..60, 0_u64..3_000, vec(0_usize..20, 0..=2), away, doubled).prop_map(
        |(phase_s, jitter_ms, skipped, away, doubled_after_s)| ReconcilePlan {
            phase_s,
            jitter_ms,
            skipped,
            away,
            doubled_after_s,
        },
    )
}
