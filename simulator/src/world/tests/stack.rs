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
    match ask(world, CloudFormationRequest::DescribeStacks { stack_name: named.map(str::to_owned) }) {
        Ok(Response::Stacks(stacks)) => stacks,
        other => panic!("no stacks: {other:?}"),
    }
}

fn list(world: &mut World, stack: &str, next_token: Option<String>) -> (Vec<StackResource>, Option<String>) {
    match ask(world, CloudFormationRequest::ListStackResources { stack_name: stack.to_owned(), next_token }) {
        Ok(Response::StackResources { resources, next_token }) => (resources, next_token),
        other => panic!("no resources: {other:?}"),
    }
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
    let nonsense = CloudFormationRequest::ListStackResources {
        stack_name: STACK.to_owned(),
        next_token: Some("nonsense".to_owned()),
    };
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
