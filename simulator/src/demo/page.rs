//! The demo as a page that stands by itself: a lane for each host, its tasks by state over time, and what was done when.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde_json::{Value, json};
use simulator::world::{AutoScalingRequest, EcsRequest, LastStatus, Outcome, Recorded, Request, World};

use super::{screen::since, summary::Summary};
use crate::tell::{self, News, What, last_part, tasks};

/// The page; the recording stands where this word does.
const PAGE: &str = include_str!("page.html");
const RECORDING: &str = "RECORDING";

/// A demo's news are a few hundred; a page of many more would be slow.
const NEWS_MAX: usize = 10_000;

/// All that happened, and what there was before it.
#[derive(Debug)]
pub(crate) struct Recording {
    began: Timestamp,
    lanes: BTreeMap<String, Tasks>,
    news: Vec<News>,
}

/// Each task that has not stopped.
type Tasks = BTreeMap<String, LastStatus>;

impl Recording {
    /// From now on.
    pub(crate) fn from_here(world: &World) -> Recording {
        let on = |id: &str| {
            let unstopped = world.tasks_on(id).into_iter().filter(|task| task.last_status != LastStatus::Stopped);
            unstopped.map(|task| (task.id.clone(), task.last_status)).collect()
        };
        let lanes = world.hosts().map(|host| (host.instance_id.to_owned(), on(host.instance_id))).collect();
        Recording { began: world.now(), lanes, news: Vec::new() }
    }

    /// Takes in what happened; of very much only the beginning.
    pub(crate) fn add(&mut self, news: &[News]) {
        let room = NEWS_MAX.saturating_sub(self.news.len());
        self.news.extend(news.iter().take(room).cloned());
    }

    /// The page.
    pub(crate) fn page(&self, world: &World, leaving: &[String], setting: &str, summary: &Summary) -> String {
        let at = |time| since(self.began, time).as_secs_f64();
        let (mut first, stay): (Vec<_>, Vec<_>) = self.lanes.keys().partition(|id| leaving.contains(id));
        first.extend(stay);
        let events = self.news.iter().filter(|news| !is_read(&news.what)).map(|news| {
            let line = tell::line(&news.what, world);
            json!({"at": at(news.at), "text": format!("{}: {}", line.word, line.text)})
        });
        let recording = json!({
            "good": summary.success,
            "headline": headline(world.killed().len(), summary.success),
            "verdict": summary.verdict,
            "setting": setting,
            "seconds": at(world.now()).max(1.0),
            "hosts": first.into_iter().map(|id| self.lane(id, leaving.contains(id), world)).collect::<Vec<_>>(),
            "events": events.collect::<Vec<_>>(),
        });
        // Nothing in it may end the element that holds it.
        PAGE.replacen(RECORDING, &recording.to_string().replace('<', "\\u003c"), 1)
    }

    fn lane(&self, id: &str, leaves: bool, world: &World) -> Value {
        let at = |time| since(self.began, time).as_secs_f64();
        let mut tasks = self.lanes.get(id).cloned().unwrap_or_default();
        let at_first = tasks.len();
        let mut counts = vec![counted(0.0, &tasks)];
        let (mut marks, mut came) = (Vec::new(), BTreeSet::new());
        for News { at: time, what } in &self.news {
            match what {
                What::Change(change) if change.instance_id == id => {
                    if !tasks.contains_key(&change.task) {
                        came.insert(&change.task);
                    }
                    let status = if tell::ends(change) { LastStatus::Stopping } else { change.to };
                    tasks.insert(change.task.clone(), status);
                    tasks.retain(|_, status| *status != LastStatus::Stopped);
                }
                What::Killed(killed) if killed.instance_id == id => {
                    tasks.remove(last_part(&killed.task));
                }
                _ => {}
            }
            if counts.last().is_some_and(|last: &Value| *last != counted(0.0, &tasks)) {
                counts.push(counted(at(*time), &tasks));
            }
            if let Some((kind, text)) = mark(what, id, world) {
                marks.push(json!({"at": at(*time), "kind": kind, "text": text}));
            }
        }
        let died = world.killed().iter().filter(|killed| killed.instance_id == id).count();
        let fate = match (leaves, died, came.len()) {
            (true, 0, _) => format!("{} at first; none died", tell::tasks(at_first)),
            (_, 1.., _) => format!("{} at first; {died} died", tell::tasks(at_first)),
            (false, 0, 0) => format!("{}, as before", tell::tasks(at_first)),
            (false, 0, count) => format!("{} at first, and {count} more started here", tell::tasks(at_first)),
        };
        json!({"id": id, "leaving": leaves, "fate": fate, "counts": counts, "marks": marks})
    }
}

fn headline(killed: usize, success: bool) -> String {
    match (killed, success) {
        (0, true) => "Nothing died.".to_owned(),
        (0, false) => "Nothing died, but not all went well.".to_owned(),
        (count, _) => format!("{} died.", tasks(count)),
    }
}

/// How many tasks are in which state, in the page's words.
fn counted(at: f64, tasks: &Tasks) -> Value {
    let count = |states: &[LastStatus]| tasks.values().filter(|status| states.contains(status)).count();
    json!({
        "at": at,
        "starting": count(&[LastStatus::Provisioning, LastStatus::Pending, LastStatus::Activating]),
        "running": count(&[LastStatus::Running]),
        "deregistering": count(&[LastStatus::Deactivating]),
        "stopping": count(&[LastStatus::Stopping, LastStatus::Deprovisioning]),
    })
}

/// Whether it is a request that only reads.
fn is_read(what: &What) -> bool {
    matches!(what, What::Request(recorded) if recorded.request.operation().name().starts_with(['D', 'G', 'L']))
}

/// What is marked in a host's lane, and how: the page knows these kinds.
fn mark(what: &What, id: &str, world: &World) -> Option<(&'static str, String)> {
    let running = |unstopped: usize| format!("with {} running", tasks(unstopped));
    match what {
        What::Interrupted { instance_id, .. } if instance_id == id => {
            Some(("notice", "EC2 gives notice that it takes this Spot instance".to_owned()))
        }
        _ if tell::begins_to_leave(what) == Some(id) => {
            Some(("notice", "Auto Scaling is about to terminate it, and waits".to_owned()))
        }
        What::Host { instance_id, state: None, .. } if instance_id == id => {
            Some(("gone", "the host is gone".to_owned()))
        }
        What::Released(it) if it.instance_id == id => {
            Some(("released", format!("released {}", running(it.unstopped.len()))))
        }
        What::TimedOut(it) if it.instance_id == id => {
            Some(("timed-out", format!("the hook timed out {}", running(it.unstopped.len()))))
        }
        What::Killed(it) if it.instance_id == id => {
            let group = world.task(last_part(&it.task)).map(simulator::world::Task::group).unwrap_or_default();
            Some(("killed", format!("a task of {group} died while {}", it.last_status)))
        }
        What::Request(Recorded { request, outcome: Outcome::Answered, .. }) => of_request(request, id, world),
        _ => None,
    }
}

fn of_request(request: &Request, id: &str, world: &World) -> Option<(&'static str, String)> {
    let is_of_host = |arn: &String| world.registrations(id).any(|registration| registration.id == last_part(arn));
    match request {
        Request::Ecs(EcsRequest::UpdateContainerInstancesState { container_instances, status, .. })
            if container_instances.iter().any(is_of_host) =>
        {
            Some(("draining", format!("set {status}: it gets no new tasks")))
        }
        Request::Ecs(EcsRequest::StopTask { task, .. }) => {
            let task = world.task(last_part(task)).filter(|task| task.instance_id == id)?;
            Some(("stop", format!("the task of {} is told to stop", task.group())))
        }
        Request::AutoScaling(AutoScalingRequest::RecordLifecycleActionHeartbeat { instance_id, .. })
            if instance_id.as_deref() == Some(id) =>
        {
            Some(("heartbeat", "heartbeat: Auto Scaling waits on".to_owned()))
        }
        _ => None,
    }
}

/// Writes the page where builds leave what they make; answers where.
pub(crate) fn write(page: &str, workspace: &Path) -> io::Result<PathBuf> {
    let folder = workspace.join("target/demo");
    fs::create_dir_all(&folder)?;
    let file = folder.join("report.html");
    fs::write(&file, page)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use simulator::scenario::{self, LEAVING, Parameters};

    use super::*;
    use crate::tell::History;

    fn summary(success: bool) -> Summary {
        Summary { lines: Vec::new(), verdict: "So it ended.".to_owned(), success }
    }

    /// What a page tells of a world in which this was done.
    fn recorded(act: impl FnOnce(&mut World)) -> Value {
        let start = Timestamp::UNIX_EPOCH;
        let mut world = scenario::demo(start, &Parameters::default()).unwrap();
        let (mut history, mut recording) = (History::from_here(&world), Recording::from_here(&world));
        act(&mut world);
        recording.add(&history.news(&world));
        let page = recording.page(&world, &[LEAVING.to_owned()], "</script>", &summary(true));
        assert_eq!(page.matches("</script>").count(), 2, "what it holds cannot end an element");
        let (_, data) = page.split_once("id=\"recording\">").unwrap();
        serde_json::from_str(data.split_once("</script>").unwrap().0).unwrap()
    }

    fn kinds(host: &Value) -> Vec<&str> {
        host["marks"].as_array().unwrap().iter().map(|mark| mark["kind"].as_str().unwrap()).collect()
    }

    #[test]
    fn a_host_that_goes_with_its_tasks_has_them_marked_and_none_left() {
        let told = recorded(|world| {
            world.scale_in(LEAVING, Timestamp::UNIX_EPOCH + Duration::from_secs(2)).unwrap();
            world.power_off(LEAVING).unwrap();
        });
        let leaving = &told["hosts"][0];
        assert_eq!((leaving["id"].as_str(), leaving["leaving"].as_bool()), (Some(LEAVING), Some(true)));
        let killed = kinds(leaving).iter().filter(|kind| **kind == "killed").count();
        assert!(killed > 0 && told["headline"] == format!("{} died.", tasks(killed)), "{told}");
        assert_eq!(
            (leaving["counts"][0]["running"].as_u64(), kinds(leaving).contains(&"notice")),
            (Some(3), false),
            "{leaving}"
        );
        let last = leaving["counts"].as_array().unwrap().last().unwrap();
        assert_eq!((last["running"].as_u64(), last["stopping"].as_u64()), (Some(0), Some(0)), "{leaving}");
    }

    #[test]
    fn the_headline_promises_no_more_than_is_so() {
        assert_eq!(headline(0, true), "Nothing died.");
        assert_eq!(headline(0, false), "Nothing died, but not all went well.");
        assert_eq!(headline(1, false), "1 task died.");
    }

    #[test]
    fn where_nothing_happens_there_are_no_marks_and_the_hosts_stand_in_their_order() {
        let told = recorded(|_| {});
        let hosts = told["hosts"].as_array().unwrap();
        assert_eq!((hosts.len(), told["headline"].as_str()), (3, Some("Nothing died.")));
        assert_eq!(
            hosts.iter().map(|host| host["leaving"].as_bool().unwrap()).collect::<Vec<_>>(),
            [true, false, false]
        );
        assert!(hosts.iter().all(|host| kinds(host).is_empty() && host["counts"].as_array().unwrap().len() == 1));
    }
}
