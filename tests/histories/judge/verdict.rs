//! What the judge finds at the end of a history.

use simulator::world::HookTimeout;

use super::*;
use crate::histories::plan::Harm;

/// What each failed request may cost: the longest pause before the next try, and a slow answer.
const FAULT_COSTS: Duration = Duration::from_secs(20);
/// From a notice's arrival until the last straggler was told, where they are due at once and nothing is in the way.
const FINDING_AND_TELLING_TAKES: Duration = Duration::from_secs(8);
/// From the time when stragglers are due, where the notice came early enough to have read them by then.
const TELLING_TAKES: Duration = Duration::from_secs(2);
/// That is so long before.
const READ_AHEAD: Duration = Duration::from_secs(25);
/// Lists lag by up to ten seconds, and are read again a little later.
const NEW_TASKS_ARE_FOUND_AFTER: Duration = Duration::from_secs(15);
/// What each request costs that was harmed while a notice was served: the longest pause before the next try of a drain that
/// has no time, and a slow answer.
const SPOT_FAULT_COSTS: Duration = Duration::from_secs(10);
/// What an invocation that dies costs a notice: its visibility timeout, and the next receive.
const SLICE_COSTS: Duration = Duration::from_secs(33);
/// What proof waits for beyond the last task's end: the lists settle, and the descriptions that lag catch up.
const PROVING_TAKES: Duration = Duration::from_secs(30);
/// What one host that is denied costs the others: chunks are split until it is alone.
const DENIAL_COSTS: Duration = Duration::from_secs(60);
/// From when AWS answers again, or `reconcile` is back, until a heartbeat is sent at the latest.
const COMING_BACK_TAKES: Duration = Duration::from_secs(30);
/// What a drain may cost in requests, each minute and host, far above what it does and far below a hot loop.
const REQUESTS_A_MINUTE: usize = 90;

impl Judge {
    /// What shows only at the end of a history.
    pub(crate) fn verdict(&self, world: &World) -> Result<BTreeSet<&'static str>, String> {
        if let Some(violation) = self.violations.first() {
            return Err(violation.clone());
        }
        self.never_stuck_in_a_hot_loop(world)?;
        let mut seen = self.seen.clone();
        for (id, truth) in &self.hosts {
            if self.never_lost_a_task_that_spot_lets_stop(world, id, truth)? {
                seen.insert("saved from Spot");
            }
            if truth.is_ours() {
                seen.extend(truth.kinds(&self.plan.world));
                self.never_lost(world, id, truth)?;
                self.never_stuck(world, id, truth)?;
            }
        }
        Ok(seen)
    }

    /// Promise 5: the requests of a history are in proportion to its hosts and minutes.
    fn never_stuck_in_a_hot_loop(&self, world: &World) -> Result<(), String> {
        let minutes = usize::try_from(world.now().duration_since(self.start()).as_secs() / 60).unwrap() + 1;
        // Lists in small pages take so many more.
        let pages = 1 + 40 / self.plan.world.page_size;
        let at_once = self.plan.policies().count() * if self.plan.reconcile.doubled_after_s.is_some() { 2 } else { 1 };
        let most = 200 + REQUESTS_A_MINUTE * pages * minutes * self.hosts.len() * at_once;
        if world.requests().len() > most {
            let mut counts: BTreeMap<_, usize> = BTreeMap::new();
            world.requests().iter().for_each(|it| *counts.entry(it.request.operation().name()).or_default() += 1);
            return Err(format!("never stuck: {} requests in {minutes} minutes: {counts:?}", world.requests().len()));
        }
        Ok(())
    }

    /// Promise 3, for a Spot interruption: the power kills no task that a StopTask could have saved. Answers whether
    /// the drainer saved one.
    fn never_lost_a_task_that_spot_lets_stop(&self, world: &World, id: &str, truth: &Truth) -> Result<bool, String> {
        let (Some(noticed_at), Some(told_at)) = (truth.noticed_at(), truth.told_at()) else { return Ok(false) };
        if !truth.is_plain() || self.plan.outage.is_some() {
            return Ok(false);
        }
        let power_goes = noticed_at + SPOT_NOTICE;
        let due = self.due_to_stop(id, told_at, power_goes);
        let is_found = |task: &Task| task.created_at + NEW_TASKS_ARE_FOUND_AFTER <= due;
        let savable = |task: &&Task| due + task.stopping_takes() <= power_goes && is_found(task);
        let killed = world.killed().iter().filter(|killed| killed.instance_id == id && killed.at >= power_goes);
        for killed in killed {
            let task = world.tasks().find(|task| task.arn == killed.task).unwrap();
            // A task that ECS had told to stop before takes as long as ECS gives it.
            let told_late = task.stopping_at.is_none_or(|stopping_at| stopping_at > due);
            if told_late && savable(&task) {
                let (task, at, was) = (&killed.task, killed.at, killed.last_status);
                return Err(format!(
                    "never lost: {task} was killed at {at} while {was}, though told by {due} it would have stopped"
                ));
            }
        }
        let by_us = |task: &&Task| task.stop_code.as_deref() == Some("UserInitiated");
        Ok(world.tasks_on(id).iter().filter(|task| by_us(task)).any(savable))
    }

    /// Promise 3: the drainer has released every host that it may release, and no task was killed.
    fn never_lost(&self, world: &World, id: &str, truth: &Truth) -> Result<(), String> {
        // Of one that is denied nothing can be said but that it is not released early.
        if truth.plan.denied.is_some() {
            return Ok(());
        }
        let may_wait = truth.hooks().iter().any(|hook| self.policy_of(truth, hook).1 == OnDrainTimeout::Wait);
        let all_stopped = world.tasks_on(id).iter().all(|task| task.last_status == LastStatus::Stopped);
        let dead = truth.dead().is_some_and(|(_, back)| back == Timestamp::MAX);
        let is_empty = all_stopped && !truth.refuses() && !truth.has_lost_two_agents();
        if still_held(world, id) && (!may_wait || is_empty || dead) {
            return Err(format!("never lost: {id} still waits at the end, {:?}", world.lifecycle_state(id)));
        }
        if self.plan.outage.is_some() || !truth.is_plain() {
            return Ok(());
        }
        let by_spot = truth.noticed_at().map(|noticed_at| noticed_at + SPOT_NOTICE);
        let by_release = |killed: &&Killed| killed.instance_id == id && Some(killed.at) != by_spot;
        let timed_out = world.hook_timeouts().iter().any(|timeout| timeout.instance_id == id);
        if let Some(killed) = world.killed().iter().find(by_release).filter(|_| !truth.given_up && !timed_out) {
            return Err(format!("never lost: {} was killed at {}", killed.task, killed.at));
        }
        Ok(())
    }

    /// Promise 5: no hook of ours timed out, and the release came soon after it was safe.
    fn never_stuck(&self, world: &World, id: &str, truth: &Truth) -> Result<(), String> {
        if self.plan.outage.is_some_and(|outage| !outage.of_ecs_alone) || truth.plan.denied.is_some() {
            return Ok(());
        }
        let ours = |timeout: &&HookTimeout| timeout.instance_id == id && is_ours(&timeout.hook);
        let saved = |timeout: &&HookTimeout| !truth.refuses() && !self.is_helpless(timeout.at);
        if let Some(timeout) = world.hook_timeouts().iter().filter(ours).find(saved) {
            return Err(format!("never stuck: our hook on {id} timed out at {}", timeout.at));
        }
        for release in world.releases().iter().filter(|r| r.instance_id == id && is_ours(&r.hook)) {
            let due = self.due(world, id, truth, &release.hook);
            if release.at > due && truth.is_plain() {
                return Err(format!("never stuck: {id} was released at {}, and could have been at {due}", release.at));
            }
        }
        Ok(())
    }

    /// Whether nothing was there that could have sent a heartbeat in time: `reconcile` was away, or ECS denied what a host
    /// needs to be set DRAINING.
    fn is_helpless(&self, at: Timestamp) -> bool {
        let denied = self.plan.outage.filter(|outage| outage.silence == Harm::AccessDenied).is_some_and(|outage| {
            let ends_at = self.start() + Duration::from_secs(outage.begins_at_s + outage.lasts_s);
            // The next minute comes, and its reads.
            at < ends_at + Duration::from_secs(60) + COMING_BACK_TAKES + self.in_the_way()
        });
        let Some((from, to)) = self.away() else { return denied };
        let while_back = |then: &&Timestamp| (to..at).contains(*then);
        let harmed = u32::try_from(self.harmed.iter().filter(while_back).count()).unwrap();
        let killed = u32::try_from(self.killed_at.iter().filter(while_back).count()).unwrap();
        let back_at = self.plan.reconcile.back_at(self.plan.world.hook_timeout_s).unwrap_or_default();
        // A minute that does not come once it is back is one more that it was away.
        let skipped =
            self.plan.reconcile.skipped.iter().filter(|minute| (back_at..=back_at + 2).contains(*minute)).count();
        let missed = killed + u32::try_from(skipped).unwrap();
        let comes_back = COMING_BACK_TAKES + FAULT_COSTS * harmed + Duration::from_secs(60) * missed;
        denied || (from..to + comes_back).contains(&at)
    }

    /// From when to when `reconcile` is away.
    fn away(&self) -> Option<(Timestamp, Timestamp)> {
        let reconcile = &self.plan.reconcile;
        let from = reconcile.away_minutes(self.plan.world.hook_timeout_s).start;
        let to = reconcile.back_at(self.plan.world.hook_timeout_s)?;
        let at = |minute: usize| {
            let minute = u64::try_from(minute).unwrap();
            let jitter = Duration::from_millis(reconcile.jitter_ms * (minute % 3));
            self.start() + Duration::from_secs(reconcile.phase_s + 60 * minute) + jitter
        };
        Some((at(from), at(to)))
    }

    /// What the history puts in the way of any host, an outage and an absence excepted.
    fn in_the_way(&self) -> Duration {
        FAULT_COSTS * self.faults() + Duration::from_secs(60) * u32::try_from(self.hindrances()).unwrap()
    }

    /// When the last straggler must have been told, given what was in the way.
    fn due_to_stop(&self, id: &str, told_at: Timestamp, power_goes: Timestamp) -> Timestamp {
        let received_at = told_at + Duration::from_millis(self.plan.received_after_ms);
        let stop_at = power_goes - self.lead();
        let early = received_at + READ_AHEAD <= stop_at;
        let takes = if early { TELLING_TAKES } else { FINDING_AND_TELLING_TAKES };
        let while_served = |at: &Timestamp| (told_at..power_goes).contains(at);
        let harmed = self.harmed.iter().filter(|at| while_served(at)).count();
        let died =
            self.died.iter().filter(|(at, hosts)| while_served(at) && hosts.iter().any(|host| host == id)).count();
        let in_the_way = SPOT_FAULT_COSTS * u32::try_from(harmed).unwrap() + SLICE_COSTS * u32::try_from(died).unwrap();
        received_at.max(stop_at) + takes + in_the_way
    }

    pub(super) fn lead(&self) -> Duration {
        Duration::from_secs(self.plan.policy.spot_stop_lead_s)
    }

    fn faults(&self) -> u32 {
        self.plan.faults.iter().map(|fault| fault.times).sum()
    }

    fn start(&self) -> Timestamp {
        self.hosts.values().map(|truth| truth.start).min().unwrap_or_default()
    }

    /// The latest time for a release: when all had stopped, or the deadline's grace was over, plus two minutes for the next
    /// invocation and its looks, plus what the history put in the way.
    fn due(&self, world: &World, id: &str, truth: &Truth, hook: &str) -> Timestamp {
        let denied = self.hosts.values().filter(|truth| truth.plan.denied.is_some()).count();
        let outage = Duration::from_secs(self.plan.outage.map_or(0, |outage| outage.lasts_s));
        let away = self.away().map_or(Duration::ZERO, |(from, to)| to.duration_since(from).try_into().unwrap());
        let apart = DENIAL_COSTS * u32::try_from(denied).unwrap() + outage + away;
        let slack = Duration::from_secs(120) + PROVING_TAKES + self.in_the_way() + apart;
        let stopped = truth.stopped_at.or(world.last_stopped_at(id)).unwrap_or(truth.leaves_at).max(truth.leaves_at);
        let given_up = self.stop_at(truth, hook) + GRACE;
        let natural = match self.policy_of(truth, hook).1 {
            OnDrainTimeout::Wait => stopped,
            _ if truth.given_up => given_up,
            _ => stopped.min(given_up),
        };
        natural + slack
    }

    fn hindrances(&self) -> usize {
        self.plan.kills.len() + self.plan.reconcile.skipped.len()
    }
}
