//! Finding the cluster of each instance, cheapest first, with one search per cluster for the whole batch.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use jiff::Timestamp;

use crate::aws::batch::{
    Answers, FILTER_MAX, all_clusters, errors_by_key, hides_one_member, registered_in, registered_in_small,
    until_throttled,
};
use crate::aws::{CallError, Calls, ContainerInstance, ErrorClass};
use crate::config::Config;
use crate::drain::context::Context;
use crate::drain::facts::known::{FoundIn, Known};
use crate::drain::facts::log::log_failure;
use crate::drain::remembered::Remembered;
use crate::ids::{ClusterName, GroupName, InstanceId};

/// What a search said of one instance.
#[derive(Debug)]
pub(crate) enum Located {
    /// Where it is, by answers that were asked for at this time or later.
    In(FoundIn, Timestamp),
    /// So many clusters did not answer; these did, that it is not with them, when asked at these times.
    SomeSilent {
        answered: BTreeMap<ClusterName, Timestamp>,
        /// In watched clusters; none of them live.
        found: Vec<(ClusterName, ContainerInstance)>,
        silent: usize,
        error: Rc<CallError>,
    },
}

/// The search for one instance, as far as it has come.
struct Search<'a> {
    instance: &'a InstanceId,
    group: Option<&'a GroupName>,
    hint: Option<&'a ClusterName>,
    began_at: Timestamp,
    answered: BTreeMap<ClusterName, Timestamp>,
    found: Vec<(ClusterName, ContainerInstance)>,
    silent: Option<Silent>,
}

/// Clusters that did not answer.
struct Silent {
    /// Every one of them because we have no right to ask.
    denied: bool,
    /// One of them at least is watched.
    watched: bool,
    /// How many.
    clusters: usize,
    /// The newest error that is no denial, or else the newest.
    error: Rc<CallError>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Hinted,
    Watched,
    Every,
}

/// The clusters to be asked, each for these searches, by index.
type Asked = BTreeMap<ClusterName, Vec<usize>>;

/// Searches for every one of `wanted`; answers in their order.
pub(super) async fn locate<C: Calls>(context: &Context<'_, C>, wanted: &[&Known]) -> Vec<Located> {
    let config = context.config;
    let mut searches: Vec<_> = wanted.iter().map(|known| Search::of(known, context.clock.now())).collect();
    for stage in [Stage::Hinted, Stage::Watched, Stage::Every] {
        let every = match stage {
            Stage::Every if searches.iter().any(|s| s.goes_on(config)) => all_clusters(context.calls).await,
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
        let mut asked = Asked::new();
        for (index, search) in searches.iter().enumerate().filter(|(_, s)| s.goes_on(config)) {
            for cluster in search.clusters(stage, config, context.remembered, &every) {
                asked.entry(cluster).or_default().push(index);
            }
        }
        // Where a host is hinted at, it is. Elsewhere most are not, and a cluster of one page is listed in one request.
        if stage != Stage::Hinted {
            asked = ask_small_clusters(context, &mut searches, asked).await;
        }
        ask_by_filter(context, &mut searches, &asked).await;
    }
    searches.into_iter().map(|search| search.concluded(config, context.remembered)).collect()
}

/// What a cluster told of the hosts that it was asked for.
struct Told {
    asked_at: Timestamp,
    found: BTreeMap<InstanceId, Vec<ContainerInstance>>,
    unknown: BTreeMap<InstanceId, Rc<CallError>>,
}

impl Told {
    fn of(answers: Answers<InstanceId, ContainerInstance>, asked_at: Timestamp) -> Self {
        let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for it in answers.found {
            let Some(instance) = it.instance.clone() else { continue };
            found.entry(instance).or_default().push(it);
        }
        answers.unknown.iter().for_each(|unknown| log_failure("searching a cluster", &unknown.error));
        Self { asked_at, found, unknown: errors_by_key(answers.unknown) }
    }

    fn throttled(&self) -> Option<&Rc<CallError>> {
        self.unknown.values().find(|error| error.is_throttled())
    }
}

/// Lists a cluster whole where the search wants more hosts of it than a filter takes; answers what is left to be asked.
async fn ask_small_clusters<C: Calls>(
    context: &Context<'_, C>,
    searches: &mut [Search<'_>],
    mut asked: Asked,
) -> Asked {
    let crowded = asked.iter().filter(|(_, each)| each.len() > FILTER_MAX);
    let crowded: Vec<_> = crowded.map(|(cluster, each)| (cluster.clone(), instances(searches, each))).collect();
    let requests = crowded.iter().map(|(cluster, instances)| async move {
        let asked_at = context.clock.now();
        Some(Told::of(registered_in_small(context.calls, cluster, instances).await?, asked_at))
    });
    let told = until_throttled(requests, |told| told.as_ref().is_some_and(|told| told.throttled().is_some())).await;
    let throttled = told.iter().flatten().flatten().find_map(Told::throttled).cloned();
    for ((cluster, _), told) in crowded.iter().zip(&told) {
        // One that has more than a page of hosts is left, and one in which some host hides others.
        let is_left =
            |told: &Option<Told>| told.as_ref().is_none_or(|told| told.unknown.values().any(|it| hides_one_member(it)));
        if told.as_ref().is_some_and(is_left) {
            continue;
        }
        let each = asked.remove(cluster).unwrap_or_default();
        take(context.config, searches, cluster, &each, told.as_ref().and_then(Option::as_ref), throttled.as_ref());
    }
    asked
}

/// Asks each cluster for the hosts that are wanted of it, a hundred in a request, until AWS throttles.
async fn ask_by_filter<C: Calls>(context: &Context<'_, C>, searches: &mut [Search<'_>], asked: &Asked) {
    let chunks: Vec<_> =
        asked.iter().flat_map(|(cluster, each)| each.chunks(FILTER_MAX).map(move |chunk| (cluster, chunk))).collect();
    let named: Vec<_> = chunks.iter().map(|(cluster, chunk)| (*cluster, instances(searches, chunk))).collect();
    let requests = named.iter().map(|(cluster, instances)| async move {
        let asked_at = context.clock.now();
        Told::of(registered_in(context.calls, cluster, instances).await, asked_at)
    });
    let told = until_throttled(requests, |told| told.throttled().is_some()).await;
    let throttled = told.iter().flatten().find_map(Told::throttled).cloned();
    for ((cluster, chunk), told) in chunks.into_iter().zip(&told) {
        take(context.config, searches, cluster, chunk, told.as_ref(), throttled.as_ref());
    }
}

fn instances(searches: &[Search<'_>], indexes: &[usize]) -> Vec<InstanceId> {
    let named: BTreeSet<_> = indexes.iter().filter_map(|index| Some(searches.get(*index)?.instance)).collect();
    named.into_iter().cloned().collect()
}

/// Gives each search its part of what a cluster told. One that was not asked, because others of its kind were throttled, is
/// as silent as they.
fn take(
    config: &Config,
    searches: &mut [Search<'_>],
    cluster: &ClusterName,
    each: &[usize],
    told: Option<&Told>,
    throttled: Option<&Rc<CallError>>,
) {
    for index in each {
        let Some(search) = searches.get_mut(*index) else { continue };
        let Some(Told { asked_at, found, unknown }) = told else {
            if let Some(error) = throttled {
                search.unanswered(error, config.watches(cluster));
            }
            continue;
        };
        // A cluster that did not tell all may be asked in two stages.
        search.found.retain(|(found_in, _)| found_in != cluster);
        let here = found.get(search.instance).into_iter().flatten();
        search.found.extend(here.map(|found| (cluster.clone(), found.clone())));
        match unknown.get(search.instance) {
            Some(error) => search.unanswered(error, config.watches(cluster)),
            None => {
                search.answered.insert(cluster.clone(), *asked_at);
            }
        }
    }
}

impl<'a> Search<'a> {
    fn of(known: &'a Known, now: Timestamp) -> Self {
        let ours = known.ours();
        Self {
            instance: &known.departure.instance,
            group: ours.map(|ours| &ours.group).or(known.hints.group.as_ref()),
            hint: ours.and_then(|ours| ours.overrides.cluster.as_ref()).or(known.hints.cluster.as_ref()),
            began_at: now,
            answered: known.not_in(now),
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
        clusters.into_iter().filter(|cluster| !self.answered.contains_key(cluster)).collect()
    }

    /// Whether the next stage is to be asked: not once it is found where we may act, nor when asking more would only
    /// add to what throttles us. A cluster that denies us may well be another team's.
    fn goes_on(&self, config: &Config) -> bool {
        !self.is_found(config) && self.silent.as_ref().is_none_or(|silent| silent.denied)
    }

    /// Only a live registration ends a search: an agent that lost its state, or moved to another cluster, leaves one behind.
    fn is_found(&self, config: &Config) -> bool {
        self.live().is_some_and(|(cluster, _)| config.watches(cluster))
    }

    /// A host has one agent.
    fn live(&self) -> Option<&(ClusterName, ContainerInstance)> {
        self.found.iter().find(|(_, found)| found.agent_connected)
    }

    fn unanswered(&mut self, error: &Rc<CallError>, watched: bool) {
        let before = self.silent.as_ref();
        let denied = error.class() == ErrorClass::Denied && before.is_none_or(|silent| silent.denied);
        let watched = watched || before.is_some_and(|silent| silent.watched);
        let clusters = before.map_or(0, |silent| silent.clusters) + 1;
        // A denial beside other failures is not why it is unknown.
        let other = before.filter(|_| !denied && error.class() == ErrorClass::Denied).map(|silent| &silent.error);
        let error = other.unwrap_or(error).clone();
        self.silent = Some(Silent { denied, watched, clusters, error });
    }

    fn concluded(mut self, config: &Config, remembered: &Remembered) -> Located {
        let asked_at = self.answered.values().min().copied().unwrap_or(self.began_at);
        let all_watched_told = self.silent.as_ref().is_none_or(|silent| !silent.watched);
        let live = self.live().map(|(cluster, _)| cluster.clone());
        let lives_elsewhere = live.as_ref().is_some_and(|cluster| !config.watches(cluster));
        let in_watched = self.found.iter().any(|(cluster, _)| config.watches(cluster));
        if self.is_found(config) || (all_watched_told && in_watched && !lives_elsewhere) {
            self.found.retain(|(cluster, _)| config.watches(cluster));
            if let Some(live) = live {
                remembered.remember_cluster_of(self.instance, self.group, &live);
            }
            return Located::In(FoundIn::Clusters(self.found), asked_at);
        }
        let elsewhere = live.or(self.found.first().map(|(cluster, _)| cluster.clone()));
        // What is found elsewhere is not ours, unless a cluster that we watch may hold it, too.
        match (self.silent, elsewhere) {
            (Some(silent), elsewhere) if silent.watched || elsewhere.is_none() => {
                // What was found in a cluster must be found again.
                self.answered.retain(|cluster, _| !self.found.iter().any(|(found_in, _)| found_in == cluster));
                self.found.retain(|(cluster, _)| config.watches(cluster));
                let Silent { clusters, error, .. } = silent;
                Located::SomeSilent { answered: self.answered, found: self.found, silent: clusters, error }
            }
            (_, Some(elsewhere)) => Located::In(FoundIn::Unwatched(elsewhere), asked_at),
            (_, None) => Located::In(FoundIn::NoCluster, asked_at),
        }
    }
}
