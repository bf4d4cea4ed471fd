//! CloudFormation, EventBridge and IAM.

use super::*;
use crate::cloudformation::Template;

const STACK: &str = "ecs-drainer";

fn deployed() -> Simulator {
    let simulator = simulator();
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml")).unwrap();
    let template = Template::parse(&text).unwrap();
    simulator.world(|world| {
        let place = world.settings().place(STACK);
        world.deploy(&template.deployed(place, &[]).unwrap()).unwrap();
    });
    simulator
}

fn physical(simulator: &Simulator, logical: &str) -> String {
    simulator.world(|world| world.physical_id(STACK, logical).unwrap().to_owned())
}

async fn events(simulator: &Simulator, operation: &str, body: Value) -> (u16, Value) {
    let (status, body) = send(simulator, Some(&format!("AWSEvents.{operation}")), body.to_string()).await.unwrap();
    (status, serde_json::from_str(&body).unwrap())
}

async fn query(simulator: &Simulator, body: String) -> (u16, String) {
    send(simulator, None, body).await.unwrap()
}

#[tokio::test]
async fn cloudformation_describes_a_stack_and_lists_its_resources() {
    let simulator = deployed();
    let (status, xml) = query(&simulator, format!("Action=DescribeStacks&Version=2010-05-15&StackName={STACK}")).await;
    assert_eq!(status, 200);
    let begins = "<DescribeStacksResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\">\
        <DescribeStacksResult><Stacks><member><StackId>arn:aws:cloudformation:us-west-2:123456789012:stack/ecs-drainer/";
    assert!(xml.starts_with(begins), "{xml}");
    let parameter =
        "<member><ParameterKey>OnDrainTimeout</ParameterKey><ParameterValue>stop-tasks</ParameterValue></member>";
    assert!(xml.contains(parameter) && xml.contains("<StackStatus>CREATE_COMPLETE</StackStatus>"), "{xml}");
    let list = format!("Action=ListStackResources&Version=2010-05-15&StackName={STACK}");
    let (_, xml) = query(&simulator, list.clone()).await;
    let queue = physical(&simulator, "TerminationQueue");
    let resource = format!(
        "<LogicalResourceId>TerminationQueue</LogicalResourceId><PhysicalResourceId>{queue}</PhysicalResourceId>\
         <ResourceType>AWS::SQS::Queue</ResourceType>"
    );
    assert!(xml.contains(&resource), "{xml}");
    let (status, xml) = query(&simulator, list.replace(STACK, "lost")).await;
    assert_eq!(status, 400);
    assert!(xml.starts_with("<ErrorResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\">"), "{xml}");
    assert!(xml.contains("<Code>ValidationError</Code><Message>Stack with id lost does not exist</Message>"), "{xml}");
}

#[tokio::test]
async fn a_version_is_that_of_the_service_whose_action_it_is() {
    let simulator = deployed();
    let (status, xml) = query(&simulator, "Action=DescribeStacks&Version=2011-01-01".to_owned()).await;
    assert_eq!(status, 400);
    assert!(xml.contains("<Code>InvalidAction</Code>") && xml.contains("autoscaling.amazonaws.com"), "{xml}");
    let (_, xml) = query(&simulator, "Action=CreateStack&Version=2010-05-15".to_owned()).await;
    assert!(xml.contains("<Code>InvalidAction</Code>") && xml.contains("cloudformation.amazonaws.com"), "{xml}");
    let (_, xml) = query(&simulator, "Action=DescribeStacks&StackStatusFilter.member.1=X".to_owned()).await;
    assert!(xml.contains("StackStatusFilter.member.1 is not modelled"), "{xml}");
}

#[tokio::test]
async fn event_bridge_describes_a_rule_and_lists_its_targets() {
    let simulator = deployed();
    let name = physical(&simulator, "TerminationRule");
    let (status, rule) = events(&simulator, "DescribeRule", json!({ "Name": name })).await;
    assert_eq!(status, 200);
    assert_eq!((&rule["State"], &rule["EventBusName"]), (&json!("ENABLED"), &json!("default")));
    let pattern: Value = serde_json::from_str(rule["EventPattern"].as_str().unwrap()).unwrap();
    assert_eq!(pattern["detail"]["LifecycleHookName"], json!(["ecs-drainer"]));
    assert!(rule.get("ScheduleExpression").is_none(), "absent, not null");
    let (_, told) = events(&simulator, "ListTargetsByRule", json!({ "Rule": name })).await;
    let target = &told["Targets"][0];
    assert_eq!(target["RetryPolicy"], json!({ "MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 3600 }));
    let dead_letters = physical(&simulator, "UndeliveredEvents").rsplit('/').next().unwrap().to_owned();
    let arn = format!("arn:aws:sqs:us-west-2:123456789012:{dead_letters}");
    assert_eq!(target["DeadLetterConfig"], json!({ "Arn": arn }));
    for (operation, body, code) in [
        ("DescribeRule", json!({ "Name": "lost" }), "ResourceNotFoundException"),
        ("DescribeRule", json!({}), "ValidationException"),
        ("ListTargetsByRule", json!({ "Rule": name, "Limit": 1 }), "ValidationException"),
        ("ListRules", json!({}), "UnknownOperationException"),
        ("ListClusters", json!({}), "UnknownOperationException"),
    ] {
        let (status, error) = events(&simulator, operation, body).await;
        assert_eq!((status, &error["__type"]), (400, &json!(code)), "{operation}");
    }
}

#[tokio::test]
async fn iam_simulates_a_role() {
    let simulator = deployed();
    let role = physical(&simulator, "ReconcileRole");
    let body = |role: &str| {
        format!(
            "Action=SimulatePrincipalPolicy&Version=2010-05-08&PolicySourceArn=arn:aws:iam::123456789012:role/{role}\
             &ActionNames.member.1=ecs:StopTask&ResourceArns.member.1=arn:aws:ecs:us-west-2:123456789012:task/prod/1"
        )
    };
    let context = "&ContextEntries.member.1.ContextKeyName=ecs:cluster&ContextEntries.member.1.ContextKeyType=string\
        &ContextEntries.member.1.ContextKeyValues.member.1=arn:aws:ecs:us-west-2:123456789012:cluster/prod";
    let (status, xml) = query(&simulator, body(&role) + context).await;
    assert_eq!(status, 200);
    let expected = "<SimulatePrincipalPolicyResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\">\
        <SimulatePrincipalPolicyResult><IsTruncated>false</IsTruncated><EvaluationResults><member>\
        <EvalActionName>ecs:StopTask</EvalActionName><EvalDecision>allowed</EvalDecision><ResourceSpecificResults><member>\
        <EvalResourceName>arn:aws:ecs:us-west-2:123456789012:task/prod/1</EvalResourceName>\
        <EvalResourceDecision>allowed</EvalResourceDecision></member></ResourceSpecificResults></member></EvaluationResults>";
    assert!(xml.starts_with(expected), "{xml}");
    let (_, xml) = query(&simulator, body(&role)).await;
    assert!(xml.contains("<EvalDecision>implicitDeny</EvalDecision>"), "{xml}");
    let (status, xml) = query(&simulator, body("lost")).await;
    assert!(status == 404 && xml.contains("<Code>NoSuchEntity</Code>"), "{xml}");
    for changed in [
        context.replace("ContextKeyType=string", "ContextKeyType=date"),
        context.replace("Values.member.1", "Values.member.2"),
        format!("{context}&ContextEntries.member.1.Other=x"),
    ] {
        let (status, xml) = query(&simulator, body(&role) + &changed).await;
        assert!(status == 400 && xml.contains("<Code>InvalidInput</Code>"), "{xml}");
    }
}

#[tokio::test]
async fn denials_have_the_codes_of_their_services() {
    let simulator = deployed();
    let denied = FaultKind::AccessDenied;
    simulator.world(|world| world.plan(Fault::always(denied)));
    let (status, error) = events(&simulator, "DescribeRule", json!({ "Name": "any" })).await;
    assert_eq!((status, &error["__type"]), (400, &json!("AccessDeniedException")));
    let rule = "events:DescribeRule on resource: arn:aws:events:us-west-2:123456789012:rule/any because";
    assert!(error["message"].as_str().unwrap().contains(rule), "{error}");
    let (status, xml) = query(&simulator, "Action=ListStackResources&StackName=lost".to_owned()).await;
    assert!(status == 403 && xml.contains("<Code>AccessDenied</Code>"), "{xml}");
    assert!(xml.contains("on resource: arn:aws:cloudformation:us-west-2:123456789012:stack/lost/* because"), "{xml}");
}
