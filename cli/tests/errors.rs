//! Each error says what to do.

use simulator::world::{CredentialsFault, Fault, FaultKind, Operation, World};

use crate::support::{GROUP, HOST, OTHER, PERSON, Stage, remembered, run, service, standalone, world};

const KEY: (&str, &str) = ("AWS_ACCESS_KEY_ID", PERSON);
const REGION: (&str, &str) = ("AWS_REGION", "us-west-2");

#[tokio::test]
async fn no_region() {
    let ran = run(&[KEY], &["status"]).await;
    assert_eq!(ran.status, 3);
    ran.says("error: no region is set");
    ran.says("--region");
}

#[tokio::test]
async fn no_credentials_and_no_such_profile() {
    let ran = run(&[REGION], &["status"]).await;
    assert_eq!(ran.status, 3, "{ran:?}");
    ran.says("error: there are no AWS credentials");
    ran.says("aws sso login");
    let ran = run(&[REGION], &["status", "--profile", "unknown"]).await;
    assert_eq!(ran.status, 3, "{ran:?}");
    ran.says("there are no AWS credentials in profile unknown");
    ran.says("spelt like this?");
}

#[tokio::test]
async fn a_profile_that_is_named_is_meant_whatever_the_environment_says() {
    let stage = Stage::of(world());
    let file = concat!(env!("CARGO_TARGET_TMPDIR"), "/profiles");
    let profile = "[profile ops]\nregion = us-west-2\naws_access_key_id = OPS\naws_secret_access_key = secret\n";
    std::fs::write(file, profile).unwrap();
    let variables = [KEY, ("AWS_CONFIG_FILE", file), ("AWS_ENDPOINT_URL", &stage.0.url())];
    let ran = run(&variables, &["status", "--profile", "ops"]).await;
    assert_eq!(ran.status, 0, "{ran:?}");
    stage.0.world(|world| assert!(world.requests().iter().all(|it| it.client == "OPS")));
}

#[tokio::test]
async fn credentials_that_are_not_good_any_more() {
    for fault in [CredentialsFault::Expired, CredentialsFault::Unknown] {
        let stage = Stage::of(world());
        stage.0.world(|world| world.refuse_credentials(PERSON, fault));
        for arguments in [&["status"][..], &["drain", HOST, "--yes"], &["enroll", GROUP, "--yes"], &["check"]] {
            let ran = stage.run(arguments).await;
            assert_eq!(ran.status, 3, "{arguments:?} {ran:?}");
            ran.says("error: the AWS credentials are not good any more, or not for this region");
            ran.says("Sign in again");
        }
    }
}

#[tokio::test]
async fn a_region_that_is_not_there_or_an_endpoint_that_does_not_answer() {
    let ran = run(&[KEY], &["status", "--region", "us-moon-1", "--endpoint-url", "http://127.0.0.1:9"]).await;
    assert_eq!(ran.status, 3, "{ran:?}");
    ran.says("got no answer in region us-moon-1:");
    ran.says("Is us-moon-1 the region, spelt as AWS spells it?");
}

#[tokio::test]
async fn the_wrong_region_has_no_such_host() {
    let stage = Stage::of(world());
    let ran = stage.run(&["drain", "i-0dddddddddddddddd", HOST, "--yes"]).await;
    assert_eq!(ran.status, 3);
    ran.says("i-0dddddddddddddddd is in no cluster of region us-west-2, and every cluster answered");
    ran.says("Another --region, or another --profile?");
    assert!(stage.is_untouched(), "not even the host that was found");
}

#[tokio::test]
async fn a_cluster_that_is_not_there_or_not_the_hosts() {
    let stage = Stage::of(world());
    stage.0.world(|world| world.add_cluster("staging")).unwrap();
    for command in [&["status"][..], &["watch"], &["drain", HOST], &["undrain", HOST], &["check"]] {
        let ran = stage.run(&[command, &["--cluster", "nope"]].concat()).await;
        assert_eq!(ran.status, 3, "{command:?} {ran:?}");
        ran.says("error: there is no cluster nope in region us-west-2");
        ran.says("There are: prod, staging.");
    }
    let ran = stage.run(&["drain", OTHER, "--cluster", "staging", "--yes"]).await;
    assert_eq!(ran.status, 3);
    ran.says("i-0aaaaaaaaaaaaaaaa is in cluster prod, not in staging");
}

#[tokio::test]
async fn access_denied_names_the_action_and_the_resource() {
    for (arguments, operation, action, resource) in [
        (&["status"][..], Operation::ListClusters, "ecs:ListClusters", "*"),
        (&["status"], Operation::DescribeAutoScalingGroups, "autoscaling:DescribeAutoScalingGroups", "*"),
        (&["status"], Operation::DescribeLifecycleHooks, "autoscaling:DescribeLifecycleHooks", "*"),
        (&["status", "--cluster", "prod"], Operation::DescribeClusters, "ecs:DescribeClusters", "cluster/prod"),
        (&["status"], Operation::ListContainerInstances, "ecs:ListContainerInstances", "cluster/prod"),
        (&["status"], Operation::DescribeTasks, "ecs:DescribeTasks", "task/prod/"),
        (&["drain", HOST, "--yes"], Operation::ListTasks, "ecs:ListTasks", "container-instance/prod/"),
        (
            &["drain", HOST, "--yes"],
            Operation::UpdateContainerInstancesState,
            "ecs:UpdateContainerInstancesState",
            "container-instance/prod/",
        ),
        (&["undrain", HOST], Operation::DescribeAutoScalingInstances, "autoscaling:DescribeAutoScalingInstances", "*"),
        (&["undrain", HOST], Operation::DeleteAttributes, "ecs:DeleteAttributes", "container-instance/prod/"),
        (
            &["enroll", GROUP, "--hook", "ecs-drainer", "--heartbeat", "10m", "--yes"],
            Operation::PutLifecycleHook,
            "autoscaling:PutLifecycleHook",
            "autoScalingGroupName/my-asg",
        ),
        (
            &["unenroll", GROUP, "--hook", "ecs-drainer", "--yes"],
            Operation::DeleteLifecycleHook,
            "autoscaling:DeleteLifecycleHook",
            "autoScalingGroupName/my-asg",
        ),
    ] {
        let stage = Stage::of(if arguments.contains(&"drain") { busy_world() } else { draining_world() });
        if operation == Operation::DescribeLifecycleHooks {
            stage.0.world(|world| world.scale_in(OTHER, world.now())).unwrap();
            let waits = |world: &World| world.lifecycle_state(OTHER) == Some("Terminating:Wait");
            assert!(stage.0.wait_for(crate::support::secs(5.0), waits).await);
        }
        stage
            .0
            .world(|world| world.plan(Fault { operation: Some(operation), ..Fault::always(FaultKind::AccessDenied) }));
        let ran = stage.run(arguments).await;
        assert_eq!(ran.status, 3, "{operation}: {ran:?}");
        ran.says(&format!("error: access denied: {action} on "));
        ran.says(resource);
        ran.says("AWS says: User: arn:aws:");
    }
}

#[tokio::test]
async fn permissions_that_only_tell_more_are_not_needed() {
    for (arguments, operation) in [
        (&["status"][..], Operation::DescribeServices),
        (&["status"], Operation::GetTaskProtection),
        (&["status"], Operation::DescribeStacks),
        (&["drain", HOST, "--yes", "--stop-standalone"], Operation::PutAttributes),
        (&["drain", HOST, "--yes", "--stop-standalone"], Operation::DescribeServices),
    ] {
        let stage = Stage::of(if arguments.contains(&"drain") { busy_world() } else { draining_world() });
        stage.0.world(|world| {
            service(world, "web", 200);
            world.plan(Fault { operation: Some(operation), ..Fault::always(FaultKind::AccessDenied) });
        });
        let ran = stage.run(arguments).await;
        assert_eq!(ran.status, 0, "{operation}: {ran:?}");
    }
}

/// A host with a task.
fn busy_world() -> World {
    let mut world = world();
    standalone(&mut world, None);
    world
}

/// A host with a task that drains already.
fn draining_world() -> World {
    let mut world = busy_world();
    world.set_status(HOST, "DRAINING").unwrap();
    remembered(&mut world, HOST, "ecs-drainer.maintenance-since", "2026-01-15T20:00:00Z");
    world
}

/// The one message, and no panic.
fn is_refused(ran: &crate::support::Ran, told: &[&str]) {
    assert_eq!(ran.status, 3, "{ran:?}");
    assert!(ran.out.is_empty() && !ran.err.contains("panicked") && !ran.err.contains("BACKTRACE"), "{ran:?}");
    assert_eq!(ran.err.matches("error: ").count(), 1, "{ran:?}");
    told.iter().for_each(|words| ran.says(words));
}

#[tokio::test]
async fn a_wrong_variable_of_awss_own_is_told_before_anything_is_asked() {
    let stage = Stage::of(world());
    let url = stage.0.url();
    let no_certificate = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    for (name, value, allowed) in [
        ("AWS_ENDPOINT_URL", "localhost:8126", "a URL such as"),
        ("AWS_ENDPOINT_URL_ECS", "http://", "a URL such as"),
        ("AWS_ENDPOINT_URL_AUTO_SCALING", "http://a b", "a URL such as"),
        ("AWS_REGION", "us west", "a region such as"),
        ("AWS_MAX_ATTEMPTS", "many", "a whole number from 1"),
        ("AWS_RETRY_MODE", "fast", "standard, adaptive"),
        ("AWS_USE_FIPS_ENDPOINT", "yes", "false, true"),
        ("SSL_CERT_FILE", "/nonexistent", "a file that can be read and holds a certificate in PEM"),
        ("SSL_CERT_FILE", no_certificate, "holds a certificate"),
        ("SSL_CERT_DIR", "/nonexistent", "directories, one with a file that holds"),
        ("AWS_CA_BUNDLE", "/nonexistent", "holds a certificate"),
    ] {
        let good = [KEY, REGION, ("AWS_ENDPOINT_URL", url.as_str())];
        let good = good.into_iter().filter(|(other, _)| *other != name);
        let ran = run(&good.chain([(name, value)]).collect::<Vec<_>>(), &["status"]).await;
        is_refused(&ran, &[&format!("bad configuration: {name} is {value:?}, allowed: "), allowed]);
    }
    let both = [KEY, REGION, ("AWS_RETRY_MODE", "fast"), ("AWS_MAX_ATTEMPTS", "0")];
    is_refused(&run(&both, &["status"]).await, &["AWS_MAX_ATTEMPTS is \"0\"", "; AWS_RETRY_MODE is \"fast\""]);
    assert_eq!(stage.0.world(|world| world.requests().len()), 0);
}

#[cfg(unix)]
#[tokio::test]
async fn a_variable_that_is_not_utf_8_is_told() {
    use std::os::unix::ffi::OsStrExt;
    let value = std::ffi::OsStr::from_bytes(b"prod\xff");
    for name in ["AWS_PROFILE", "AWS_REGION", "HTTPS_PROXY"] {
        let ran = crate::support::run_os(&[(name, value)], &["status"]).await;
        is_refused(&ran, &[&format!("bad configuration: {name} is \"prod\u{fffd}\", allowed: ")]);
    }
}

#[tokio::test]
async fn an_empty_variable_of_awss_own_is_unset() {
    let stage = Stage::of(world());
    let url = stage.0.url();
    let empty = [
        "AWS_ENDPOINT_URL_ECS",
        "AWS_ENDPOINT_URL_AUTO_SCALING",
        "AWS_MAX_ATTEMPTS",
        "AWS_RETRY_MODE",
        "AWS_PROFILE",
        "AWS_CONFIG_FILE",
        "AWS_SESSION_TOKEN",
        "AWS_USE_FIPS_ENDPOINT",
        "AWS_CA_BUNDLE",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
    ];
    for blank in ["", " "] {
        let variables = [KEY, ("AWS_REGION", blank), ("AWS_DEFAULT_REGION", "us-west-2"), ("AWS_ENDPOINT_URL", &url)];
        let variables: Vec<_> = empty.map(|name| (name, blank)).into_iter().chain(variables).collect();
        let ran = run(&variables, &["status"]).await;
        assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{ran:?}");
        let ran = run(&[KEY, ("AWS_REGION", blank), ("AWS_ENDPOINT_URL", blank)], &["status"]).await;
        is_refused(&ran, &["error: no region is set"]);
    }
}

#[tokio::test]
async fn what_a_profile_says_and_the_command_cannot_do_is_told() {
    for (name, says, told) in [
        (
            "ca_bundle",
            "/etc/ca.pem",
            "the profile's ca_bundle is \"/etc/ca.pem\", allowed: nothing: set AWS_CA_BUNDLE to",
        ),
        ("endpoint_url", "localhost:1", "the profile's endpoint_url is \"localhost:1\", allowed: a URL such as"),
    ] {
        let file = format!("{}/profile-with-{name}", env!("CARGO_TARGET_TMPDIR"));
        std::fs::write(&file, format!("[default]\n{name} = {says}\n[profile ops]\n{name} = {says}\n")).unwrap();
        for arguments in [&["status"][..], &["status", "--profile", "ops"]] {
            is_refused(&run(&[KEY, REGION, ("AWS_CONFIG_FILE", &file)], arguments).await, &[told]);
        }
    }
}

#[tokio::test]
async fn a_cluster_of_another_region_is_not_the_one_of_its_name_here() {
    let stage = Stage::of(world());
    let arn = "arn:aws:ecs:eu-west-1:123456789012:cluster/prod";
    for arguments in [&["status"][..], &["drain", HOST, "--yes"], &["undrain", HOST], &["enroll", GROUP, "--yes"]] {
        let ran = stage.run(&[arguments, &["--cluster", arn]].concat()).await;
        is_refused(&ran, &[&format!("error: cluster {arn} is not in region us-west-2")]);
    }
    assert!(stage.is_untouched());
    let ran = stage.run(&["status", "--cluster", &arn.replace("eu-west-1", "us-west-2")]).await;
    assert_eq!(ran.status, 0, "{ran:?}");
}

#[tokio::test]
async fn a_cluster_of_another_account_is_refused_where_the_credentials_tell_theirs() {
    let stage = Stage::of(world());
    let url = stage.0.url();
    let variables = [KEY, REGION, ("AWS_ENDPOINT_URL", url.as_str()), ("AWS_ACCOUNT_ID", "123456789012")];
    let arn = "arn:aws:ecs:us-west-2:999999999999:cluster/prod";
    let ran = run(&variables, &["status", "--cluster", arn]).await;
    is_refused(&ran, &[&format!("error: cluster {arn} is not in account 123456789012, region us-west-2")]);
    assert!(stage.is_untouched());
}
