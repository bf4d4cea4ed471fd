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

async fn events(simulator: &Simulator, operation: &str, body: Value) -> (u16, Value) {
    let (status, body) = send(simulator, Some(&format!("AWSEvents.{operation}")), body.to_string()).await.unwrap();
    (status, serde_json::from_str(&body).unwrap())
}

async fn query(simulator: &Simulator, body: String) -> (u16, String) {
    send(simulator, None, body).await.unwrap()
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
    assert!(xml.contains("not modelled: unknown field `StackStatusFilter`"), "{xml}");
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
