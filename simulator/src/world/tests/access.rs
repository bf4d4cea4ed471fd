//! What each request asks the policies about.

use super::*;

#[test]
fn clusters_providers_and_hooks_have_resources() {
    let mut world = World::new(Timestamp::UNIX_EPOCH, Settings::default());
    world.add_group(GroupSpec { name: "my-asg".to_owned(), hooks: Vec::new(), ..GroupSpec::default() }).unwrap();
    world.tag_group("my-asg", "team", "web");
    let names = |names: &[&str]| names.iter().copied().map(str::to_owned).collect::<Vec<_>>();
    let providers = |named: &[&str]| EcsRequest::DescribeCapacityProviders {
        capacity_providers: names(named),
        max_results: None,
        next_token: None,
    };
    let arn = |resource| format!("arn:aws:ecs:us-west-2:123456789012:{resource}");
    for (request, action, resources) in [
        (
            EcsRequest::DescribeClusters { clusters: names(&["prod", &arn("cluster/staging")]) },
            "ecs:DescribeClusters",
            vec![arn("cluster/prod"), arn("cluster/staging")],
        ),
        (EcsRequest::DescribeClusters { clusters: Vec::new() }, "ecs:DescribeClusters", vec![arn("cluster/default")]),
        (providers(&["own"]), "ecs:DescribeCapacityProviders", vec![arn("capacity-provider/own")]),
        (providers(&[]), "ecs:DescribeCapacityProviders", names(&["*"])),
    ] {
        let accesses = world.accesses(&request.into());
        assert!(accesses.iter().all(|access| access.action == action), "{accesses:?}");
        assert_eq!(accesses.into_iter().map(|access| access.resource).collect::<Vec<_>>(), resources);
    }
    for request in [
        AutoScalingRequest::DescribeScalingActivities {
            group: Some("my-asg".to_owned()),
            start_time_lower_bound: None,
            max_records: None,
            next_token: None,
        },
        AutoScalingRequest::DescribeWarmPool { group: "my-asg".to_owned(), max_records: None, next_token: None },
    ]
    .map(Request::from)
    {
        let [access] = world.accesses(&request).try_into().unwrap();
        assert_eq!(access.resource, "*");
        assert_eq!(access.action, format!("autoscaling:{}", request.operation()));
    }
    let delete = AutoScalingRequest::DeleteLifecycleHook { group: "my-asg".to_owned(), hook: "ours".to_owned() };
    let [access] = world.accesses(&delete.into()).try_into().unwrap();
    assert_eq!(access.action, "autoscaling:DeleteLifecycleHook");
    assert!(access.resource.ends_with(":autoScalingGroupName/my-asg"), "{access:?}");
    assert!(access.context.contains(&("aws:ResourceTag/team".to_owned(), "web".to_owned())));
}

#[test]
fn stacks_rules_and_roles_have_resources() {
    let world = World::new(Timestamp::UNIX_EPOCH, Settings::default());
    let of = |service: &str, resource: &str| format!("arn:aws:{service}:us-west-2:123456789012:{resource}");
    let rule = |bus: Option<&str>| EventBridgeRequest::DescribeRule {
        name: "waiting".to_owned(),
        event_bus_name: bus.map(str::to_owned),
    };
    let role = "arn:aws:iam::123456789012:role/reconcile";
    let simulate = IamRequest::SimulatePrincipalPolicy {
        policy_source_arn: role.to_owned(),
        action_names: vec!["ecs:StopTask".to_owned()],
        resource_arns: Vec::new(),
        context: Vec::new(),
    };
    for (request, action, resource) in [
        (
            Request::from(CloudFormationRequest::DescribeStacks { stack_name: Some("lost".to_owned()) }),
            "cloudformation:DescribeStacks",
            of("cloudformation", "stack/lost/*"),
        ),
        (rule(None).into(), "events:DescribeRule", of("events", "rule/waiting")),
        (rule(Some("default")).into(), "events:DescribeRule", of("events", "rule/waiting")),
        (rule(Some("other")).into(), "events:DescribeRule", of("events", "rule/other/waiting")),
        (simulate.into(), "iam:SimulatePrincipalPolicy", role.to_owned()),
    ] {
        let [access] = world.accesses(&request).try_into().unwrap();
        assert_eq!((access.action.as_str(), access.resource), (action, resource));
    }
    let of_all = world.accesses(&CloudFormationRequest::DescribeStacks { stack_name: None }.into());
    let of_all: Vec<_> = of_all.iter().map(|access| (access.action.as_str(), access.resource.as_str())).collect();
    assert_eq!(of_all, [("cloudformation:DescribeStacks", "*"), ("cloudformation:ListStacks", "*")]);
}
