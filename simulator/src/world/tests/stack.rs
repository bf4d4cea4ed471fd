//! A deployed stack, as CloudFormation, EventBridge and IAM tell of it.

use super::*;
use crate::cloudformation::{Template, TemplateError};

const TEMPLATE: &str = r"
Parameters:
  Names: { Type: CommaDelimitedList, Default: 'a, b' }
  Attempts: { Type: Number, Default: 185 }
  Group: { Type: String, Default: '' }
Conditions:
  HasGroup: !Not [!Equals [!Ref Group, '']]
Resources:
  Queue: { Type: AWS::SQS::Queue }
  Log: { Type: AWS::Logs::LogGroup, Properties: { LogGroupName: !Sub '/aws/lambda/${AWS::StackName}' } }
  Hook:
    Type: AWS::AutoScaling::LifecycleHook
    Condition: HasGroup
    Properties:
      AutoScalingGroupName: !Ref Group
      LifecycleHookName: drainer
      LifecycleTransition: autoscaling:EC2_INSTANCE_TERMINATING
      HeartbeatTimeout: 900
      DefaultResult: CONTINUE
  Policy:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      PolicyDocument:
        Statement:
          Effect: Allow
          Action: ecs:StopTask
          Resource: !Sub 'arn:${AWS::Partition}:ecs:${AWS::Region}:${AWS::AccountId}:task/*'
          Condition: { ArnLike: { 'ecs:cluster': 'arn:*:ecs:*:*:cluster/prod' } }
  Role:
    Type: AWS::IAM::Role
    Properties:
      ManagedPolicyArns: [!Ref Policy]
      Policies:
        - PolicyDocument:
            Statement:
              - { Effect: Allow, Action: ecs:ListClusters, Resource: '*' }
              - { Effect: Allow, Action: sqs:ReceiveMessage, Resource: !GetAtt Queue.Arn }
  Function:
    Type: AWS::Serverless::Function
    Properties:
      Role: !GetAtt Role.Arn
      EventInvokeConfig: { MaximumRetryAttempts: 0 }
      Events:
        Messages: { Type: SQS, Properties: { Queue: !GetAtt Queue.Arn } }
        EveryMinute:
          Type: Schedule
          Properties: { Schedule: rate(1 minute), RetryPolicy: { MaximumRetryAttempts: 0 } }
  Rule:
    Type: AWS::Events::Rule
    Properties:
      Description: What goes.
      EventPattern: { source: [aws.autoscaling], detail: { LifecycleHookName: !Ref Names } }
      Targets:
        - Id: queue
          Arn: !GetAtt Queue.Arn
          RetryPolicy: { MaximumRetryAttempts: !Ref Attempts, MaximumEventAgeInSeconds: 3600 }
          DeadLetterConfig: { Arn: !GetAtt Queue.Arn }
";

const STACK: &str = "drainer";
const TASK: &str = "arn:aws:ecs:us-west-2:123456789012:task/prod/1";

fn deploy(world: &mut World, template: &str, parameters: &[(&str, &str)]) -> Result<(), DeployError> {
    let template = Template::parse(template).unwrap();
    let place = world.settings().place(STACK);
    world.deploy(&template.deployed(place, parameters).unwrap())
}

fn deployed() -> World {
    let mut world = world();
    deploy(&mut world, TEMPLATE, &[]).unwrap();
    world
}

fn stacks(world: &mut World, named: Option<&str>) -> Vec<StackDescription> {
    match ask(world, Request::DescribeStacks { stack_name: named.map(str::to_owned) }) {
        Ok(Response::Stacks(stacks)) => stacks,
        other => panic!("no stacks: {other:?}"),
    }
}

fn list(world: &mut World, stack: &str, next_token: Option<String>) -> (Vec<StackResource>, Option<String>) {
    match ask(world, Request::ListStackResources { stack_name: stack.to_owned(), next_token }) {
        Ok(Response::StackResources { resources, next_token }) => (resources, next_token),
        other => panic!("no resources: {other:?}"),
    }
}

fn rule(world: &mut World, name: &str, bus: Option<&str>) -> Result<RuleDescription, ApiError> {
    let request = Request::DescribeRule { name: name.to_owned(), event_bus_name: bus.map(str::to_owned) };
    match ask(world, request) {
        Ok(Response::Rule(rule)) => Ok(*rule),
        Err(RequestError::Api(error)) => Err(error),
        other => panic!("no rule: {other:?}"),
    }
}

fn targets(world: &mut World, name: &str) -> Vec<RuleTarget> {
    match ask(world, Request::ListTargetsByRule { rule: name.to_owned(), event_bus_name: None }) {
        Ok(Response::Targets(targets)) => targets,
        other => panic!("no targets: {other:?}"),
    }
}

fn simulation(source: &str, actions: &[&str], resources: &[&str], context: &[(&str, &str)]) -> Request {
    let texts = |texts: &[&str]| texts.iter().copied().map(str::to_owned).collect();
    Request::SimulatePrincipalPolicy {
        policy_source_arn: source.to_owned(),
        action_names: texts(actions),
        resource_arns: texts(resources),
        context: context.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
    }
}

fn simulate(world: &mut World, request: Request) -> Vec<EvaluationResult> {
    match ask(world, request) {
        Ok(Response::Evaluations(results)) => results,
        other => panic!("not simulated: {other:?}"),
    }
}

fn role(world: &World) -> String {
    format!("arn:aws:iam::123456789012:role/{}", world.physical_id(STACK, "Role").unwrap())
}

#[test]
fn a_stack_is_described_by_name_and_by_id() {
    let mut world = deployed();
    let [described] = stacks(&mut world, Some(STACK)).try_into().unwrap();
    assert!(described.stack_id.starts_with("arn:aws:cloudformation:us-west-2:123456789012:stack/drainer/"));
    assert_eq!(described.creation_time, START);
    let parameters: Vec<_> = described.parameters.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(parameters, [("Attempts", "185"), ("Group", ""), ("Names", "a,b")]);
    for named in [Some(described.stack_id.as_str()), None] {
        assert_eq!(stacks(&mut world, named), std::slice::from_ref(&described));
    }
    for request in [
        Request::DescribeStacks { stack_name: Some("lost".to_owned()) },
        Request::ListStackResources { stack_name: "lost".to_owned(), next_token: None },
    ] {
        let error = refusal(&mut world, request);
        assert_eq!((error.code.as_str(), error.status), ("ValidationError", 400));
        assert_eq!(error.message, "Stack with id lost does not exist");
    }
    assert_eq!(deploy(&mut world, TEMPLATE, &[]), Err(exists("stack", STACK).into()));
}

#[test]
fn a_stack_lists_what_sam_makes_of_its_functions_and_no_false_conditions() {
    let mut world = deployed();
    let (resources, token) = list(&mut world, STACK, None);
    assert_eq!(token, None);
    let kinds: Vec<_> =
        resources.iter().map(|it| (it.logical_resource_id.as_str(), it.resource_type.as_str())).collect();
    let expected = [
        ("Function", "AWS::Lambda::Function"),
        ("FunctionEventInvokeConfig", "AWS::Lambda::EventInvokeConfig"),
        ("FunctionEveryMinute", "AWS::Events::Rule"),
        ("FunctionEveryMinutePermission", "AWS::Lambda::Permission"),
        ("FunctionMessages", "AWS::Lambda::EventSourceMapping"),
        ("Log", "AWS::Logs::LogGroup"),
        ("Policy", "AWS::IAM::ManagedPolicy"),
        ("Queue", "AWS::SQS::Queue"),
        ("Role", "AWS::IAM::Role"),
        ("Rule", "AWS::Events::Rule"),
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn physical_ids_are_what_ref_would_be() {
    let world = deployed();
    let physical = |logical| world.physical_id(STACK, logical).unwrap();
    for (logical, begins) in [
        ("Function", "drainer-Function-"),
        ("FunctionEveryMinute", "drainer-FunctionEveryMinute-"),
        ("Policy", "arn:aws:iam::123456789012:policy/drainer-Policy-"),
        ("Queue", "https://sqs.us-west-2.amazonaws.com/123456789012/drainer-Queue-"),
        ("Role", "drainer-Role-"),
    ] {
        let suffix = physical(logical).strip_prefix(begins).unwrap_or_else(|| panic!("{}", physical(logical)));
        assert!(suffix.len() == 12 && suffix.chars().all(|c| c.is_ascii_digit() || c.is_ascii_uppercase()), "{suffix}");
    }
    assert_eq!(physical("Log"), "/aws/lambda/drainer", "as the template says");
    assert_eq!(physical("FunctionMessages").len(), 36, "an id");
    assert_eq!(world.physical_id(STACK, "Hook"), None);
    assert_eq!(world.physical_id("lost", "Queue"), None);
}

#[test]
fn resources_come_in_pages() {
    let mut world = world_with(Settings { page_size: 4, ..Settings::default() }, Vec::new());
    deploy(&mut world, TEMPLATE, &[]).unwrap();
    let (first, token) = list(&mut world, STACK, None);
    let (second, token) = list(&mut world, STACK, token);
    let (third, token) = list(&mut world, STACK, token);
    assert_eq!((first.len(), second.len(), third.len(), token), (4, 4, 2, None));
    let nonsense =
        Request::ListStackResources { stack_name: STACK.to_owned(), next_token: Some("nonsense".to_owned()) };
    assert_eq!(refusal(&mut world, nonsense).code, "ValidationError");
}

#[test]
fn a_hook_of_the_stack_is_put_and_a_group_that_is_not_there_is_an_error() {
    let mut world = world();
    let error = deploy(&mut world, TEMPLATE, &[("Group", "lost")]).unwrap_err();
    assert!(error.to_string().starts_with("Hook cannot be made: ValidationError: AutoScalingGroup name not found"));
    assert!(stacks(&mut world, None).is_empty());
    deploy(&mut world, TEMPLATE, &[("Group", GROUP)]).unwrap();
    let hook = world.hook(GROUP, "drainer").unwrap();
    assert_eq!((hook.heartbeat_timeout, hook.default_result), (seconds(900), ActionResult::Continue));
    assert_eq!(world.physical_id(STACK, "Hook"), Some("drainer"));
}

#[test]
fn a_rule_tells_its_pattern_or_schedule_and_its_targets() {
    let mut world = deployed();
    let name = world.physical_id(STACK, "Rule").unwrap().to_owned();
    let described = rule(&mut world, &name, None).unwrap();
    assert_eq!(described.arn, format!("arn:aws:events:us-west-2:123456789012:rule/{name}"));
    let pattern: serde_json::Value = serde_json::from_str(described.event_pattern.as_deref().unwrap()).unwrap();
    assert_eq!(pattern["detail"]["LifecycleHookName"], serde_json::json!(["a", "b"]));
    assert_eq!((described.state, described.description.as_deref()), ("ENABLED", Some("What goes.")));
    assert_eq!((described.schedule_expression, described.event_bus_name.as_str()), (None, "default"));
    let queue = world.physical_id(STACK, "Queue").unwrap().rsplit('/').next().unwrap();
    let arn = format!("arn:aws:sqs:us-west-2:123456789012:{queue}");
    let retry_policy = RetryPolicy { maximum_retry_attempts: Some(185), maximum_event_age_in_seconds: Some(3600) };
    let expected = RuleTarget {
        id: "queue".to_owned(),
        arn: arn.clone(),
        dead_letter_arn: Some(arn),
        retry_policy: Some(retry_policy),
    };
    assert_eq!(targets(&mut world, &name), [expected]);

    let schedule = world.physical_id(STACK, "FunctionEveryMinute").unwrap().to_owned();
    let described = rule(&mut world, &schedule, Some("default")).unwrap();
    assert_eq!((described.event_pattern, described.schedule_expression.as_deref()), (None, Some("rate(1 minute)")));
    let [target] = targets(&mut world, &schedule).try_into().unwrap();
    let function = world.physical_id(STACK, "Function").unwrap();
    assert_eq!(target.arn, format!("arn:aws:lambda:us-west-2:123456789012:function:{function}"));
    assert_eq!((target.id.as_str(), target.dead_letter_arn), ("FunctionEveryMinuteLambdaTarget", None));
}

#[test]
fn a_rule_that_is_not_there_is_not_found() {
    let mut world = deployed();
    let name = world.physical_id(STACK, "Rule").unwrap().to_owned();
    let by_arn = "arn:aws:events:us-west-2:123456789012:event-bus/default";
    assert!(rule(&mut world, &name, Some(by_arn)).is_ok());
    for (name, bus, message) in [
        ("Rule", None, "Rule Rule does not exist on EventBus default."),
        (name.as_str(), Some("other"), "Event bus other does not exist."),
    ] {
        let error = rule(&mut world, name, bus).unwrap_err();
        assert_eq!((error.code.as_str(), error.message.as_str()), ("ResourceNotFoundException", message));
    }
}

#[test]
fn a_rule_may_be_disabled_and_lose_its_targets() {
    let mut world = deployed();
    let name = world.physical_id(STACK, "Rule").unwrap().to_owned();
    world.disable_rule(&name).unwrap();
    world.remove_targets("Rule").unwrap();
    assert_eq!(rule(&mut world, &name, None).unwrap().state, "DISABLED");
    assert!(targets(&mut world, &name).is_empty());
    assert_eq!(world.disable_rule("lost"), Err(unknown("rule", "lost")));
    assert_eq!(world.remove_targets("lost"), Err(unknown("rule", "lost")));
}

#[test]
fn a_role_is_simulated_by_action_and_resource() {
    let mut world = deployed();
    let role = role(&world);
    let prod = [("ecs:cluster", "arn:aws:ecs:us-west-2:123456789012:cluster/prod")];
    let queue = world.physical_id(STACK, "Queue").unwrap().rsplit('/').next().unwrap();
    let queue = format!("arn:aws:sqs:us-west-2:123456789012:{queue}");
    let actions = ["ecs:StopTask", "sqs:ReceiveMessage"];
    let request = simulation(&role, &actions, &[TASK, &queue], &prod);
    let results = simulate(&mut world, request);
    let told: Vec<Vec<bool>> = results.iter().map(|it| it.resources.iter().map(|it| it.allowed).collect()).collect();
    assert_eq!(told, [[true, false], [false, true]]);
    assert!(results.iter().all(|it| !it.allowed), "not to every resource");
    let [only] = simulate(&mut world, simulation(&role, &["ecs:StopTask"], &[TASK], &prod)).try_into().unwrap();
    assert!(only.allowed && only.resources[0].resource == TASK);
    let [without_context] =
        simulate(&mut world, simulation(&role, &["ecs:StopTask"], &[TASK], &[])).try_into().unwrap();
    assert!(!without_context.allowed);
    for everything in [&[][..], &["*"]] {
        let actions = ["ecs:ListClusters", "ecs:StopTask"];
        let told = simulate(&mut world, simulation(&role, &actions, everything, &prod));
        assert_eq!(told.iter().map(|it| it.allowed).collect::<Vec<_>>(), [true, false]);
        assert!(told.iter().all(|it| it.resources.is_empty()));
    }
}

#[test]
fn a_permission_may_be_taken_away() {
    let mut world = deployed();
    let role = role(&world);
    let request = simulation(&role, &["ecs:ListClusters"], &[], &[]);
    assert!(simulate(&mut world, request.clone())[0].allowed);
    world.forget_permission("Role", "ecs:ListClusters").unwrap();
    assert!(!simulate(&mut world, request)[0].allowed);
    world.forget_permission(&role, "ecs:StopTask").unwrap();
    assert_eq!(world.forget_permission("lost", "ecs:StopTask"), Err(unknown("role", "lost")));
}

#[test]
fn what_cannot_be_simulated_is_refused() {
    let mut world = deployed();
    let role = role(&world);
    let lost = "arn:aws:iam::123456789012:role/lost";
    let error = refusal(&mut world, simulation(lost, &["ecs:StopTask"], &[], &[]));
    assert_eq!((error.code.as_str(), error.status), ("NoSuchEntity", 404));
    let many = vec!["ecs:StopTask"; 101];
    for actions in [&["StopTask"][..], &[], &many] {
        assert_eq!(refusal(&mut world, simulation(&role, actions, &[], &[])).code, "InvalidInput");
    }
}

#[test]
fn what_is_not_modelled_of_a_template_is_an_error() {
    let mut world = world();
    for (text, unsupported) in [
        (TEMPLATE.replace("Type: Schedule", "Type: S3"), true),
        (TEMPLATE.replace("AWS::Serverless::Function", "AWS::Serverless::Api"), true),
        (TEMPLATE.replace("Role: !GetAtt Role.Arn", "Timeout: 3"), true),
        (TEMPLATE.replace("Schedule: rate(1 minute),", "Schedule: rate(1 minute), Input: '{}',"), true),
        (
            TEMPLATE
                .replace("          RetryPolicy: { Maximum", "          Input: x\n          RetryPolicy: { Maximum"),
            true,
        ),
        (TEMPLATE.replace("Description: What goes.", "EventBusName: other"), true),
        (TEMPLATE.replace("!GetAtt Queue.Arn }", "!GetAtt Lost.Arn }"), false),
    ] {
        assert_ne!(text, TEMPLATE);
        match deploy(&mut world, &text, &[]) {
            Err(DeployError::Template(TemplateError::Unsupported(_))) if unsupported => {}
            Err(DeployError::Template(TemplateError::Unknown(_)) | DeployError::Policy(_)) if !unsupported => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(stacks(&mut world, None).is_empty());
}

#[test]
fn the_drainers_own_template_can_be_deployed() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml");
    let mut world = world();
    let parameters = [("AutoScalingGroupName", GROUP), ("RebalanceRecommendations", "drain")];
    deploy(&mut world, &std::fs::read_to_string(path).unwrap(), &parameters).unwrap();
    for logical in [
        "InstanceTerminatingFunctionTerminations",
        "ReconcileFunctionEveryMinute",
        "ReconcileFunctionEveryMinutePermission",
        "ReconcileFunctionEventInvokeConfig",
        "RebalanceRecommendationRule",
    ] {
        assert!(world.physical_id(STACK, logical).is_some(), "{logical}");
    }
    assert_eq!(world.hook(GROUP, "ecs-drainer").unwrap().heartbeat_timeout, seconds(900));
    for role in ["InstanceTerminatingRole", "SpotInterruptionRole", "ReconcileRole"] {
        let arn = format!("arn:aws:iam::123456789012:role/{}", world.physical_id(STACK, role).unwrap());
        assert!(simulate(&mut world, simulation(&arn, &["ecs:ListClusters"], &[], &[]))[0].allowed, "{role}");
    }
}
