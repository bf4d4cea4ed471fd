//! Clusters and capacity providers, described.

use super::{
    Ecs,
    cluster::{CapacityProvider, Cluster, ProviderKind},
    ids::{DEFAULT_CLUSTER, MAX_DESCRIBED, check_most, missing},
};
use crate::world::terms::{
    ApiError, CapacityProviderDescription, ClusterDescription, Cut, LastStatus, Present, Response, cut,
};

// ECS API reference, DescribeCapacityProviders: maxResults "can be between 1 and 10. If this parameter is not used, then
// DescribeCapacityProviders returns up to 10 results".
const MAX_PROVIDERS: usize = 10;

impl Ecs {
    pub(crate) fn describe_clusters(&self, present: &Present, named: &[String]) -> Result<Response, ApiError> {
        check_most(named, MAX_DESCRIBED, "Clusters")?;
        // ECS API reference, DescribeClusters: "If you do not specify a cluster, the default cluster is assumed."
        let default = [DEFAULT_CLUSTER.to_owned()];
        let named = if named.is_empty() { &default } else { named };
        let (mut clusters, mut failures) = (Vec::new(), Vec::new());
        for named in named {
            match (self.clusters.iter()).find(|(name, cluster)| *name == named || cluster.arn == *named) {
                Some((name, cluster)) => clusters.push(self.described_cluster(name, cluster)),
                None => failures.push(missing(present, "cluster", named)),
            }
        }
        Ok(Response::Clusters { clusters, failures })
    }

    fn described_cluster(&self, name: &str, cluster: &Cluster) -> ClusterDescription {
        let tasks = |status| {
            let fits = self.tasks.values().filter(|task| task.cluster == name && task.last_status == status);
            fits.count()
        };
        let providers = self.capacity_providers.values().filter(|provider| provider.cluster == name);
        // ECS API reference, Cluster: what each counts.
        ClusterDescription {
            cluster_arn: cluster.arn.clone(),
            cluster_name: name.to_owned(),
            registered_container_instances_count: (self.container_instances.values())
                .filter(|it| it.cluster == name && matches!(it.status.as_str(), "ACTIVE" | "DRAINING"))
                .count(),
            running_tasks_count: tasks(LastStatus::Running),
            pending_tasks_count: tasks(LastStatus::Pending),
            active_services_count: cluster.services.len(),
            capacity_providers: providers.map(|provider| provider.name.clone()).collect(),
        }
    }

    pub(crate) fn describe_capacity_providers(
        &self,
        present: &Present,
        named: &[String],
        max_results: Option<i32>,
        token: Option<&str>,
    ) -> Result<Response, ApiError> {
        check_most(named, MAX_DESCRIBED, "Capacity providers")?;
        let size = match max_results {
            None => MAX_PROVIDERS,
            Some(max) => {
                let max = usize::try_from(max).ok().filter(|max| (1..=MAX_PROVIDERS).contains(max));
                max.ok_or_else(|| {
                    ApiError::invalid_parameter(format!("maxResults must be between 1 and {MAX_PROVIDERS}"))
                })?
            }
        };
        let is = |provider: &CapacityProvider, named: &String| provider.name == *named || provider.arn == *named;
        let failures = (named.iter())
            .filter(|named| !self.capacity_providers.values().any(|provider| is(provider, named)))
            .map(|named| missing(present, "capacity-provider", named))
            .collect();
        let found = (self.capacity_providers.values())
            .filter(|provider| named.is_empty() || named.iter().any(|named| is(provider, named)))
            .map(|provider| (provider.name.clone(), described_provider(provider)));
        let wanted = Cut { list: "DescribeCapacityProviders", size, empty_pages: false, token };
        let page = cut(found, wanted).ok_or_else(|| ApiError::invalid_parameter("Invalid token"))?;
        Ok(Response::CapacityProviders { capacity_providers: page.items, failures, next_token: page.next_token })
    }
}

fn described_provider(provider: &CapacityProvider) -> CapacityProviderDescription {
    let (auto_scaling_group_arn, managed_draining, managed_instances) = match &provider.of {
        ProviderKind::Group { arn, managed_draining } => (arn.clone(), *managed_draining, None),
        ProviderKind::ManagedInstances(option) => (String::new(), false, Some(*option)),
    };
    CapacityProviderDescription {
        capacity_provider_arn: provider.arn.clone(),
        name: provider.name.clone(),
        auto_scaling_group_arn,
        managed_draining: if managed_draining { "ENABLED" } else { "DISABLED" },
        managed_instances,
    }
}
