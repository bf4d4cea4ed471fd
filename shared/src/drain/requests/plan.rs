//! Whose lists of tasks are read: a whole cluster's, or each host's own. Pure.

use std::time::Duration;

use crate::aws::batch::CONCURRENT_REQUESTS;

/// What reads may take at least: the account's bucket of them holds a hundred, and twenty a second come in (ECS API
/// reference, Request throttling).
const READS_AT_ONCE: usize = 100;
const READS_A_SECOND: u32 = 20;
/// A host's own lists.
const LISTS_OF_A_HOST: usize = 2;

/// What is known of the lists of one cluster, and of the hosts in it whose tasks are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wish {
    /// Hosts that ask now, or will ask soon, for ECS counts no task on them any more: the same lists tell of them, too.
    pub(super) hosts: usize,
    /// Pages that the cluster's lists take, as far as is known, less those that were read.
    pub(super) pages_left: usize,
    /// Whether that is the number of pages of a listing that came to its end.
    pub(super) is_counted: bool,
    /// As many of them hold tasks that have to be described.
    pub(super) pages_to_describe: usize,
    /// What a page took so far, with the pauses in between.
    pub(super) page_takes: Duration,
    /// How long the invocation goes on.
    pub(super) time_left: Duration,
    /// Whether half of the invocation is over while a listing is under way, and it goes on with nothing of an earlier one: then
    /// perhaps no later one goes on with this one's listing either.
    pub(super) is_late: bool,
    /// Whether the cluster's lists gave no answer on every task, or may not be read.
    pub(super) is_unsuited: bool,
}

/// Whose lists are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lists {
    /// The whole cluster's.
    Cluster,
    /// Each host's own.
    Hosts,
}

/// Whichever comes to its end in the time that is left, and then whichever takes fewer requests. A cluster's listing that
/// does not come to its end is gone on with by the next invocation, if that can.
pub(super) fn lists(wish: Wish) -> Lists {
    let cluster = Cost::of_cluster(wish);
    let hosts = Cost::of_hosts(wish);
    let fits = |cost: &Cost| cost.takes <= wish.time_left;
    if wish.is_unsuited || wish.is_late && !(wish.is_counted && fits(&cluster)) {
        return Lists::Hosts;
    }
    match (fits(&cluster), fits(&hosts)) {
        (true, false) => Lists::Cluster,
        (false, true) => Lists::Hosts,
        _ if cluster.requests > hosts.requests => Lists::Hosts,
        _ => Lists::Cluster,
    }
}

struct Cost {
    requests: usize,
    takes: Duration,
}

impl Cost {
    /// A page is asked for by a token that stood on the one before.
    fn of_cluster(Wish { pages_left, pages_to_describe, page_takes, .. }: Wish) -> Self {
        Self::new(pages_left + pages_to_describe, pages_left, page_takes)
    }

    fn of_hosts(Wish { hosts, page_takes, .. }: Wish) -> Self {
        let requests = LISTS_OF_A_HOST * hosts;
        Self::new(requests, requests.div_ceil(CONCURRENT_REQUESTS), page_takes)
    }

    /// So many requests; so many of them come one after the other.
    fn new(requests: usize, in_a_row: usize, each_takes: Duration) -> Self {
        let times = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let out_of_the_bucket = Duration::from_secs(1) * times(requests.saturating_sub(READS_AT_ONCE)) / READS_A_SECOND;
        Self { requests, takes: each_takes.saturating_mul(times(in_a_row)).max(out_of_the_bucket) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing is known, and there is time enough.
    fn wish(hosts: usize, pages_left: usize) -> Wish {
        Wish {
            hosts,
            pages_left,
            is_counted: false,
            pages_to_describe: pages_left,
            page_takes: Duration::from_millis(50),
            time_left: Duration::from_secs(1_000_000),
            is_late: false,
            is_unsuited: false,
        }
    }

    #[test]
    fn a_clusters_lists_are_read_where_they_take_no_more_requests_than_those_of_its_hosts() {
        let of = |hosts, pages_left| lists(wish(hosts, pages_left));
        assert_eq!(of(1, 2), Lists::Hosts);
        assert_eq!(of(2, 2), Lists::Cluster);
        assert_eq!(of(29, 30), Lists::Hosts);
        assert_eq!(of(29, 29), Lists::Cluster);
        assert_eq!(of(1, 0), Lists::Cluster, "what is read to its end is only described");
        let known = Wish { pages_to_describe: 0, ..wish(29, 58) };
        assert_eq!(lists(known), Lists::Cluster, "what has stopped is described once");
        assert_eq!(lists(Wish { pages_left: 59, ..known }), Lists::Hosts);
    }

    #[test]
    fn what_fits_the_time_that_is_left_goes_before_what_costs_less() {
        let slow = |hosts, pages_left| Wish {
            page_takes: Duration::from_secs(1),
            time_left: Duration::from_secs(20),
            ..wish(hosts, pages_left)
        };
        assert_eq!(lists(slow(40, 20)), Lists::Cluster);
        assert_eq!(lists(slow(40, 21)), Lists::Hosts, "its pages come one after the other");
        assert_eq!(lists(slow(81, 21)), Lists::Cluster, "neither fits, so that the next invocation goes on");
        assert_eq!(lists(slow(21, 21)), Lists::Hosts, "80 requests, eight at once, fit");
        let many = Wish { time_left: Duration::from_secs(20), ..wish(251, 240) };
        assert_eq!(lists(many), Lists::Cluster, "a bucket of reads: 480 and 502 of them");
        assert_eq!(lists(Wish { pages_left: 260, pages_to_describe: 260, ..many }), Lists::Hosts);
        assert_eq!(lists(Wish { pages_left: 400, pages_to_describe: 0, hosts: 250, ..many }), Lists::Cluster);
    }

    #[test]
    fn where_no_later_invocation_may_go_on_a_listing_that_will_not_end_is_left_in_time() {
        let late = Wish { is_late: true, time_left: Duration::from_secs(27), ..wish(4_000, 500) };
        assert_eq!(lists(Wish { is_late: false, ..late }), Lists::Cluster);
        assert_eq!(lists(late), Lists::Hosts);
        assert_eq!(lists(Wish { is_counted: true, ..late }), Lists::Hosts);
        let ends = Wish { is_counted: true, pages_left: 200, pages_to_describe: 200, ..late };
        assert_eq!(lists(ends), Lists::Cluster);
        assert_eq!(lists(Wish { is_counted: false, ..ends }), Lists::Hosts, "it may have as many pages again");
    }

    #[test]
    fn a_cluster_that_tells_too_little_is_read_host_by_host() {
        assert_eq!(lists(Wish { is_unsuited: true, ..wish(100, 1) }), Lists::Hosts);
    }
}
