//! A history as plain data: a world, and what happens in it. Small numbers all through, so that a failure shrinks well.

use proptest::collection::vec;
use proptest::option::{of, weighted};
use proptest::prelude::*;
use shared::config::OnDrainTimeout;
use shared::drain::facts::departure::Destination;
use simulator::world::Operation;

/// The operations that the functions call.
pub(crate) const ASKED: [Operation; 15] = [
    Operation::ListClusters,
    Operation::ListContainerInstances,
    Operation::DescribeContainerInstances,
    Operation::UpdateContainerInstancesState,
    Operation::ListTasks,
    Operation::DescribeTasks,
    Operation::StopTask,
    Operation::DescribeServices,
    Operation::DescribeAutoScalingInstances,
    Operation::DescribeAutoScalingGroups,
    Operation::DescribeLifecycleHooks,
    Operation::DescribeScalingActivities,
    Operation::DescribeWarmPool,
    Operation::CompleteLifecycleAction,
    Operation::RecordLifecycleActionHeartbeat,
];

/// The operations that one host of many may be denied: those that IAM can deny by resource.
pub(crate) const DENIED: [Operation; 7] = [
    Operation::DescribeContainerInstances,
    Operation::UpdateContainerInstancesState,
    Operation::ListTasks,
    Operation::DescribeTasks,
    Operation::StopTask,
    Operation::CompleteLifecycleAction,
    Operation::RecordLifecycleActionHeartbeat,
];

#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) world: WorldPlan,
    pub(crate) policy: PolicyPlan,
    pub(crate) hosts: Vec<HostPlan>,
    pub(crate) services: Vec<ServicePlan>,
    pub(crate) faults: Vec<FaultPlan>,
    pub(crate) outage: Option<OutagePlan>,
    /// The policy of a second stack, whose hook is the second of [`GroupPlan::TwoOfOurs`].
    pub(crate) second_stack: Option<PolicyPlan>,
    /// Whether each invocation finds a new environment.
    pub(crate) always_cold: bool,
    pub(crate) reconcile: ReconcilePlan,
    /// How long after a message is visible it is received.
    pub(crate) received_after_ms: u64,
    /// Invocations that die: which, in the order of their start, and after how many milliseconds.
    pub(crate) kills: Vec<(usize, u64)>,
    /// For ids, latencies and jitter.
    pub(crate) seed: u64,
}

impl Plan {
    /// The policy of each stack.
    pub(crate) fn policies(&self) -> impl Iterator<Item = &PolicyPlan> {
        [&self.policy].into_iter().chain(&self.second_stack)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct WorldPlan {
    pub(crate) clusters: usize,
    /// Whether only the first cluster is watched, or all.
    pub(crate) only_first_watched: bool,
    pub(crate) list_lag_ms: u64,
    pub(crate) description_lag_ms: u64,
    pub(crate) write_answers_lag: bool,
    pub(crate) page_size: usize,
    pub(crate) empty_pages: bool,
    pub(crate) latency_ms: u64,
    pub(crate) quotas: bool,
    pub(crate) hook_timeout_s: u64,
    /// A batch of so many events counts as full: worlds are small.
    pub(crate) full_batch: usize,
    /// How long after it began a termination's state says that it waits.
    pub(crate) waits_after_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OutagePlan {
    pub(crate) begins_at_s: u64,
    pub(crate) lasts_s: u64,
    /// How AWS does not answer.
    pub(crate) silence: Harm,
    /// Whether Auto Scaling answers all the time.
    pub(crate) of_ecs_alone: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct PolicyPlan {
    pub(crate) drain_timeout_s: u64,
    pub(crate) on_drain_timeout: OnDrainTimeout,
    pub(crate) stop_standalone: bool,
    pub(crate) agent_lost_s: u64,
    pub(crate) spot_stop_lead_s: u64,
    /// What the hook of [`GroupPlan::Overriding`] says instead.
    pub(crate) overrides: OverridesPlan,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OverridesPlan {
    pub(crate) drain_timeout_s: u64,
    pub(crate) on_drain_timeout: OnDrainTimeout,
    /// The cluster in which to look first, if it names one, modulo their number; a wrong one, perhaps.
    pub(crate) cluster: Option<usize>,
}

#[derive(Debug, Clone)]
pub(crate) struct HostPlan {
    /// In which cluster, modulo their number.
    pub(crate) cluster: Option<usize>,
    pub(crate) leaves_at_s: u64,
    /// How long after that each copy of the event comes; none if it is lost.
    pub(crate) events_after_s: Vec<u64>,
    pub(crate) group: GroupPlan,
    /// Where it goes when it leaves.
    pub(crate) to: Destination,
    /// Where it was registered before, besides.
    pub(crate) registered_too: Option<RegisteredToo>,
    /// When its agent registers it anew, after it leaves.
    pub(crate) registers_anew: Option<RegistersAnew>,
    /// The state that its container instance is in when the history begins.
    pub(crate) odd_state: Option<OddState>,
    /// What its `pendingTasksCount` is wrong by.
    pub(crate) miscount: Option<i64>,
    /// From when on requests that name its container instance or its tasks are denied: one of [`DENIED`], by its place.
    pub(crate) denied: Option<(usize, u64)>,
    /// Tasks that no service owns: when they end by themselves, and how long they take to stop, in seconds.
    pub(crate) jobs: Vec<(Option<u64>, u64)>,
    /// A task that is placed on it about when it leaves, while it is ACTIVE.
    pub(crate) placed_last: Option<PlacedLast>,
    /// When its agent is disconnected, after it leaves.
    pub(crate) lost: Option<AgentLost>,
    /// When an operator deregisters its container instance, after it leaves.
    pub(crate) deregistered_after_s: Option<u64>,
    /// When an operator sets it ACTIVE again, after it leaves.
    pub(crate) undrained_after_s: Option<u64>,
    /// How long before the history an earlier drain of it began, that left all of its attributes.
    pub(crate) drained_before_s: Option<u64>,
    /// Whether it is a Spot instance that EC2 interrupts.
    pub(crate) interrupted: Option<InterruptionPlan>,
}

impl HostPlan {
    /// Whether Auto Scaling terminates it.
    pub(crate) fn is_scaled_in(&self) -> bool {
        self.interrupted.as_ref().is_none_or(|interruption| interruption.scaled_in_too)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InterruptionPlan {
    pub(crate) noticed_at_s: u64,
    /// How long after that each copy of the notice is sent to the queue; none if it is lost.
    pub(crate) sent_after_s: Vec<u64>,
    /// Whether Auto Scaling terminates the host, too, before or after it.
    pub(crate) scaled_in_too: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AgentLost {
    pub(crate) after_s: u64,
    /// Whether Auto Scaling finds it unhealthy.
    pub(crate) unhealthy: bool,
    /// When it is connected again.
    pub(crate) back_after_s: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RegisteredToo {
    pub(crate) in_next_cluster: bool,
    /// Whether a task there reads RUNNING for ever, though nothing runs there any more.
    pub(crate) phantom: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RegistersAnew {
    pub(crate) after_s: u64,
    pub(crate) in_next_cluster: bool,
    /// A task is placed there: when it ends by itself, and how long it takes to stop, in seconds.
    pub(crate) job: (Option<u64>, u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PlacedLast {
    /// From six seconds before it leaves.
    pub(crate) after_ms: u64,
    /// When it ends by itself, and how long it takes to stop, in seconds.
    pub(crate) job: (Option<u64>, u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OddState {
    pub(crate) state: &'static str,
    /// When it becomes ACTIVE, if it does.
    pub(crate) until_s: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GroupPlan {
    Ours,
    /// With two hooks that are both ours.
    TwoOfOurs,
    /// With a hook whose NotificationMetadata overrides the settings.
    Overriding,
    /// Ours beside another's hook, which is completed so many seconds after the host leaves.
    OursAndTheirs(u64),
    Theirs,
}

#[derive(Debug, Clone)]
pub(crate) struct ServicePlan {
    pub(crate) cluster: usize,
    pub(crate) desired: usize,
    pub(crate) minimum_healthy_percent: u32,
    pub(crate) maximum_percent: u32,
    pub(crate) daemon: bool,
    pub(crate) deregistration_s: Option<u64>,
    pub(crate) stop_task_waits: bool,
    pub(crate) start_s: u64,
    pub(crate) stop_s: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct FaultPlan {
    /// One of [`ASKED`], by its place; none for the next that comes, of any kind.
    pub(crate) operation: Option<usize>,
    pub(crate) after: u32,
    pub(crate) times: u32,
    pub(crate) kind: Harm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Harm {
    Throttle,
    ServerError,
    AccessDenied,
    DropConnection,
    LoseAnswer,
    Slow,
}

#[derive(Debug, Clone)]
pub(crate) struct ReconcilePlan {
    pub(crate) phase_s: u64,
    pub(crate) jitter_ms: u64,
    /// Minutes in which it is not woken.
    pub(crate) skipped: Vec<usize>,
    /// From which minute on it is not woken, for this percentage of the hook's timeout. It finds a new environment then.
    pub(crate) away: Option<(usize, u64)>,
    /// How long after each minute it is woken once more.
    pub(crate) doubled_after_s: Option<u64>,
}

impl ReconcilePlan {
    /// The first minute after it was away.
    pub(crate) fn back_at(&self, hook_timeout_s: u64) -> Option<usize> {
        let away = self.away_minutes(hook_timeout_s);
        let back = (away.end..).find(|minute| !self.skipped.contains(minute));
        back.filter(|_| !away.is_empty())
    }

    /// The minutes in which it is away. Those before and after them are as far apart as `away` says, at most.
    pub(crate) fn away_minutes(&self, hook_timeout_s: u64) -> std::ops::Range<usize> {
        let Some((from, percent)) = self.away else { return 0..0 };
        from..from + usize::try_from(hook_timeout_s * percent / 100 / 60).unwrap_or_default()
    }
}

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
