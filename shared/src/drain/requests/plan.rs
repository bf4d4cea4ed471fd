//! Whose lists of tasks are read: a whole cluster's, or each host's own. Pure.

/// What is known of the lists of one cluster, and of the hosts in it whose tasks are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wish {
    /// Hosts that ask now.
    pub(super) ask: usize,
    /// Hosts that will ask soon, for ECS counts no task on them any more: the same lists tell of them, too.
    pub(super) ask_soon: usize,
    /// Pages that the cluster's lists take, as far as is known, less those that were read.
    pub(super) pages_left: usize,
    /// Whether a listing of the whole cluster is under way.
    pub(super) is_under_way: bool,
    /// Whether the cluster's lists were read a moment ago.
    pub(super) was_just_read: bool,
    /// Whether the cluster's lists gave no answer on every task, or may not be read.
    pub(super) is_unsuited: bool,
}

/// Whose lists are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lists {
    /// The whole cluster's.
    Cluster,
    /// The whole cluster's, a little later: more hosts will ask by then.
    ClusterLater,
    /// Each host's own.
    Hosts,
}

/// Whichever takes fewer requests: a page of a cluster's lists takes two, its own and the description of its tasks, and so
/// does a host, for it has two lists.
pub(super) fn lists(wish: &Wish) -> Lists {
    if wish.is_unsuited || wish.pages_left > wish.ask + wish.ask_soon {
        Lists::Hosts
    } else if wish.was_just_read && !wish.is_under_way && wish.pages_left > wish.ask {
        Lists::ClusterLater
    } else {
        Lists::Cluster
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of two pages.
    fn asked_by(ask: usize, ask_soon: usize) -> Wish {
        let (is_under_way, was_just_read, is_unsuited) = (false, false, false);
        Wish { ask, ask_soon, pages_left: 2, is_under_way, was_just_read, is_unsuited }
    }

    #[test]
    fn a_clusters_lists_are_read_where_they_have_no_more_pages_than_hosts_need_them() {
        assert_eq!(lists(&asked_by(1, 0)), Lists::Hosts);
        assert_eq!(lists(&asked_by(2, 0)), Lists::Cluster);
        assert_eq!(lists(&asked_by(1, 1)), Lists::Cluster, "one that will ask soon counts");
        assert_eq!(lists(&Wish { pages_left: 30, ..asked_by(29, 0) }), Lists::Hosts);
        assert_eq!(lists(&Wish { pages_left: 30, ..asked_by(29, 1) }), Lists::Cluster);
    }

    #[test]
    fn lists_that_were_just_read_wait_for_more_hosts_to_ask() {
        let just_read = |wish| Wish { was_just_read: true, ..wish };
        assert_eq!(lists(&just_read(asked_by(1, 5))), Lists::ClusterLater);
        assert_eq!(lists(&just_read(asked_by(2, 5))), Lists::Cluster, "those that ask are worth it alone");
        assert_eq!(lists(&just_read(asked_by(1, 0))), Lists::Hosts);
        let under_way = Wish { is_under_way: true, ..just_read(asked_by(1, 5)) };
        assert_eq!(lists(&under_way), Lists::Cluster, "what is begun is gone on with");
    }

    #[test]
    fn a_cluster_that_tells_too_little_is_read_host_by_host() {
        assert_eq!(lists(&Wish { is_unsuited: true, ..asked_by(100, 0) }), Lists::Hosts);
    }
}
