//! `template.yaml` against the code and the README: settings, wiring, metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};
use shared::config::{Config, Overrides, SETTINGS};
use shared::ids::ClusterName;
use shared::metrics::{DRAINS_PAST_DEADLINE, INSTANCES_NEVER_LOCATED, METRICS, NAMESPACE, STACK};
use simulator::cloudformation::{Place, Template};
use simulator::world::Settings;

use crate::support::template::{FUNCTIONS, deployed, template, text};
use crate::support::{EVENTS, EVENTS_CONCURRENCY, NOTICES, NOTICES_CONCURRENCY};

/// The variable that has no parameter: the stack's own name.
const STACK_NAME: &str = "STACK_NAME";

fn defaults() -> BTreeMap<&'static str, &'static str> {
    SETTINGS.iter().map(|setting| (setting.name, setting.default)).collect()
}

/// Resources of one kind, by their logical ids.
fn resources(kind: &str) -> BTreeMap<String, Value> {
    let resources = template().section("Resources").into_iter();
    resources.filter(|(_, resource)| resource["Type"] == kind).collect()
}

/// `DRAIN_TIMEOUT_SECONDS` as `DrainTimeoutSeconds`.
fn parameter_of(variable: &str) -> String {
    let words = variable.split('_').map(|word| {
        let (first, rest) = word.split_at(1);
        format!("{first}{}", rest.to_lowercase())
    });
    words.collect()
}

#[test]
fn every_setting_is_a_variable_of_every_function_with_the_same_default() {
    let stack = deployed(&Settings::default(), &[]);
    let variables = stack.variables().unwrap();

    let names = |of: &mut dyn Iterator<Item = &str>| of.map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(names(&mut variables.keys().map(String::as_str)), names(&mut defaults().into_keys()));
    for (name, default) in defaults() {
        assert_eq!(variables[name], default, "{name}");
    }
    for (function, resource) in resources("AWS::Serverless::Function") {
        assert!(resource["Properties"].get("Environment").is_none(), "{function} has variables of its own");
    }
}

#[test]
fn every_setting_has_a_parameter_with_a_paragraph_and_what_is_allowed() {
    let parameters = template().section("Parameters");
    let globals = template().section("Globals");
    for setting in SETTINGS.iter().filter(|setting| setting.name != STACK_NAME) {
        let parameter = parameter_of(setting.name);
        let declared = parameters.get(&parameter).unwrap_or_else(|| panic!("{parameter}"));
        let handed_on = &globals["Function"]["Environment"]["Variables"][setting.name];
        assert!(handed_on.to_string().contains(&format!(r#"{{"Ref":"{parameter}"}}"#)), "{handed_on}");
        let limited = ["AllowedValues", "AllowedPattern", "MinValue"].iter().any(|limit| declared.get(limit).is_some());
        assert!(limited, "{parameter} takes anything");
    }
    for (name, declared) in &parameters {
        let description = declared["Description"].as_str().unwrap_or_default();
        assert!(description.split_whitespace().count() >= 6 && description.ends_with('.'), "{name}: {description}");
    }
    let grouped = template().value()["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"].clone();
    let grouped = grouped.as_array().unwrap().iter().flat_map(|group| group["Parameters"].as_array().unwrap());
    let grouped: Vec<_> = grouped.map(|name| name.as_str().unwrap()).collect();
    let names: BTreeSet<_> = parameters.keys().map(String::as_str).collect();
    assert_eq!(grouped.iter().copied().collect::<BTreeSet<_>>(), names, "every parameter is in a group");
    assert_eq!(grouped.len(), names.len(), "and in one only");
}

#[test]
fn a_parameter_allows_the_values_that_the_functions_take_and_no_more() {
    let parameters = template().section("Parameters");
    let read = |setting: &str, value: &str| Config::read(|name| (name == setting).then(|| value.to_owned())).is_ok();
    for setting in SETTINGS.iter().filter(|setting| setting.name != STACK_NAME) {
        let declared = &parameters[&parameter_of(setting.name)];
        for allowed in declared["AllowedValues"].as_array().into_iter().flatten() {
            assert!(read(setting.name, allowed.as_str().unwrap()), "{}: {allowed}", setting.name);
        }
        // The other bound would cross the other variable of the pair.
        let bounds: &[&str] = match setting.name {
            "POLL_MIN_SECONDS" => &["MinValue"],
            "POLL_MAX_SECONDS" => &["MaxValue"],
            _ => &["MinValue", "MaxValue"],
        };
        for bound in bounds {
            let Some(bound) = declared.get(*bound).and_then(Value::as_f64) else { continue };
            assert!(read(setting.name, &bound.to_string()), "{}: {bound}", setting.name);
            let beyond = if bound > 1.0 { bound + 1.0 } else { bound - 1.0 };
            assert!(!read(setting.name, &beyond.to_string()), "{}: {beyond}", setting.name);
        }
    }
    for setting in ["ON_DRAIN_TIMEOUT", "STANDALONE_TASKS", "REBALANCE_RECOMMENDATIONS", "DRY_RUN"] {
        let refused =
            Config::read(|name| (name == setting).then(|| "no such word".to_owned())).unwrap_err().to_string();
        let words: BTreeSet<_> = refused.split("allowed: ").nth(1).unwrap().split(", ").collect();
        let allowed = parameters[&parameter_of(setting)]["AllowedValues"].as_array().unwrap();
        assert_eq!(allowed.iter().map(|word| word.as_str().unwrap()).collect::<BTreeSet<_>>(), words, "{setting}");
    }
}

#[test]
fn the_readme_has_every_setting_with_the_same_default() {
    let readme = text("README.md");
    let rows = readme.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.splitn(3, " | ");
        let (name, default) = (cells.next()?.strip_suffix('`')?, cells.next()?);
        name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_').then(|| {
            let quoted = default.strip_prefix('`').and_then(|rest| rest.split('`').next());
            (name, quoted.unwrap_or(if default.starts_with("empty") { "" } else { "?" }))
        })
    });
    assert_eq!(rows.collect::<BTreeMap<_, _>>(), defaults());
}

#[test]
fn each_function_is_the_binary_of_its_name_with_a_role_and_a_log_of_its_own() {
    let functions = resources("AWS::Serverless::Function");
    assert_eq!(functions.len(), FUNCTIONS.len());
    for (binary, name) in FUNCTIONS {
        let function = &functions[&format!("{name}Function")];
        assert_eq!(
            function["Metadata"],
            json!({"BuildMethod": "rust-cargolambda", "BuildProperties": {"Binary": binary}})
        );
        assert_eq!(function["Properties"]["Role"], json!({"Fn::GetAtt": [format!("{name}Role"), "Arn"]}));
        let logging = &function["Properties"]["LoggingConfig"];
        let log = format!("{name}Log");
        let expected =
            json!({"LogFormat": "JSON", "ApplicationLogLevel": {"Ref": "LogLevel"}, "LogGroup": {"Ref": log}});
        assert_eq!(*logging, expected);
        let group = &resources("AWS::Logs::LogGroup")[&log];
        assert_eq!(group["Properties"]["RetentionInDays"], json!({"Ref": "LogRetentionDays"}));
    }
}

#[test]
fn queues_and_functions_are_timed_to_each_other() {
    let stack = deployed(&Settings::default(), &[]);
    let properties = |id: &str| stack.properties(id).unwrap();
    let seconds = |value: &Value| value.as_str().map_or(value.as_u64(), |text| text.parse().ok()).unwrap();
    for (queue, function, events, spec, concurrency) in [
        ("TerminationQueue", "InstanceTerminatingFunction", "Terminations", EVENTS, EVENTS_CONCURRENCY),
        ("SpotQueue", "SpotInterruptionFunction", "Interruptions", NOTICES, NOTICES_CONCURRENCY),
    ] {
        let (queue, function) = (properties(queue), properties(function));
        assert!(seconds(&queue["VisibilityTimeout"]) >= seconds(&function["Timeout"]), "Lambda refuses less");
        // The tests by arithmetic and in virtual time use the settings of the template.
        assert_eq!(seconds(&queue["VisibilityTimeout"]), spec.visibility_timeout.as_secs());
        assert_eq!(seconds(&queue["RedrivePolicy"]["maxReceiveCount"]), u64::from(spec.max_receive_count));
        let source = &function["Events"][events]["Properties"];
        assert_eq!(source["BatchSize"], spec.batch_size);
        assert!(source.get("MaximumBatchingWindowInSeconds").is_none(), "with a window a message may lie for 20 s");
        assert_eq!(source["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]));
        assert_eq!(source["ScalingConfig"], json!({"MaximumConcurrency": concurrency}));
    }
    // The drainer works out the pause between two slices from the function's timeout.
    let spot = (properties("SpotQueue"), properties("SpotInterruptionFunction"));
    assert_eq!(seconds(&spot.0["VisibilityTimeout"]), seconds(&spot.1["Timeout"]));
    let shortest = template().section("Parameters")["SpotSliceSeconds"]["MinValue"].as_u64().unwrap();
    assert!(shortest * 10 > 120, "ten receives outlast the notice");
    let reconcile = properties("ReconcileFunction");
    let once = json!({"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60});
    assert_eq!(reconcile["EventInvokeConfig"], once);
    let schedule = &reconcile["Events"]["EveryMinute"]["Properties"];
    assert_eq!((&schedule["Schedule"], &schedule["RetryPolicy"]), (&json!("rate(1 minute)"), &once));
    assert_eq!(seconds(&reconcile["Timeout"]), 60, "it polls for 55 s, and is woken every minute");
    assert!(reconcile.get("ReservedConcurrentExecutions").is_none(), "small accounts have none to give");
}

#[test]
fn every_queue_is_encrypted_takes_tls_only_and_what_our_rules_send() {
    let stack = deployed(&Settings::default(), &[("RebalanceRecommendations", "drain")]);
    let queues = resources("AWS::SQS::Queue");
    let policies = resources("AWS::SQS::QueuePolicy");
    let rules = resources("AWS::Events::Rule");
    assert_eq!(policies.len(), queues.len());
    for queue in queues.keys() {
        let arn = stack.value_of(&json!({"Fn::GetAtt": [queue, "Arn"]})).unwrap();
        assert_eq!(stack.properties(queue).unwrap()["SqsManagedSseEnabled"], json!(true), "{queue}");
        let policy = stack.properties(&format!("{queue}Policy")).unwrap();
        assert_eq!(policy["Queues"], json!([queue]));
        let statements = policy["PolicyDocument"]["Statement"].as_array().unwrap();
        let (allowed, denied): (Vec<_>, Vec<_>) = statements.iter().partition(|it| it["Effect"] == "Allow");
        assert!(statements.iter().all(|statement| statement["Resource"] == arn), "{queue}");
        assert_eq!(denied.len(), 1);
        assert_eq!((&denied[0]["Principal"], &denied[0]["Action"]), (&json!("*"), &json!("sqs:*")));
        assert_eq!(denied[0]["Condition"], json!({"Bool": {"aws:SecureTransport": "false"}}));
        for statement in &allowed {
            let who = (&statement["Principal"], &statement["Action"]);
            assert_eq!(who, (&json!({"Service": "events.amazonaws.com"}), &json!("sqs:SendMessage")), "{queue}");
        }
        let senders: BTreeSet<String> = allowed
            .iter()
            .flat_map(|it| it["Condition"]["ArnEquals"]["aws:SourceArn"].as_array().expect("from our rules alone"))
            .map(|arn| arn.as_str().unwrap().rsplit('/').next().unwrap().to_owned())
            .collect();
        let sends = |rule: &&String| {
            let target = &stack.properties(rule).unwrap()["Targets"][0];
            target["Arn"] == arn || target["DeadLetterConfig"]["Arn"] == arn
        };
        assert_eq!(senders, rules.keys().filter(sends).cloned().collect(), "{queue}");
    }
}

#[test]
fn alarms_and_dashboard_use_the_metrics_there_are() {
    let stack = deployed(&Settings::default(), &[]);
    let alarms = resources("AWS::CloudWatch::Alarm");
    let ours: Vec<_> =
        alarms.keys().map(|id| stack.properties(id).unwrap()).filter(|it| it["Namespace"] == NAMESPACE).collect();
    let used: BTreeSet<_> = ours.iter().map(|alarm| alarm["MetricName"].as_str().unwrap()).collect();
    assert_eq!(used, [DRAINS_PAST_DEADLINE.name, INSTANCES_NEVER_LOCATED.name].into());
    for alarm in &ours {
        assert_eq!(alarm["Dimensions"], json!([{"Name": STACK, "Value": "ecs-drainer"}]));
    }

    let dashboard = stack.properties("DashboardOfDrains").unwrap();
    let body: Value = serde_json::from_str(dashboard["DashboardBody"].as_str().unwrap()).expect("JSON");
    let widgets = body["widgets"].as_array().unwrap();
    let metrics = widgets.iter().filter_map(|widget| widget["properties"]["metrics"].as_array()).flatten();
    let mut shown = BTreeSet::new();
    for metric in metrics {
        if metric[0] == NAMESPACE {
            assert_eq!((&metric[2], &metric[3]), (&json!(STACK), &json!("ecs-drainer")));
            shown.insert((metric[1].as_str().unwrap().to_owned(), None));
        } else if let Some(search) = metric[0]["expression"].as_str().and_then(|it| it.strip_prefix("SEARCH('{")) {
            let (schema, search) = search.split_once("} ").unwrap();
            let [NAMESPACE, STACK, by] = schema.split(',').collect::<Vec<_>>()[..] else { panic!("{schema}") };
            let name = search.strip_prefix(r#"Stack="ecs-drainer" MetricName=""#).unwrap().split('"').next().unwrap();
            shown.insert((name.to_owned(), Some(by.to_owned())));
        }
    }
    let all = METRICS.iter().map(|metric| (metric.name.to_owned(), metric.by.map(ToOwned::to_owned)));
    assert_eq!(shown, all.collect());
    let shown = widgets.iter().find_map(|widget| widget["properties"]["alarms"].as_array()).unwrap();
    let shown: BTreeSet<_> = shown.iter().map(|arn| arn.as_str().unwrap().rsplit(':').next().unwrap()).collect();
    assert_eq!(shown, alarms.keys().map(String::as_str).collect(), "every alarm is on it");
}

#[test]
fn every_alarm_looks_at_what_it_says_and_tells_the_topic() {
    let topic = "arn:aws:sns:us-west-2:123456789012:pages";
    let stack = deployed(&Settings::default(), &[("AlarmTopicArn", topic)]);
    let mut looks_at = BTreeMap::new();
    for id in resources("AWS::CloudWatch::Alarm").into_keys() {
        let alarm = stack.properties(&id).unwrap();
        assert_eq!((&alarm["AlarmActions"], &alarm["OKActions"]), (&json!([topic]), &json!([topic])), "{id}");
        let missing = if id == "ReconcileDoesNotRun" { "breaching" } else { "notBreaching" };
        assert_eq!(alarm["TreatMissingData"], missing, "{id}");
        let of = alarm["Dimensions"][0]["Value"].as_str().unwrap().to_owned();
        looks_at.insert(id, format!("{} of {of}", alarm["MetricName"].as_str().unwrap()));
    }
    let expected = [
        ("DrainsArePastTheirDeadline", "DrainsPastDeadline of ecs-drainer"),
        ("EventsAreUndelivered", "ApproximateNumberOfMessagesVisible of UndeliveredEvents"),
        ("InstanceTerminatingFails", "Errors of InstanceTerminatingFunction"),
        ("InstanceTerminatingIsThrottled", "Throttles of InstanceTerminatingFunction"),
        ("InstancesAreNotLocated", "InstancesNeverLocated of ecs-drainer"),
        ("ReconcileDoesNotRun", "Invocations of ReconcileFunction"),
        ("ReconcileFails", "Errors of ReconcileFunction"),
        ("ReconcileIsThrottled", "Throttles of ReconcileFunction"),
        ("SpotInterruptionFails", "Errors of SpotInterruptionFunction"),
        ("SpotInterruptionIsThrottled", "Throttles of SpotInterruptionFunction"),
        ("SpotNoticesAreDead", "ApproximateNumberOfMessagesVisible of SpotDeadLetters"),
        ("SpotNoticesWait", "ApproximateAgeOfOldestMessage of SpotQueue"),
        ("TerminationsAreDead", "ApproximateNumberOfMessagesVisible of TerminationDeadLetters"),
        ("TerminationsWait", "ApproximateAgeOfOldestMessage of TerminationQueue"),
    ];
    let expected = expected.map(|(id, what)| (id.to_owned(), what.to_owned()));
    assert_eq!(looks_at, BTreeMap::from(expected));
    let operations = text("docs/operations.md");
    for id in looks_at.keys() {
        let family = ["Fails", "IsThrottled"].iter().find(|end| id.ends_with(*end)).map(|end| format!("`…{end}`"));
        assert!(operations.contains(&family.unwrap_or_else(|| format!("`{id}`"))), "{id} is not explained");
    }
}

#[test]
fn the_hook_that_the_stack_adds_continues_and_is_the_drainers() {
    let given = [("AutoScalingGroupName", "web"), ("HookNotificationMetadata", r#"{"cluster":"prod"}"#)];
    let stack = deployed(&Settings::default(), &given);
    let expected = json!({
        "AutoScalingGroupName": "web",
        "LifecycleHookName": "ecs-drainer",
        "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
        "DefaultResult": "CONTINUE",
        "HeartbeatTimeout": "900",
        "NotificationMetadata": r#"{"cluster":"prod"}"#,
    });
    assert_eq!(stack.properties("Hook"), Ok(expected));
    assert!(deployed(&Settings::default(), &[]).properties("Hook").is_err(), "no group, no hook");
    let after = &template().section("Resources")["Hook"]["DependsOn"];
    // Made by SAM from the function and its event.
    for id in ["InstanceTerminatingFunctionTerminations", "ReconcileFunctionEveryMinute", "TerminationRule"] {
        assert!(after.as_array().unwrap().contains(&json!(id)), "{id} is there before anything is held");
    }
    let rule = stack.properties("TerminationRule").unwrap();
    let detail = &rule["EventPattern"]["detail"];
    assert_eq!(*detail, json!({"LifecycleHookName": ["ecs-drainer"]}), "whatever the Action: ReplaceRootVolume, too");
    let longest = &template().section("Parameters")["HookNotificationMetadata"]["MaxLength"];
    assert_eq!(*longest, 4_000, "what PutLifecycleHook takes");
}

/// A managed policy's characters, white space apart (IAM user guide, IAM and STS quotas).
const MANAGED_POLICY_MAX: usize = 6_144;
/// A role's inline policies, all together (same place).
const INLINE_POLICIES_MAX: usize = 10_240;
/// A role's trust policy (same place).
const TRUST_POLICY_MAX: usize = 2_048;
/// Managed policies that a role may have unless the account asks for more (same place).
const MANAGED_POLICIES_OF_A_ROLE: usize = 10;
/// A function's environment variables, all together (Lambda developer guide, quotas).
const VARIABLES_MAX: usize = 4_096;
/// An event pattern (EventBridge user guide, quotas).
const EVENT_PATTERN_MAX: usize = 2_048;
/// A stack's name (CloudFormation API reference, CreateStack).
const STACK_NAME_MAX: usize = 128;

/// Partitions with their regions of the longest names.
const LONGEST_REGIONS: [(&str, &str); 9] = [
    ("aws", "ap-southeast-1"),
    ("aws", "ap-northeast-1"),
    ("aws-cn", "cn-northwest-1"),
    ("aws-us-gov", "us-gov-west-1"),
    ("aws-iso", "us-iso-east-1"),
    ("aws-iso-b", "us-isob-east-1"),
    ("aws-iso-e", "eu-isoe-west-1"),
    ("aws-iso-f", "us-isof-south-1"),
    ("aws-eusc", "eusc-de-east-1"),
];

/// Lists of names as a parameter takes them, filled to its last character: of the shortest names, of as many as there may
/// be, of the longest.
fn longest_lists(parameter: &str) -> Vec<String> {
    let declared = &template().section("Parameters")[parameter];
    let longest = usize::try_from(declared["MaxLength"].as_u64().expect("a limit")).unwrap();
    let pattern = declared["AllowedPattern"].as_str().unwrap();
    // After the first name: `(,NAME)*`, or `(,NAME){0,MOST}`.
    let further = pattern.rsplit_once("){0,").and_then(|(_, rest)| rest.split_once('}')?.0.parse::<usize>().ok());
    let most = further.map_or(longest, |further| further + 1).min(longest.div_ceil(2));
    let of = |names: usize| {
        let letters = longest - (names - 1);
        let name = |index: usize| "c".repeat((letters / names + usize::from(index < letters % names)).min(255));
        (0..names).map(name).collect::<Vec<_>>().join(",")
    };
    let short = vec!["c"; most].join(",");
    let lists = vec![short, of(most), of(most.div_ceil(2)), of(longest.div_ceil(256))];
    assert!(lists.iter().all(|list| list.len() <= longest), "{parameter}");
    lists
}

/// As IAM counts a policy: white space apart, which JSON has only within its texts here.
fn size(policy: &Value) -> usize {
    policy.to_string().chars().filter(|letter| !letter.is_whitespace()).count()
}

#[test]
fn every_policy_and_list_fits_its_limit_wherever_it_is_deployed_and_whatever_names_are_given() {
    let lists = longest_lists("EcsClusters").into_iter().chain([String::new()]);
    let cases = lists.flat_map(|clusters| LONGEST_REGIONS.map(|place| (clusters.clone(), place)));
    let tag = "t".repeat(256);
    for (clusters, (partition, region)) in cases {
        let place = Place {
            partition: partition.into(),
            region: region.into(),
            account: "123456789012".into(),
            stack: "s".repeat(STACK_NAME_MAX),
        };
        let given = [("EcsClusters", clusters.as_str()), ("GroupTagValue", &tag)];
        let stack = template().deployed(place, &given).unwrap();
        let of = format!("{} names of {} characters in {region}", clusters.split(',').count(), clusters.len());
        for id in resources("AWS::IAM::ManagedPolicy").into_keys() {
            let size = size(&stack.properties(&id).unwrap()["PolicyDocument"]);
            assert!(size <= MANAGED_POLICY_MAX, "{id}: {size}, for {of}");
        }
        for id in resources("AWS::IAM::Role").into_keys() {
            let role = stack.properties(&id).unwrap();
            let inline = role["Policies"].as_array().unwrap().iter().map(|it| size(&it["PolicyDocument"]));
            let (inline, trust) = (inline.sum::<usize>(), size(&role["AssumeRolePolicyDocument"]));
            assert!(inline <= INLINE_POLICIES_MAX && trust <= TRUST_POLICY_MAX, "{id}: {inline}, {trust}");
            let managed = role["ManagedPolicyArns"].as_array().unwrap().len();
            assert!(managed <= MANAGED_POLICIES_OF_A_ROLE, "{id}: {managed}");
        }
        for hooks in longest_lists("LifecycleHookNames") {
            let place = stack.place().clone();
            let given = [("EcsClusters", clusters.as_str()), ("LifecycleHookNames", &hooks)];
            let stack = template().deployed(place, &given).unwrap();
            let variables = json!(stack.variables().unwrap()).to_string().len();
            assert!(variables <= VARIABLES_MAX, "{variables}, for {of}");
            let pattern = stack.properties("TerminationRule").unwrap()["EventPattern"].to_string().len();
            assert!(pattern <= EVENT_PATTERN_MAX, "{pattern}, for hooks {hooks}");
        }
    }
}

#[test]
fn the_example_has_a_hook_that_the_drainer_understands() {
    let example = Template::parse(&text("example/cluster.yaml")).unwrap();
    let group = &example.section("Resources")["HostGroup"]["Properties"];
    let [hook] = group["LifecycleHookSpecificationList"].as_array().unwrap().as_slice() else { panic!("one hook") };
    assert_eq!(hook["LifecycleTransition"], "autoscaling:EC2_INSTANCE_TERMINATING");
    assert_eq!(hook["DefaultResult"], "CONTINUE");
    let parameters = example.section("Parameters");
    let defaults = defaults();
    assert_eq!(parameters["HookName"]["Default"], defaults["LIFECYCLE_HOOK_NAMES"]);
    let ours = template().section("Parameters");
    for limit in ["Default", "MinValue", "MaxValue"] {
        let (theirs, ours) = (&parameters["HookHeartbeatTimeoutSeconds"], &ours["HookHeartbeatTimeoutSeconds"]);
        assert_eq!(theirs[limit], ours[limit], "{limit}");
    }
    let metadata = hook["NotificationMetadata"]["Fn::Sub"].as_str().unwrap().replace("${ClusterName}", "prod");
    let overrides = Overrides::read(&metadata);
    assert_eq!((overrides.mistakes, overrides.cluster), (vec![], ClusterName::parse("prod")));
    assert_eq!(overrides.drain_timeout, Some(Duration::from_secs(1800)));
}
