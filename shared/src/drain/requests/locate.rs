//! Finding the cluster of each instance, cheapest first, with one search per cluster for the whole batch.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::aws::batch::{FILTER_MAX, all_clusters, few_at_once, registered_in};
use crate::aws::{CallError, Calls, ErrorClass};
use crate::clock::Clock;
use crate::config::Config;
use crate::drain::facts::known::{Known, Place};
use crate::drain::facts::log::log_failure;
use crate::drain::facts::registration::Registration;
use crate::drain::remembered::Remembered;
use crate::ids::{ClusterName, GroupName, InstanceId};

/// What a search said of one instance.
#[derive(Debug)]
pub(crate) enum Located {
    /// Where it is.
    At(Place, Vec<Registration>),
    /// Some cluster did not answer; these did, that it is not with them.
    SomeSilent { answered: Vec<ClusterName>, error: Rc<CallError> },
}

/// The search for one instance, as far as it has come.
struct Search<'a> {
    instance: &'a InstanceId,
    group: Option<&'a GroupName>,
    hint: Option<&'a ClusterName>,
    answered: BTreeSet<ClusterName>,
    found: Vec<Registration>,
    silent: Option<Silent>,
}

/// Clusters that did not answer.
struct Silent {
    /// Every one of them because we have no right to ask.
    denied: bool,
    /// One of them at least is watched.
    watched: bool,
    /// The newest error that is no denial, or else the newest.
    error: Rc<CallError>,
}

#[derive(Clone, Copy)]
enum Stage {
    Hinted,
    Watched,
    Every,
}

/// Searches for every one of `wanted`; answers in their order.
pub(super) async fn locate<C: Calls>(
    calls: &C,
    config: &Config,
    remembered: &Remembered,
    clock: &Clock,
    wanted: &[&Known],
) -> Vec<Located> {
    let mut searches: Vec<_> = wanted.iter().map(|known| Search::of(known)).collect();
    for stage in [Stage::Hinted, Stage::Watched, Stage::Every] {
        let every = match stage {
            Stage::Every if searches.iter().any(|s| s.goes_on(config)) => all_clusters(calls).await,
            _ => Ok(Vec::new()),
        };
        let every = match every {
            Ok(every) => every,
            Err(error) => {
                log_failure("finding the clusters", &error);
                let error = Rc::new(error);
                searches.iter_mut().filter(|s| s.goes_on(config)).for_each(|s| s.unanswered(&error, true));
                break;
            }
        };
        let mut wanted: BTreeMap<ClusterName, BTreeSet<InstanceId>> = BTreeMap::new();
        for search in searches.iter().filter(|s| s.goes_on(config)) {
            for cluster in search.clusters(stage, config, remembered, &every) {
                wanted.entry(cluster).or_default().insert(search.instance.clone());
            }
        }
        let wanted: Vec<(_, Vec<_>)> = wanted.into_iter().map(|(c, ids)| (c, ids.into_iter().collect())).collect();
        let mut asked: Vec<(&ClusterName, &[InstanceId])> = Vec::new();
        for (cluster, instances) in &wanted {
            asked.extend(instances.chunks(FILTER_MAX).map(|chunk| (cluster, chunk)));
        }
        let requests = asked.iter().map(|(cluster, instances)| registered_in(calls, cluster, instances));
        for ((cluster, instances), answer) in asked.iter().zip(few_at_once(requests).await) {
            let answer = answer.map_err(Rc::new);
            if let Err(error) = &answer {
                log_failure("searching a cluster", error);
            }
            for search in searches.iter_mut().filter(|s| instances.contains(s.instance)) {
                match &answer {
                    Ok(found) => {
                        search.answered.insert((*cluster).clone());
                        let here = found.iter().filter(|c| c.instance.as_ref() == Some(search.instance));
                        search.found.extend(here.map(|c| Registration::new((*cluster).clone(), c, clock.now())));
                    }
                    Err(error) => search.unanswered(error, config.watches(cluster)),
                }
            }
        }
    }
    searches.into_iter().map(|search| search.concluded(config, remembered)).collect()
}

impl<'a> Search<'a> {
    fn of(known: &'a Known) -> Self {
        let ours = known.ours();
        Self {
            instance: &known.departure.instance,
            group: ours.map(|ours| &ours.group).or(known.hints.group.as_ref()),
            hint: ours.and_then(|ours| ours.overrides.cluster.as_ref()).or(known.hints.cluster.as_ref()),
            answered: known.searched.iter().cloned().collect(),
            found: Vec::new(),
            silent: None,
        }
    }

    fn clusters(
        &self,
        stage: Stage,
        config: &Config,
        remembered: &Remembered,
        every: &[ClusterName],
    ) -> Vec<ClusterName> {
        let clusters: Vec<_> = match stage {
            Stage::Hinted => {
                let hint = self.hint.cloned().or_else(|| remembered.cluster_of(self.instance, self.group));
                hint.filter(|hint| config.watches(hint)).into_iter().collect()
            }
            Stage::Watched => config.clusters.clone(),
            Stage::Every => every.to_vec(),
        };
        clusters.into_iter().filter(|cluster| !self.answered.contains(cluster)).collect()
    }

    /// Whether the next stage is to be asked: not once it is found where we may act, nor when asking more would only
    /// add to what throttles us. A cluster that denies us may well be another team's.
    fn goes_on(&self, config: &Config) -> bool {
        !self.is_found(config) && self.silent.as_ref().is_none_or(|silent| silent.denied)
    }

    /// Only a live registration ends a search: an agent that lost its state, or moved to another cluster, leaves one behind.
    fn is_found(&self, config: &Config) -> bool {
        self.watched(config).any(|registration| registration.agent_lost_at.is_none())
    }

    fn watched(&self, config: &Config) -> impl Iterator<Item = &Registration> {
        self.found.iter().filter(|registration| config.watches(&registration.cluster))
    }

    fn unanswered(&mut self, error: &Rc<CallError>, watched: bool) {
        let before = self.silent.as_ref();
        let denied = error.class() == ErrorClass::Denied && before.is_none_or(|silent| silent.denied);
        let watched = watched || before.is_some_and(|silent| silent.watched);
        // A denial beside other failures is not why it is unknown.
        let other = before.filter(|_| !denied && error.class() == ErrorClass::Denied).map(|silent| &silent.error);
        let error = other.unwrap_or(error).clone();
        self.silent = Some(Silent { denied, watched, error });
    }

    fn concluded(mut self, config: &Config, remembered: &Remembered) -> Located {
        let all_watched_told = self.silent.as_ref().is_none_or(|silent| !silent.watched);
        if self.is_found(config) || (all_watched_told && self.watched(config).next().is_some()) {
            self.found.retain(|registration| config.watches(&registration.cluster));
            if let Some(live) = self.found.iter().find(|registration| registration.agent_lost_at.is_none()) {
                remembered.remember_cluster_of(self.instance, self.group, &live.cluster);
            }
            return Located::At(Place::Registered, self.found);
        }
        // What is found elsewhere is not ours, unless a cluster that we watch may hold it, too.
        match (self.silent, self.found.first()) {
            (Some(silent), found) if silent.watched || found.is_none() => {
                // What was found in an unwatched cluster must be found again.
                let held: BTreeSet<_> = self.found.iter().map(|registration| &registration.cluster).collect();
                let answered = self.answered.iter().filter(|cluster| !held.contains(cluster)).cloned().collect();
                Located::SomeSilent { answered, error: silent.error }
            }
            (_, Some(elsewhere)) => Located::At(Place::Unwatched(elsewhere.cluster.clone()), Vec::new()),
            (_, None) => Located::At(Place::Nowhere, Vec::new()),
        }
    }
}
