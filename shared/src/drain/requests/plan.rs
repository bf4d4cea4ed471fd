//! Whose lists of tasks are read: a whole cluster's, or each host's own. Pure.

/// What is known of the lists of one cluster, and of the hosts in it whose tasks are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wish {
    /// Hosts that ask now, or will ask soon, for ECS counts no task on them any more: the same lists tell of them, too.
    pub(super) hosts: usize,
    /// Pages that the cluster's lists take, as far as is known, less those that were read.
    pub(super) pages_left: usize,
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

/// Whichever takes fewer requests: a page of a cluster's lists takes two, its own and the description of its tasks, and so
/// does a host, for it has two lists.
pub(super) fn lists(Wish { hosts, pages_left, is_unsuited }: Wish) -> Lists {
    if is_unsuited || pages_left > hosts { Lists::Hosts } else { Lists::Cluster }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clusters_lists_are_read_where_they_have_no_more_pages_than_hosts_need_them() {
        let wish = |hosts, pages_left| lists(Wish { hosts, pages_left, is_unsuited: false });
        assert_eq!(wish(1, 2), Lists::Hosts);
        assert_eq!(wish(2, 2), Lists::Cluster);
        assert_eq!(wish(29, 30), Lists::Hosts);
        assert_eq!(wish(29, 29), Lists::Cluster);
        assert_eq!(wish(1, 0), Lists::Cluster, "what is read to its end is only described");
    }

    #[test]
    fn a_cluster_that_tells_too_little_is_read_host_by_host() {
        assert_eq!(lists(Wish { hosts: 100, pages_left: 1, is_unsuited: true }), Lists::Hosts);
    }
}
